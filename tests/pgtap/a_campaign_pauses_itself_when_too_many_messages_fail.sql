-- The limit is the marketer's; from 50 outcomes on, so that one bad number among the first does not stop anything.
begin;
select plan(22);

select core.set_clock();
select core.world(400, '{"campaign": {"maximum_failure_rate": 0.1}}') as campaign
\gset

create function pg_temp.results(_campaign_id uuid, _from integer, _to integer, _outcome text)
returns void
language sql
volatile
set search_path = ''
as $$
    select core.result(core.entry(_campaign_id, n), _outcome, case _outcome when 'rejected' then '{"code": "131026"}'::jsonb else '{}' end)
    from generate_series(_from, _to) n;
$$;

select core.hand_out(:'campaign', 400) as claim
\gset
select pg_temp.results(:'campaign', 1, 44, 'accepted');
select pg_temp.results(:'campaign', 45, 49, 'rejected');
select is(core.campaign_status(:'campaign'), 'running', '5 of 49 failed: too few to judge');
select pg_temp.results(:'campaign', 50, 50, 'accepted');
select is(core.campaign_status(:'campaign'), 'running', '5 of 50 is the limit, not above it');
select pg_temp.results(:'campaign', 51, 51, 'rejected');
select is(core.campaign_status(:'campaign'), 'paused', '6 of 51 is above it');
select is(
    (select c.pause_reason from campaigns c where c.id = :'campaign'),
    '6 of 51 messages failed: more than the 10 % allowed. See failure_breakdown, then resume_campaign', 'it says why'
);
select is((select c.paused_at from campaigns c where c.id = :'campaign'), sendonce.now(), 'and since when');
select results_eq(
    format('select e.detail ->> ''reason'' from campaign_events e where e.campaign_id = %L and e.event = ''campaign.paused''', :'campaign'),
    array['6 of 51 messages failed: more than the 10 % allowed. See failure_breakdown, then resume_campaign'], 'the log has it, once'
);
select is(core.claim(:'campaign'), null, 'nothing more is given out');
-- What is in flight is recorded, and says nothing new.
select pg_temp.results(:'campaign', 52, 60, 'rejected');
select is((select c.total_failed from campaigns c where c.id = :'campaign'), 15, 'what was in flight is recorded');
select is((select count(*) from campaign_events where campaign_id = :'campaign' and event = 'campaign.paused'), 1::bigint, 'without a second pause');

select resume_campaign(:'campaign');
select is(core.campaign_status(:'campaign'), 'running', 'a person resumes it');
select pg_temp.results(:'campaign', 61, 109, 'rejected');
select is(core.campaign_status(:'campaign'), 'running', 'and it is judged anew: 49 are too few');
select pg_temp.results(:'campaign', 110, 110, 'rejected');
select is(core.campaign_status(:'campaign'), 'paused', 'by what came since');
select matches((select c.pause_reason from campaigns c where c.id = :'campaign'), '^50 of 50 ', 'and that is what it says');

-- Retried, the failures are forgiven too.
select resume_campaign(:'campaign');
select retry_failed(:'campaign');
select core.hand_out(:'campaign', 400);
select pg_temp.results(:'campaign', 111, 156, 'accepted');
select is(core.campaign_status(:'campaign'), 'running', 'what was retried does not count as failed');
-- A report may say later that a message did not arrive: a failure too.
select core.report(core.entry(:'campaign', n), 'failed', '{"code": "131026"}') from generate_series(111, 114) n;
select pg_temp.results(:'campaign', 157, 160, 'accepted');
select is(core.campaign_status(:'campaign'), 'running', '4 of 50 came to nothing');
select core.report(core.entry(:'campaign', n), 'failed', '{"code": "131026"}') from generate_series(115, 116) n;
select is(core.campaign_status(:'campaign'), 'paused', '6 of 50 are more than a tenth, told by reports or not');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

-- Without a limit nothing pauses; a last entry completes, whatever the rate.
select core.world(60) as unlimited
\gset
select core.hand_out(:'unlimited', 400);
select pg_temp.results(:'unlimited', 1, 59, 'rejected');
select is(core.campaign_status(:'unlimited'), 'running', 'without a limit it goes on');
select core.world(50, '{"campaign": {"maximum_failure_rate": 0.1}}') as small
\gset
select core.hand_out(:'small', 400);
select pg_temp.results(:'small', 1, 50, 'rejected');
select is(core.campaign_status(:'small'), 'completed', 'a campaign whose last message fails completes');
select results_eq($$select c.total_failed from campaigns c where c.id = '$$ || :'small' || $$'$$, array[50], 'with all of them failed');
select clone_campaign(:'campaign') ->> 'campaign_id' as clone
\gset
select is((select c.maximum_failure_rate from campaigns c where c.id = :'clone'), 0.1, 'a clone has the limit');
select is((select c.forgiven_outcomes + c.forgiven_failures from campaigns c where c.id = :'clone'), 0, 'and is owed nothing');

select * from finish();
rollback;
