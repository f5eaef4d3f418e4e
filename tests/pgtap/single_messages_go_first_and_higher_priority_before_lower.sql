begin;
select plan(4);

select core.set_clock();
-- One claim in ten is drawn among equals: not one of these.
select setseed(0.5);
select core.world(0) as ended
\gset
select core.account_of(:'ended') as account, core.template_of(:'ended') as template
\gset
select core.campaign(:'account', :'template', 3, true, '{"priority": 1}') as low
\gset
select core.campaign(:'account', :'template', 3, true, '{"priority": 2}') as high
\gset
select core.single_message(:'account', :'template', core.person(9)) as single
\gset
select core.claim(:'low', 1);
select is(core.state(:single), 'processing', 'the single message goes first');
select core.claim(:'low', 3);
select is(
    (select count(*) from send_queue
where campaign_id = :'high' and status = 'processing'), 3::bigint, 'then the campaign of higher priority'
);
select is((select count(*) from send_queue
where campaign_id = :'low' and status = 'processing'), 0::bigint, 'before the other');
select core.claim(:'low', 3);
select is((select count(*) from send_queue
where campaign_id = :'low' and status = 'processing'), 3::bigint, 'which comes then');

select * from finish();
rollback;
