begin;
select plan(8);

select testing.make_campaign(2) as stuck \gset
select testing.send_all();
select testing.make_campaign(2) as ended \gset
select testing.send(1);

-- One whose entries are all settled and that runs; one that claims to be complete and is not.
alter table public.campaigns drop constraint active_means_some_unsettled, drop constraint completed_means_all_settled;
select testing.plant(
    'public.campaigns', format($$update public.campaigns set status = 'running', completed_at = null where id = %L$$, :'stuck')
);
select testing.plant(
    'public.campaigns', format($$update public.campaigns set status = 'completed', completed_at = sendonce.now() where id = %L$$, :'ended')
);

select is(public.repair_campaign(:'stuck', false) -> 'after' ->> 'status', 'completed', 'what is settled is complete');
select isnt((select c.completed_at from public.campaigns c where c.id = :'stuck'), null, 'since its last entry settled');
select is(public.repair_campaign(:'ended', false) -> 'after' ->> 'status', 'paused', 'what is not becomes paused, not running');
select matches((select c.pause_reason from public.campaigns c where c.id = :'ended'), 'repaired', 'with the reason');
select is(testing.claim(), null, 'so the repair sends nothing');
select public.resume_campaign(:'ended');
select is((testing.send() ->> 'sent')::integer, 1, 'a person does');
select is(
    (select array_agg(c.status::text) from public.campaigns c where c.id in (:'stuck', :'ended')), array['completed', 'completed'], 'and both are complete'
);
select is_empty('select testing.violations() except select ''6 guard_is_in_place''', 'nothing is left to repair');

select * from finish();
rollback;
