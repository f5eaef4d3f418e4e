begin;
select plan(5);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_campaign(3, :'account') as wrong \gset
select testing.make_campaign(3, :'account') as right \gset
select testing.send_all();
select ok((select bool_and(c.matches) from public.check_campaigns() c), 'all campaigns match their rows');

select testing.plant(
    'public.campaigns',
    format('update public.campaigns set total_delivered = 2, actual_cost = 1 where id = %L', :'wrong')
);
select results_eq('select c.campaign_id, c.matches from public.check_campaigns() c', format($$values (%L::uuid, false), (%L, true)$$, :'wrong', :'right'), 'the one that does not comes first');
select is((select c.claims - 'status' ->> 'total_delivered' from public.check_campaigns() c where not c.matches), '2', 'with what it claims');
select is((select c.proves ->> 'total_delivered' from public.check_campaigns() c where not c.matches), '0', 'and what its rows prove');
select is((select count(*) from public.check_campaigns(:'organization')), 2::bigint, 'also for one organization');

select * from finish();
rollback;
