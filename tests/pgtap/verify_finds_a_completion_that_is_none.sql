begin;
select plan(5);

select testing.make_campaign(3) as open \gset
select testing.send(1);
select testing.make_campaign(0) as done \gset
alter table public.campaigns drop constraint active_means_some_unsettled, drop constraint completed_means_all_settled;
prepare found as select testing.violations() except select '6 guard_is_in_place';
select is_empty('execute found', 'nothing is wrong but the constraints');
savepoint honest;
select testing.plant('public.campaigns', format($$update public.campaigns set status = 'completed', completed_at = sendonce.now() where id = %L$$, :'open'));
select results_eq('execute found', array['6 completed_means_all_settled'], 'completed with contacts still to be sent to');
rollback to honest;
select testing.plant('public.campaigns', format($$update public.campaigns set status = 'running', completed_at = null where id = %L$$, :'done'));
select results_eq('execute found', array['6 active_means_some_unsettled'], 'running with nothing left to send');
rollback to honest;

alter table public.campaigns
    drop constraint paused_has_its_time_and_reason, drop constraint cancelled_has_its_time, drop constraint started_has_its_time;
prepare state as select testing.violations() except select unnest(array['3 guard_is_in_place', '6 guard_is_in_place']);
select testing.plant('public.campaigns', format('update public.campaigns set cancelled_at = sendonce.now() where id = %L', :'open'));
select results_eq('execute state', array['3 campaign_state_fits_its_columns'], 'running and cancelled at a time');
rollback to honest;
select testing.plant('public.campaigns', format($$update public.campaigns set status = 'draft' where id = %L$$, :'open'));
select results_eq('execute found', array['7 nothing_leaves_before_the_start'], 'a draft whose contacts have been sent to');

select * from finish();
rollback;
