begin;
select plan(19);

select core.set_clock();
select core.world(6) as campaign
\gset
select core.claim(:'campaign', 3) as claim
\gset
select core.dispatch(:claim, array[core.entry(:'campaign', 1), core.entry(:'campaign', 2)]);
select cancel_campaign(:'campaign');
select is(core.campaign_status(:'campaign'), 'cancelled', 'the flip is at once');
select is(core.counter(:'campaign', 'total_cancelled'), '0', 'the entries follow');
select is(core.claim(:'campaign'), null, 'nothing is claimed any more');
select is(
    begin_dispatch(:claim, array[core.entry(:'campaign', 3)]) #>> '{refused, 0, reason}', 'campaign cancelled', 'what is claimed may not leave any more'
);
select is(sweep_cancelled() ->> 'cancelled', '4', 'the sweep takes what is ready');
select is(core.counter(:'campaign', 'total_cancelled'), '4', 'and counts it');
select core.result(core.entry(:'campaign', 1), 'accepted');
select is(core.state(core.entry(:'campaign', 1)), 'sent', 'what is in flight finishes');
select core.result(core.entry(:'campaign', 2), 'rejected', '{"code": "131016"}');
select is(core.state(core.entry(:'campaign', 2)), 'ready', 'what comes back is ready for a moment');
select core.advance('1 day');
select is(core.claim(:'campaign'), null, 'but does not go out');
select is(sweep_cancelled() ->> 'cancelled', '1', 'and is swept too');
select is(core.counter(:'campaign', 'progress')::numeric, 100::numeric, 'everything is settled');
select is(core.campaign_status(:'campaign'), 'cancelled', 'it stays cancelled');
select is(sweep_cancelled(), '{"cancelled": 0, "more": false}', 'and nothing is left to sweep');
select core.report(core.entry(:'campaign', 2), 'delivered', '{}', 1);
select is(core.state(core.entry(:'campaign', 2)), 'sent/delivered', 'late evidence is taken there too');
select is(core.campaign_status(:'campaign'), 'cancelled', 'and changes the campaign''s state in nothing');
select is(core.counter(:'campaign', 'total_cancelled'), '4', 'only its numbers');
select is_empty(format('select core.differences(%L)', :'campaign'), 'which are the rows');

-- A draft with a contact that was skipped when it was added.
insert into suppressions (organization_id, recipient, scope, reason) values (core.organization_of(:'campaign'), core.person(2), 'all', 'test');
select core.campaign(core.account_of(:'campaign'), core.template_of(:'campaign'), 3, false) as draft
\gset
select cancel_campaign(:'draft');
select is(sweep_cancelled() ->> 'cancelled', '2', 'a draft is swept too');
select is(core.state(core.entry(:'draft', 2)), 'skipped', 'what was skipped stays skipped');

select * from finish();
rollback;
