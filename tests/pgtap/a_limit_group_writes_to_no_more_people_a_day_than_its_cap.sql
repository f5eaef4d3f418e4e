-- Accounts of one portfolio share a cap on distinct people per moving 24 hours.
begin;
select plan(15);

select core.set_clock();
select core.organization() as organization
\gset
select core.template(:'organization') as template
\gset
select core.account(:'organization', '{"limit_group": "portfolio", "daily_recipients": 3}') as a
\gset
select core.account(:'organization', '{"limit_group": "portfolio"}') as b
\gset
select core.campaign(:'a', :'template', 2) as first
\gset
select core.campaign(:'b', :'template', 5) as second
\gset

select is(jsonb_array_length(core.dispatch(core.claim(:'first')) -> 'dispatched'), 2, 'two people by the first account');
select core.advance('1 hour');
select core.claim(:'second') as claim
\gset
select core.dispatch(:claim) as answer
\gset
-- Persons 1 and 2 have been written to already: they take no room; one more does.
select is(
    :'answer'::jsonb -> 'dispatched',
    (select jsonb_agg(core.entry(:'second', n) order by n) from generate_series(1, 3) n),
    'by the second the same two and one more'
);
select is(jsonb_array_length(:'answer'::jsonb -> 'refused'), 2, 'the others are refused');
select is(:'answer'::jsonb #>> '{refused, 0, reason}', 'daily cap of the limit group', 'for the cap');
select is(core.state(core.entry(:'second', 4)), 'ready', 'and come back');
select is(core.column_of(core.entry(:'second', 4), 'attempt'), '1', 'having used a number, not a try');
select cmp_ok(core.column_of(core.entry(:'second', 4), 'due_at')::timestamptz, '>', sendonce.now(), 'to wait until there is room');
select cmp_ok(core.column_of(core.entry(:'second', 4), 'due_at')::timestamptz, '<=', sendonce.now() + interval '24 hours', 'at most a day');
select is(core.claim(:'second'), null, 'nothing is given out meanwhile');
select is((select count(*) from sendonce.limit_group_recipients), 3::bigint, 'three people were written to');

-- A day later there is room again.
select core.advance('24 hours');
select expire_claims();
select core.claim(:'second') as claim
\gset
select is(jsonb_array_length(core.dispatch(:claim) -> 'dispatched'), 2, 'a day later the two others go');

-- One person twice in a batch takes one place.
select core.world(0) as ended
\gset
select core.account(core.organization_of(:'ended'), '{"limit_group": "small", "daily_recipients": 1}') as small
\gset
select core.single_message(:'small', core.template_of(:'ended'), core.person(1)) as one
\gset
select core.single_message(:'small', core.template_of(:'ended'), core.person(1)) as two
\gset
select core.single_message(:'small', core.template_of(:'ended'), core.person(2)) as three
\gset
select (claim_messages('worker-1', :'small') ->> 'claim_id')::bigint as claim
\gset
select is(core.dispatch(:claim) -> 'dispatched', jsonb_build_array(:one, :two), 'two messages to one person take one place');
select is(core.state(:three), 'ready', 'another person has to wait');

-- Without a cap.
select core.account(core.organization_of(:'ended'), '{"limit_group": "open"}') as open
\gset
select core.campaign(:'open', core.template_of(:'ended'), 50) as many
\gset
select is(jsonb_array_length(core.dispatch(core.claim(:'many')) -> 'dispatched'), 50, 'a group without a cap holds nobody back');
select is_empty(format('select core.differences(%L)', :'second'), 'the numbers are the rows');

select * from finish();
rollback;
