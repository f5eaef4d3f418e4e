-- However many single messages wait for a stopped template, those of another template go out.
begin;
select plan(2);

select core.set_clock();
select core.world(0) as campaign
\gset
select core.template(core.organization_of(:'campaign')) as stopped
\gset
select core.single_message(core.account_of(:'campaign'), :'stopped', core.person(n)) from generate_series(1, 5) n;
select core.advance('1 second');
select core.single_message(core.account_of(:'campaign'), core.template_of(:'campaign'), core.person(6)) as free
\gset
update templates set stopped_at = now(), stop_reason = 'test'
where id = :'stopped';

select is(
    claim_messages('worker-1', core.account_of(:'campaign'), 5) #>> '{entries, 0, entry_id}', :'free',
    'with as many in front of it as a claim takes, it is given out'
);
select is(
    (select count(*) from send_queue
where template_id = :'stopped' and status = 'ready'), 5::bigint, 'and the others wait'
);

select * from finish();
rollback;
