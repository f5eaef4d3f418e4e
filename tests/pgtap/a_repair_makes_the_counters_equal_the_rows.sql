begin;
select plan(12);

insert into public.rates (provider, category, rate, charge_on) values ('whatsapp', 'MARKETING', 0.05, 'accepted');
select testing.make_campaign(10) as campaign \gset
select testing.send(6);
select testing.send(1, 'rejected', '135000');
select testing.send(1, 'ambiguous');
select testing.report(testing.entry(:'campaign', 1), 'read');
select testing.report(testing.entry(:'campaign', 2), 'failed', '131026');
select c.* from public.campaigns c where c.id = :'campaign' \gset honest_

-- As in the incidents: events counted as contacts, progress at 290 %, cost added up per event.
alter table public.campaigns drop constraint settled_stays_within_total, drop constraint delivered_stays_within_sent;
alter table public.campaigns drop constraint progress_stays_within_0_and_100, drop constraint active_means_some_unsettled;
select testing.plant(
    'public.campaigns',
    format('update public.campaigns set total_sent = 26, total_failed = 3, total_delivered = 50, actual_cost = 104.55 where id = %L', :'campaign')
);

select public.repair_campaign(:'campaign') as dry \gset
select is((:'dry'::jsonb -> 'before' ->> 'total_sent')::integer, 26, 'a dry run shows what it claims');
select is((:'dry'::jsonb -> 'after' ->> 'total_sent')::integer, 6, 'and what its rows prove');
select is((:'dry'::jsonb ->> 'differs'), 'true', 'and that these differ');
select is((select c.total_sent from public.campaigns c where c.id = :'campaign'), 26, 'and changes nothing');
select is((select count(*) from public.campaign_events e where e.event = 'campaign.repaired'), 0::bigint, 'nor leaves an event');

select public.repair_campaign(:'campaign', false) as done \gset
select is(:'done'::jsonb - 'dry_run', :'dry'::jsonb - 'dry_run', 'the repair does what the dry run said');
select results_eq(
    format(
        'select total_contacts, total_sent, total_failed, total_unknown, total_delivered, total_read, total_undelivered, actual_cost, status '
        'from public.campaigns where id = %L', :'campaign'
    ),
    format(
        'values (%s, %s, %s, %s, %s, %s, %s, %s::numeric(14, 6), %L::public.campaign_status)', :honest_total_contacts, :honest_total_sent,
        :honest_total_failed, :honest_total_unknown, :honest_total_delivered, :honest_total_read, :honest_total_undelivered,
        :honest_actual_cost, :'honest_status'
    ),
    'the row is what it was before somebody wrote it'
);
select is((select e.detail -> 'before' ->> 'actual_cost' from public.campaign_events e where e.event = 'campaign.repaired'), '104.550000', 'it is on record');
select is(public.repair_campaign(:'campaign', false) ->> 'differs', 'false', 'once more changes nothing');
select is((select count(*) from public.campaign_events e where e.event = 'campaign.repaired'), 1::bigint, 'and is no event');
select throws_ok(
    format('update public.campaigns set total_sent = 0 where id = %L', :'campaign'), 'SO011', null, 'afterwards the guard refuses as ever'
);
select throws_ok(format('select public.repair_campaign(%L, null)', :'campaign'), 'SO005', null, 'whether it is a dry run has to be said');

select * from finish();
rollback;
