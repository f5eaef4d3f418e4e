-- Same host, same name, another process: what the dead one held runs out all the same.
begin;
select plan(8);

select core.set_clock();
select core.world(2, '{"account": {"lease": "60 seconds"}}') as campaign
\gset
select core.claim(:'campaign', 1, 'worker-1') as dead
\gset
select core.dispatch(:dead);
-- SIGKILL. The process manager starts it again under the same name.
select core.advance('30 seconds');
select worker_heartbeat('worker-1');
select core.claim(:'campaign', 10, 'worker-1') as alive
\gset
select isnt(:alive, :dead, 'the new process has a claim of its own');
select is(
    (select entry_ids from claims
where id = :alive), array[core.entry(:'campaign', 2)], 'which does not hold what the dead one holds'
);
select core.advance('20 seconds');
select renew_claims(array[:alive]);
select worker_heartbeat('worker-1');
select core.advance('10 seconds');
select is(expire_claims() ->> 'expired', '1', 'the dead one''s claim runs out in its time');
select is(core.state(core.entry(:'campaign', 1)), 'unknown', 'and what it dispatched is unknown');
select ok(exists (select from claims
where id = :alive), 'the new one''s claim lives');
select is(core.claim(:'campaign', 10, 'worker-1'), null, 'nothing is sent a second time');
select core.dispatch(:alive);
select core.result(core.entry(:'campaign', 2), 'accepted');
select is(core.state(core.entry(:'campaign', 2)), 'sent', 'it works on');
select is(core.column_of(core.entry(:'campaign', 1), 'attempt'), '1', 'and the unknown entry keeps its one attempt');

select * from finish();
rollback;
