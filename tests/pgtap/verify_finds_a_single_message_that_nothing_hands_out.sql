begin;
select plan(2);

select testing.make_organization() as organization \gset
select public.send_message(:'organization', testing.make_account(:'organization'), testing.make_template(:'organization'), '+99900000001');
select is_empty('select testing.violations()', 'nothing is wrong');
select testing.plant('public.send_queue', 'update public.send_queue set due_at = null');
select results_eq('select testing.violations()', array['7 ready_entry_can_be_reached'], 'a ready single message without a due time is lost');

select * from finish();
rollback;
