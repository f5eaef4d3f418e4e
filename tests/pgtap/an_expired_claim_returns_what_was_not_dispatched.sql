begin;
select plan(13);

select core.set_clock();
select core.world(3, '{"account": {"lease": "60 seconds"}}') as campaign
\gset
select core.claim(:'campaign') as claim
\gset
select core.dispatch(:claim, array[core.entry(:'campaign', 2)]);
select core.advance('59.999 seconds');
select is(expire_claims() ->> 'expired', '0', 'before the end of the lease nothing is taken back');
select core.advance('0.001 seconds');
select is(
    expire_claims(), '{"expired": 1, "returned": 2, "unknown": 1, "failed": 0, "more": false}', 'at the end of the lease the claim is closed'
);
select is(core.state(core.entry(:'campaign', 1)), 'ready', 'what was not dispatched is ready');
select is(core.state(core.entry(:'campaign', 3)), 'ready', 'all of it');
select is(core.state(core.entry(:'campaign', 2)), 'unknown', 'what was dispatched is unknown, never ready: it may have gone out');
select is(core.counter(:'campaign', 'total_unknown'), '1', 'and is counted');
select is(
    (select outcome || ' ' || worker from messages
where entry_id = core.entry(:'campaign', 2) and attempt = 1), 'unknown worker-1',
    'its attempt is on record, with the worker'
);
select is_empty(format('select from messages where entry_id = %s', core.entry(:'campaign', 1)), 'an attempt that never left has no row');
select is_empty('select from claims', 'the claim is gone');
select is(expire_claims() ->> 'expired', '0', 'and is not expired twice');

select core.claim(:'campaign') as claim
\gset
select is(
    (select entry_ids from claims
where id = :claim), array[core.entry(:'campaign', 1), core.entry(:'campaign', 3)], 'what is ready goes out again, what is unknown does not'
);
select is(core.column_of(core.entry(:'campaign', 1), 'attempt'), '2', 'as another attempt');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
