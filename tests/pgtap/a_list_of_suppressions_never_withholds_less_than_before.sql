begin;
select plan(19);

select testing.make_organization() as organization
\gset
select public.suppress(:'organization', '+99900000001', 'all', 'a letter');
select public.suppress(:'organization', '+99900000002', 'marketing', 'a call');

select suppress_recipients(
    :'organization',
    '[{"recipient": "+99900000003", "row": 9}, "+99900000001", {"recipient": "+99900000002"}, "+99900000003", {"recipient": "12", "row": 7}, null, {}]',
    'marketing', 'the old system'
) as answer
\gset
select is(:'answer'::jsonb ->> 'added', '1', 'the new one is added');
select is(:'answer'::jsonb ->> 'already', '3', 'those who are suppressed as far, or come twice, are not');
select is(jsonb_array_length(:'answer'::jsonb -> 'rejected'), 3, 'what is no number stops nobody');
select ok(
    exists (select from jsonb_array_elements(:'answer'::jsonb -> 'rejected') r
where r.value ->> 'row' = '7' and r.value ->> 'recipient' = '12' and r.value ->> 'reason' like 'not an E.164%'), 'it is told with its row and the reason'
);
select is((select s.scope from public.suppressions s where s.recipient = '+99900000001'), 'all', 'marketing after all is still all');
select is((select s.reason from public.suppressions s where s.recipient = '+99900000001'), 'a letter', 'for the reason it had');
select is((select s.scope from public.suppressions s where s.recipient = '+99900000003'), 'marketing', 'the new one is suppressed as asked');
select results_eq(
    'select e.event, e.detail from public.campaign_events e where e.event = ''recipients.suppressed''',
    $$values ('recipients.suppressed', '{"added": 1, "already": 3, "rejected": 3, "scope": "marketing", "reason": "the old system"}'::jsonb)$$,
    'one line of the log has the counts'
);

select is(
    suppress_recipients(:'organization', '["+99900000001", "+99900000002"]', 'all', 'the law'), '{"added": 1, "already": 1, "rejected": []}',
    'all after marketing withholds more'
);
select is((select s.scope from public.suppressions s where s.recipient = '+99900000002'), 'all', 'from then on');
select is((select s.reason from public.suppressions s where s.recipient = '+99900000002'), 'the law', 'for the new reason');
select is(
    suppress_recipients(:'organization', '["+99900000001", "+99900000002"]', 'all', 'again'), '{"added": 0, "already": 2, "rejected": []}',
    'the same list again changes nothing'
);

select throws_ok(format($$select suppress_recipients(%L, '{}', 'all', 'x')$$, :'organization'), 'SO005', null, 'what is no array is refused');
select throws_ok(format($$select suppress_recipients(%L, '[]', 'some', 'x')$$, :'organization'), 'SO005', null, 'a scope that is none');
select throws_ok(format($$select suppress_recipients(%L, '[]', 'all', ' ')$$, :'organization'), 'SO005', null, 'a reason that is none');
select throws_ok(
    format($$select suppress_recipients(%L, (select jsonb_agg('x'::text) from generate_series(1, 20001)), 'all', 'x')$$, :'organization'),
    'SO005', null, 'more than 20,000 at once are refused'
);
select throws_ok($$select suppress_recipients(gen_random_uuid(), '[]', 'all', 'x')$$, 'SO004', null, 'an organization that does not exist');

select testing.make_member(:'organization', 'viewer') as viewer
\gset
select testing.make_member(:'organization', 'operator') as operator
\gset
select testing.become(:'viewer');
select throws_ok(
    format($$select suppress_recipients(%L, '["+99900000005"]', 'all', 'x')$$, :'organization'), 'SO003', null, 'a viewer may not'
);
select testing.become(:'operator');
select lives_ok(format($$select suppress_recipients(%L, '["+99900000005"]', 'all', 'x')$$, :'organization'), 'an operator may');

select * from finish();
rollback;
