begin;
select plan(9);

select core.set_clock();
select core.world(2, '{"account": {"lease": "60 seconds"}}') as campaign
\gset
select core.claim(:'campaign') as claim
\gset
select core.advance('59.999 seconds');
select is(
    (begin_dispatch(:claim, array[core.entry(:'campaign', 1)]) ->> 'lease_seconds')::numeric, 0.001, 'a millisecond before the end it may leave'
);
select core.advance('0.001 seconds');
select throws_ok(
    format('select begin_dispatch(%s, array[%s])', :'claim', core.entry(:'campaign', 2)), 'SO021', null, 'at the end of the lease nothing may leave any more'
);
select throws_ok(
    format('select begin_dispatch(%s, array[%s])', :'claim', core.entry(:'campaign', 1)), 'SO021', null, 'nor what was dispatched already'
);
select is((select dispatched from claims
where id = :claim), array[core.entry(:'campaign', 1)], 'the claim says what was dispatched');

select expire_claims();
select throws_ok(
    format('select begin_dispatch(%s, array[%s])', :'claim', core.entry(:'campaign', 2)), 'SO020', null, 'once it is taken back the claim is gone'
);
select throws_ok('select begin_dispatch(987654321, array[1])', 'SO020', null, 'as is one that never was');
select throws_ok('select begin_dispatch(null, array[1])', 'SO020', null, 'and none at all');

select core.claim(:'campaign') as next
\gset
select isnt(:next, :claim, 'its entries go out under another number');
select throws_ok(
    format('select begin_dispatch(%s, array[%s])', :'claim', core.entry(:'campaign', 2)), 'SO020', null, 'and the old one opens nothing'
);

select * from finish();
rollback;
