begin;
select plan(9);

select core.set_clock();
select core.world(0, '{"start": false}') as campaign
\gset
select is(core.counter(:'campaign', 'progress')::numeric, 0::numeric, 'a draft has not begun');
select is(start_campaign(:'campaign'), '{"status": "completed"}', 'started without contacts it completes at once');
select is(core.counter(:'campaign', 'progress')::numeric, 100::numeric, 'at 100 percent');
select isnt(core.counter(:'campaign', 'completed_at'), null, 'with its time');

select core.world(0, '{"start": false}') as scheduled
\gset
select start_campaign(:'scheduled', sendonce.now() + interval '1 hour');
select is(core.campaign_status(:'scheduled'), 'scheduled', 'a scheduled one waits');
select is(core.counter(:'scheduled', 'progress')::numeric, 0::numeric, 'at 0 percent');
select core.advance('1 hour');
select start_due_campaigns();
select is(core.campaign_status(:'scheduled'), 'completed', 'and completes when its time has come');

-- All suppressed.
select core.world(0, '{"start": false}') as skipped
\gset
insert into suppressions (organization_id, recipient, scope, reason)
select core.organization_of(:'skipped'), core.person(n), 'marketing', 'test' from generate_series(1, 3) n;
select is(
    add_recipients(:'skipped', core.people(1, 3)) - 'rejected', '{"added": 3, "duplicate": 0, "suppressed": 3, "estimated_cost": 0}', 'contacts that are suppressed are added as skipped'
);
select is(start_campaign(:'skipped') ->> 'status', 'completed', 'a campaign of nothing else completes at its start');

select * from finish();
rollback;
