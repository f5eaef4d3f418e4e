begin;
select plan(13);

select core.set_clock();
select core.world(3) as campaign
\gset
select core.claim(:'campaign') as claim
\gset
select core.dispatch(:claim, array[core.entry(:'campaign', 1)]);
select is(release_claim(:claim), '{"released": 2, "claim_open": true}', 'two of three are released');
select is(core.state(core.entry(:'campaign', 1)), 'processing', 'what was dispatched stays in hand');
select is(core.state(core.entry(:'campaign', 2)), 'ready', 'the rest is ready');
select is(core.column_of(core.entry(:'campaign', 2), 'lost_claims'), '0', 'and the claim was not lost');
select is((select entry_ids from claims
where id = :claim), array[core.entry(:'campaign', 1)], 'the claim holds what was dispatched');
select is(release_claim(:claim), '{"released": 0, "claim_open": true}', 'released again it releases nothing');
select is(
    core.result(core.entry(:'campaign', 1), 'accepted') ->> 'claim_open', 'false', 'it closes with the last outcome'
);
select is(release_claim(:claim), '{"released": 0, "claim_open": false}', 'and is gone');
select is(release_claim(null), '{"released": 0, "claim_open": false}', 'as is none');

select core.claim(:'campaign') as claim
\gset
select is(release_claim(:claim), '{"released": 2, "claim_open": false}', 'a claim without a dispatch closes at once');
select is((select count(*) from claims), 0::bigint, 'and leaves no row');
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'its entries go out again at once');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
