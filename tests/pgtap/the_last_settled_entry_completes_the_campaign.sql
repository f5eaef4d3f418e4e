-- Completion happens in the transaction that settles the last entry, and by that alone.
begin;
select plan(8);

select core.set_clock();
select core.world(2) as campaign
\gset

select core.hand_out(:'campaign') as claim
\gset
select core.result(core.entry(:'campaign', 1), 'accepted');
select is(core.campaign_status(:'campaign'), 'running', 'with one of two entries settled the campaign runs');
select is(core.counter(:'campaign', 'progress'), '50.00', 'and half of it is done');

select core.result(core.entry(:'campaign', 2), 'rejected', '{"code": "135000"}');
select is(core.campaign_status(:'campaign'), 'completed', 'the statement that settles the last entry completes it');
select is(core.counter(:'campaign', 'progress'), '100.00', 'at 100 percent');
select is(core.counter(:'campaign', 'completed_at')::timestamptz, sendonce.now(), 'with the time');
select is(core.counter(:'campaign', 'total_sent'), '1', 'one was sent');
select is(core.counter(:'campaign', 'total_failed'), '1', 'one failed');
select is_empty(format('select core.differences(%L)', :'campaign'), 'and the numbers are the rows');

select * from finish();
rollback;
