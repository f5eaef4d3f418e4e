-- Of six campaigns, one in each state, only the running one is handed out.
begin;
select plan(8);

select core.set_clock();
select core.world(0) as ended
\gset
select core.account_of(:'ended') as account, core.template_of(:'ended') as template
\gset
select core.campaign(:'account', :'template', 1, false) as draft
\gset
select core.campaign(:'account', :'template', 1, false) as scheduled
\gset
select start_campaign(:'scheduled', sendonce.now() + interval '1 hour');
select core.campaign(:'account', :'template', 1) as running
\gset
select core.campaign(:'account', :'template', 1) as paused
\gset
select pause_campaign(:'paused', 'test');
select core.campaign(:'account', :'template', 1) as cancelled
\gset
select cancel_campaign(:'cancelled');

select is(core.campaign_status(:'ended'), 'completed', 'the first is completed');
select claim_messages('worker-1', :'account', 1000) as claimed
\gset
select is(jsonb_array_length(:'claimed'::jsonb -> 'entries'), 1, 'one entry of all campaigns is given out');
select is(
    :'claimed'::jsonb #>> '{entries, 0, entry_id}', core.entry(:'running')::text, 'it belongs to the running campaign'
);
select is(core.state(core.entry(:'draft')), 'ready', 'the draft waits');
select is(core.state(core.entry(:'scheduled')), 'ready', 'the scheduled one waits');
select is(core.state(core.entry(:'paused')), 'ready', 'the paused one waits');
select is(core.state(core.entry(:'cancelled')), 'ready', 'the cancelled one waits for the sweep');

select resume_campaign(:'paused');
select is(
    claim_messages('worker-1', :'account', 1000) #>> '{entries, 0, entry_id}', core.entry(:'paused')::text,
    'the paused one is given out once it is resumed'
);

select * from finish();
rollback;
