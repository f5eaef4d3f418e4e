begin;
select plan(5);

select testing.make_campaign(3) as mine \gset
select testing.make_campaign(3) as theirs \gset
select testing.make_member(testing.organization(:'mine'), 'viewer') as viewer \gset
select testing.make_member(testing.organization(:'theirs'), 'viewer') as other \gset
select testing.plant('public.campaigns', format('update public.campaigns set total_unknown = 1 where id = %L', :'mine'));
select testing.plant(
    'public.send_queue', format('update public.send_queue set organization_id = %L where id = %s', testing.organization(:'theirs'), testing.entry(:'mine'))
);

select results_eq('select testing.violations()', array['12 entry_stays_in_its_organization', '4 counters_equal_rows'], 'the owner sees both');
select results_eq(format('select testing.violations(%L)', :'mine'), array['12 entry_stays_in_its_organization', '4 counters_equal_rows'], 'the campaign has both');
select is_empty(format('select testing.violations(%L)', :'theirs'), 'another one has none');
select testing.become(:'viewer');
select results_eq('select testing.violations()', array['4 counters_equal_rows'], 'a member sees what is of his organization');
select testing.become(:'other');
select results_eq(
    'select testing.violations()', array['12 entry_stays_in_its_organization'], 'and an entry that calls itself theirs is shown to them'
);

select * from finish();
rollback;
