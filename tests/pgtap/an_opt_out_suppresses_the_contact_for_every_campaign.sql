begin;
select plan(9);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.campaign(core.account_of(:'campaign'), core.template_of(:'campaign'), 2) as next
\gset
select core.hand_out(:'campaign', 2);
select core.result(core.entry(q.campaign_id, 1), 'rejected', '{"code": "131050"}')
from send_queue q
where q.status = 'processing'
limit 1;
select is(
    (select scope || ' ' || recipient from suppressions), 'marketing ' || core.person(1), 'the person who opted out is suppressed for marketing'
);
select is((select count(*) from send_queue
where status = 'failed' and error_class = 'opt_out'), 1::bigint, 'the entry fails as opt_out');
select core.hand_out(:'campaign');
select core.hand_out(:'next');
select is((select count(*) from send_queue
where status = 'skipped'), 1::bigint, 'in the other campaign the contact is skipped');

-- By a report, after acceptance.
select core.world(1) as third
\gset
select core.bring(core.entry(:'third'), 'sent');
select core.report(core.entry(:'third'), 'failed', '{"code": "131050"}');
select is(core.state(core.entry(:'third')), 'sent/undelivered', 'a report of it does not undo the sending');
select is(
    (select count(*) from suppressions
where organization_id = core.organization_of(:'third')), 1::bigint, 'and suppresses too'
);

-- Nobody else's.
select core.world(2) as foreign_campaign
\gset
select core.hand_out(:'foreign_campaign');
select is(core.state(core.entry(:'foreign_campaign', 1)), 'processing', 'another organization may still write to that person');

-- Added later.
select core.campaign(core.account_of(:'third'), core.template_of(:'third'), 1, false) as fourth
\gset
select is(core.state(core.entry(:'fourth')), 'skipped', 'added to another campaign the contact is skipped at once');
select is(core.counter(:'fourth', 'total_skipped'), '1', 'and counted');
select is(start_campaign(:'fourth') ->> 'status', 'completed', 'a campaign of skipped contacts completes at its start');

select * from finish();
rollback;
