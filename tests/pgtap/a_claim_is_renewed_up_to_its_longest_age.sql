begin;
select plan(13);

select core.set_clock();
select core.world(3, '{"account": {"lease": "60 seconds", "longest_claim": "150 seconds"}}') as campaign
\gset
select core.claim(:'campaign', 1) as claim
\gset
select core.claim(:'campaign', 1) as other
\gset
select core.advance('50 seconds');
select is(
    renew_claims(array[:claim]) #>> '{claims, 0, lease_seconds}', '60.000000', 'a renewed claim has its whole lease again'
);
select is(jsonb_array_length(renew_claims(array[:claim]) -> 'claims'), 1, 'only the claims that are named are renewed');
select core.advance('10 seconds');
select is(expire_claims() ->> 'expired', '1', 'the other one runs out, although its worker has the same name');
select ok(exists (select from claims
where id = :claim), 'the renewed one does not');

select core.advance('45 seconds');
select is((renew_claims(array[:claim]) #>> '{claims, 0, lease_seconds}')::numeric, 45::numeric, 'at the age of 105 seconds only 45 are left to the longest age');
select core.advance('44 seconds');
select is((renew_claims(array[:claim]) #>> '{claims, 0, lease_seconds}')::numeric, 1::numeric, 'then one');
select core.advance('1 second');
select is(renew_claims(array[:claim]) -> 'claims', '[]', 'then none: it is lost');
select is(expire_claims() ->> 'expired', '1', 'and expires');

select core.claim(:'campaign', 1) as claim
\gset
select core.advance('60 seconds');
select is(renew_claims(array[:claim]) -> 'claims', '[]', 'a claim that ran out is not brought back');
select is(renew_claims(array[987654321]) -> 'claims', '[]', 'nor one that never was');
select is(renew_claims('{}') -> 'claims', '[]', 'none named, none renewed');
select is(renew_claims(null) -> 'claims', '[]', 'nothing named, none renewed');
select throws_ok(format('select begin_dispatch(%s, array[1])', :'claim'), 'SO021', null, 'and it opens nothing any more');

select * from finish();
rollback;
