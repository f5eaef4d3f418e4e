begin;
select plan(6);

select testing.make_campaign(7) as campaign \gset
select public.clone_campaign(:'campaign') ->> 'campaign_id' as clone \gset
select public.clone_recipients(:'clone', 'all', 0, 3) as step \gset
select is(:'step'::jsonb ->> 'added', '3', 'a step takes as many as it may');
select is(:'step'::jsonb ->> 'more', 'true', 'and says that more are left');
select public.clone_recipients(:'clone', 'all', (:'step'::jsonb ->> 'after')::bigint, 3) as step \gset
select public.clone_recipients(:'clone', 'all', (:'step'::jsonb ->> 'after')::bigint, 3) as step \gset
select is(:'step'::jsonb ->> 'more', 'false', 'the last step says that none is');
select is((select c.total_contacts from public.campaigns c where c.id = :'clone'), 7, 'all of them are there');
select throws_ok(format($$select public.clone_recipients(%L, 'all', 0, 50001)$$, :'clone'), 'SO005', null, 'a step has a bound');
select throws_ok(format($$select public.clone_recipients(%L, 'all', 0, null)$$, :'clone'), 'SO005', null, 'and cannot do without');

select * from finish();
rollback;
