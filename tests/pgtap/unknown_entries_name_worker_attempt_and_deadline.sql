begin;
select plan(7);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_account(:'organization', '{"on_unknown": "hold"}') as holding \gset
select testing.make_campaign(2, :'account') as campaign \gset
-- One without an answer, one whose worker died after the dispatch.
select testing.record(k.id, 'ambiguous')
from (select testing.claim(1, 'worker-1', :'account') as id) k
cross join lateral (select testing.dispatch(k.id) as done) d
where d.done is not null;
select testing.claim(1, 'worker-2', :'account') as claim \gset
select testing.dispatch(:claim);
select testing.pass_time('2 minutes');
select public.expire_claims();

select results_eq(
    format('select entry_id, attempt, worker from public.unknown_entries(%L)', :'organization'),
    format($$values (%s::bigint, 1, 'worker-1'), (%s::bigint, 1, 'worker-2')$$, testing.entry(:'campaign', 1), testing.entry(:'campaign', 2)),
    'which attempt of which worker'
);
select ok(
    (select bool_and(u.unknown_since <= sendonce.now() and u.claimed_at < u.unknown_since) from public.unknown_entries(:'organization') u), 'since when'
);
select ok(
    (select bool_and(u.settles_at = u.unknown_since + interval '10 minutes') from public.unknown_entries(:'organization') u), 'when it ends as failed'
);
select matches(
    (select u.why from public.unknown_entries(:'organization', null, testing.entry(:'campaign', 1)) u), 'lease', 'and why nobody knows'
);

-- Tried once more, and again nobody knows.
select public.resolve_unknown(testing.entry(:'campaign', 2), 'retry');
select testing.claim(1, 'worker-4', :'account') as claim \gset
select testing.dispatch(:claim);
select testing.record(:claim, 'ambiguous');
select results_eq(
    format('select attempt, worker from public.unknown_entries(%L, null, %s)', :'organization', testing.entry(:'campaign', 1)),
    $$values (2, 'worker-4')$$, 'of several attempts it is the last that is unknown'
);

select testing.make_campaign(1, :'holding') as held \gset
select testing.dispatch(testing.claim(1, 'worker-3', :'holding'));
select testing.record((select max(k.id) from public.claims k), 'ambiguous');
select is((select u.settles_at from public.unknown_entries(:'organization', :'held') u), null, 'a held one does not end by itself');
select throws_ok('select public.unknown_entries(gen_random_uuid())', 'SO004', null, 'an organization that does not exist');

select * from finish();
rollback;
