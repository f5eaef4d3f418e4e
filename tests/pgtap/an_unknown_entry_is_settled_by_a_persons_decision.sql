begin;
select plan(14);

select testing.make_account(testing.make_organization(), '{"on_unknown": "hold"}') as account \gset
select testing.make_campaign(3, :'account') as campaign \gset
-- The first had lost a claim and had a try before.
select testing.claim(1);
select testing.pass_time('2 minutes');
select public.expire_claims();
select testing.send(1, 'rejected', '131016');
select testing.pass_time('1 hour');
select testing.send(3, 'ambiguous');
select testing.pass_time('1 day');
select public.settle_overdue_unknown();
select is((select c.total_unknown from public.campaigns c where c.id = :'campaign'), 3, 'the account holds what nobody knows');

select is(
    public.resolve_unknown(testing.entry(:'campaign', 1), 'retry'),
    jsonb_build_object('entry_id', testing.entry(:'campaign', 1), 'status', 'ready'), 'retry puts it back'
);
select is(
    (select concat_ws(' ', q.tries, q.lost_claims) from public.send_queue q where q.id = testing.entry(:'campaign', 1)), '0 0', 'with all its tries'
);
select is(public.resolve_unknown(testing.entry(:'campaign', 2), 'fail') ->> 'status', 'failed', 'fail ends it');
select is(
    (select q.error_class from public.send_queue q where q.id = testing.entry(:'campaign', 2)), 'outcome_unknown', 'as one that may have gone out'
);
select is((select c.total_unknown from public.campaigns c where c.id = :'campaign'), 1, 'the counters follow');
select throws_ok(format($$select public.resolve_unknown(%s, 'sent')$$, testing.entry(:'campaign', 3)), 'SO005', null, 'nobody can decide that it was sent');
select throws_ok(
    format($$select public.resolve_unknown(%s, 'retry')$$, testing.entry(:'campaign', 2)), 'SO006', null, 'what is settled is not decided again'
);
select throws_ok($$select public.resolve_unknown(0, 'fail')$$, 'SO004', null, 'an entry that does not exist');
select is(
    (
        select array_agg(e.detail ->> 'decision' order by e.id) from public.campaign_events e
        where e.campaign_id = :'campaign' and e.event = 'entry.resolved'
    ),
    array['retry', 'fail'], 'both decisions are on record'
);

select is((testing.send() ->> 'sent')::integer, 1, 'the one put back goes out, as another attempt');
select is((testing.report(testing.entry(:'campaign', 2), 'delivered') ->> 'applied')::integer, 1, 'the one given up may still be proven sent');
select is(
    (select array_agg(q.status::text order by q.id) from public.send_queue q where q.campaign_id = :'campaign'), array['sent', 'sent', 'unknown'],
    'by the provider''s own word'
);
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
