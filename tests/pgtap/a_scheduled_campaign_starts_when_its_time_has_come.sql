begin;
select plan(11);

select core.set_clock();
select core.world(1, '{"start": false}') as campaign
\gset
select is(start_campaign(:'campaign', sendonce.now() + interval '1 hour'), '{"status": "scheduled"}', 'it is scheduled');
select is(core.counter(:'campaign', 'progress')::numeric, 0::numeric, 'at 0 percent');
select is(core.claim(:'campaign'), null, 'nothing goes out before');
select core.advance('59 minutes 59.999 seconds');
select is(start_due_campaigns() ->> 'started', '0', 'a millisecond before its time it waits');
select is(start_campaign(:'campaign', sendonce.now() + interval '2 hours'), '{"status": "scheduled"}', 'it may be put off');
select core.advance('1 hour');
select is(start_due_campaigns() ->> 'started', '0', 'then it waits for the new time');
select core.advance('1 hour');
select is(start_due_campaigns() ->> 'started', '1', 'when its time has come it starts');
select is(core.campaign_status(:'campaign'), 'running', 'and runs');
select is(core.counter(:'campaign', 'started_at')::timestamptz, sendonce.now(), 'since now');
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'and goes out');
select core.world(1, '{"start": false}') as past
\gset
select is(start_campaign(:'past', sendonce.now() - interval '1 hour'), '{"status": "running"}', 'a time that has passed means now');

select * from finish();
rollback;
