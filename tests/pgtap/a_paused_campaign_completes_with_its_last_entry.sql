-- Paused while its last ones are in flight: what is in flight finishes, and the campaign with it.
begin;
select plan(6);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.hand_out(:'campaign');
select pause_campaign(:'campaign', 'lunch');
select core.result(core.entry(:'campaign', 1), 'accepted');
select is(core.campaign_status(:'campaign'), 'paused', 'with one in flight it stays paused');
select is(core.counter(:'campaign', 'pause_reason'), 'lunch', 'with its reason');
select core.result(core.entry(:'campaign', 2), 'accepted');
select is(core.campaign_status(:'campaign'), 'completed', 'with the last one it completes');
select is(core.counter(:'campaign', 'pause_reason'), null, 'and is not paused any more');
select is(core.counter(:'campaign', 'paused_at'), null, 'in no column');
select throws_ok(format('select resume_campaign(%L)', :'campaign'), 'SO006', null, 'so that it cannot be resumed');

select * from finish();
rollback;
