begin;
select plan(24);

select testing.make_campaign(3) as mine \gset
select testing.send(1);
select testing.make_campaign(3) as theirs \gset
select testing.organization(:'mine') as organization \gset
select testing.organization(:'theirs') as other \gset
select testing.make_member(:'organization', 'viewer') as viewer \gset
select testing.entry(:'mine') as my_entry \gset
select testing.entry(:'theirs') as their_entry \gset

select testing.become(:'viewer');
select is(public.campaign_progress(:'mine') ->> 'total_contacts', '3', 'his own campaign');
select throws_ok(format('select public.campaign_progress(%L)', :'theirs'), 'SO004', null, 'somebody else''s does not exist for him');
select is((select count(*) from public.list_campaigns(:'organization')), 1::bigint, 'his own list');
select is((select count(*) from public.list_campaigns(:'other')), 0::bigint, 'an empty one of others');
select is((select count(*) from public.campaign_entries(:'mine')), 3::bigint, 'his own entries');
select throws_ok(format('select public.campaign_entries(%L)', :'theirs'), 'SO004', null, 'not those of others');
select lives_ok(format('select public.campaign_timeline(%L)', :'mine'), 'his own timeline');
select throws_ok(format('select public.campaign_timeline(%L)', :'theirs'), 'SO004', null, 'not that of others');
select lives_ok(format('select public.failure_breakdown(%L)', :'mine'), 'his own failures');
select throws_ok(format('select public.failure_breakdown(%L)', :'theirs'), 'SO004', null, 'not those of others');
select lives_ok(format('select public.queue_stats(%L)', :'organization'), 'his own queue');
select throws_ok(format('select public.queue_stats(%L)', :'other'), 'SO004', null, 'not that of others');
select lives_ok(format('select public.unknown_entries(%L)', :'organization'), 'his own unknown entries');
select throws_ok(format('select public.unknown_entries(%L)', :'other'), 'SO004', null, 'not those of others');
select results_eq('select campaign_id from public.check_campaigns()', array[:'mine'::uuid], 'a check of what is his');
select throws_ok(format('select public.check_campaigns(%L)', :'other'), 'SO003', null, 'not of what is not');
select is_empty('select public.verify_invariants()', 'anybody may verify');
select throws_ok(format('select public.verify_invariants(%L)', :'theirs'), 'SO004', null, 'his own, not that of others');

-- A viewer changes nothing.
select throws_ok(format('select public.clone_campaign(%L)', :'mine'), 'SO003', null, 'no clone');
select throws_ok(format('select public.retry_failed(%L)', :'mine'), 'SO003', null, 'no retry');
select throws_ok(format($$select public.resolve_unknown(%s, 'fail')$$, :my_entry), 'SO003', null, 'no decision');
select throws_ok(format($$select public.resolve_unknown(%s, 'fail')$$, :their_entry), 'SO003', null, 'on nobody''s entry');
select throws_ok(format('select public.repair_campaign(%L)', :'mine'), 'SO003', null, 'no repair');
select throws_ok(
    format($$select public.send_message(%L, gen_random_uuid(), gen_random_uuid(), '+99900000001')$$, :'organization'), 'SO003', null, 'no message'
);

select * from finish();
rollback;
