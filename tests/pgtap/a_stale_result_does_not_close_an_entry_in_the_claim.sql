-- A result of an earlier attempt, told with the id of the claim that holds the entry now, says nothing
-- about the attempt in hand: the claim must go on holding it, or nobody ever takes it back.
begin;
select plan(5);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.bring(core.entry(:'campaign'), 'returned');
select core.advance('1 hour');
select core.hand_out(:'campaign') as claim
\gset
select is(core.column_of(core.entry(:'campaign'), 'attempt'), '2', 'the second attempt is in hand');

select core.result(core.entry(:'campaign'), 'rejected', '{"code": "131016"}', :claim, 1);
select is(core.state(core.entry(:'campaign')), 'processing', 'a repeated result of the first moves nothing');
select ok(
    exists (select from claims
where id = :claim and core.entry(:'campaign') = any(entry_ids)),
    'and the claim goes on holding the entry'
);

select core.advance('1 hour');
select expire_claims();
select is(core.state(core.entry(:'campaign')), 'unknown', 'so that its lease takes it back');
select is_empty(
    'select from send_queue q where q.status = ''processing'' and not exists (select from claims k where k.id = q.claim_id)',
    'and no entry is in process without a claim'
);

select * from finish();
rollback;
