-- A crash may lose the last claims together with the steps of the sequence that numbered them. The server
-- empties sendonce.no_crash_since then; emptied here by hand, with the sequence set back as a crash would.
begin;
select plan(4);

select core.set_clock();
select core.world(300) as campaign
\gset
select (claim_messages('worker', core.account_of(:'campaign'), 100) ->> 'claim_id')::bigint as before
\gset
select (claim_messages('worker', core.account_of(:'campaign'), 100) ->> 'claim_id')::bigint as second
\gset
select is(:second, :before + 1, 'without a crash the ids follow each other');

delete from sendonce.no_crash_since;
delete from claims;
select setval('sendonce.claim_ids', :before, false);
select (claim_messages('worker', core.account_of(:'campaign'), 50) ->> 'claim_id')::bigint as after_crash
\gset
select cmp_ok(:after_crash, '>', :second + 900000, 'after one they leap beyond all that were given out');
select is(current_setting('synchronous_commit'), 'on', 'and the leap reaches the disk before the id is known');
select (claim_messages('worker', core.account_of(:'campaign'), 50) ->> 'claim_id')::bigint as next
\gset
select is(:next, :after_crash + 1, 'once');

select * from finish();
rollback;
