begin;
select plan(4);

select testing.make_campaign(4) as campaign \gset
select testing.send(2);
alter table public.campaigns
    drop constraint counters_are_not_negative, drop constraint settled_stays_within_total, drop constraint delivered_stays_within_sent,
    drop constraint read_stays_within_delivered, drop constraint progress_stays_within_0_and_100,
    drop constraint active_means_some_unsettled;
prepare found as select testing.violations() except select unnest(array['5 guard_is_in_place', '6 guard_is_in_place']) order by 1;
select is_empty('execute found', 'nothing is wrong but the constraints');
savepoint honest;
select testing.plant('public.campaigns', 'update public.campaigns set total_sent = 11, total_failed = 1');
select results_eq('execute found', array['4 counters_equal_rows', '5 counters_stay_within_bounds'], 'progress of 300 %');
rollback to honest;
select testing.plant('public.campaigns', 'update public.campaigns set total_skipped = -1');
select results_eq('execute found', array['4 counters_equal_rows', '5 counters_stay_within_bounds'], 'less than nothing');
rollback to honest;
select testing.plant('public.campaigns', 'update public.campaigns set total_delivered = 3');
select results_eq('execute found', array['4 counters_equal_rows', '5 counters_stay_within_bounds'], 'more delivered than sent');

select * from finish();
rollback;
