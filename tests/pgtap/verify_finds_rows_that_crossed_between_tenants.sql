begin;
select plan(7);

select testing.make_campaign(3) as mine \gset
select testing.send(1);
select testing.make_campaign(3) as theirs \gset
select c.organization_id as other, c.account_id as account, c.template_id as template from public.campaigns c where c.id = :'theirs' \gset
savepoint honest;
select is_empty('select testing.violations()', 'nothing is wrong');

select testing.plant('public.send_queue', format('update public.send_queue set organization_id = %L where id = %s', :'other', testing.entry(:'mine', 3)));
select results_eq('select testing.violations()', array['12 entry_stays_in_its_organization'], 'an entry of another organization than its campaign');
rollback to honest;
select testing.plant('public.send_queue', format('update public.send_queue set account_id = %L where id = %s', :'account', testing.entry(:'mine', 3)));
select results_eq('select testing.violations()', array['12 entry_stays_in_its_organization'], 'of another account');
rollback to honest;
select testing.plant('public.messages', format('update public.messages set organization_id = %L where campaign_id = %L', :'other', :'mine'));
select results_eq('select testing.violations()', array['12 attempt_stays_in_its_organization'], 'an attempt of another organization than its entry');
rollback to honest;
select testing.plant('public.campaigns', format('update public.campaigns set template_id = %L where id = %L', :'template', :'mine'));
select results_eq('select testing.violations()', array['12 campaign_stays_in_its_organization'], 'a campaign with another organization''s template');
rollback to honest;
select testing.plant('public.campaigns', format('update public.campaigns set account_id = %L where id = %L', :'account', :'mine'));
select results_eq(
    'select testing.violations()', array['12 campaign_stays_in_its_organization', '12 entry_stays_in_its_organization'], 'with another organization''s account'
);
rollback to honest;
select testing.plant(
    'public.send_queue', format('update public.send_queue set campaign_id = gen_random_uuid() where id = %s', testing.entry(:'mine', 3))
);
select results_eq(
    'select testing.violations()', array['12 entry_stays_in_its_organization', '4 counters_equal_rows'], 'an entry of a campaign that does not exist'
);

select * from finish();
rollback;
