-- Stopped by a refusal, or not approved: neither its campaigns nor its single messages go out.
begin;
select plan(8);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.template_of(:'campaign') as template
\gset
select core.single_message(core.account_of(:'campaign'), :'template') as single
\gset

update templates set stopped_at = now(), stop_reason = 'test'
where id = :'template';
select is(core.claim(:'campaign'), null, 'a stopped template gives out nothing');
update templates set stopped_at = null, stop_reason = null, status = 'PAUSED'
where id = :'template';
select is(core.claim(:'campaign'), null, 'nor does a paused one');
update templates set status = 'REJECTED'
where id = :'template';
select is(core.claim(:'campaign'), null, 'nor a rejected one');
update templates set status = 'PENDING'
where id = :'template';
select is(core.claim(:'campaign'), null, 'nor one that is not approved yet');
select is(core.state(core.entry(:'campaign')), 'ready', 'its contact waits');
select is(core.state(:single), 'ready', 'its single message waits');

update templates set status = 'APPROVED'
where id = :'template';
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'an approved one gives out');
select is((select count(*) from send_queue
where status = 'processing'), 2::bigint, 'both');

select * from finish();
rollback;
