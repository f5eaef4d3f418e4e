begin;
select plan(4);

select testing.make_campaign(3) as campaign \gset
select testing.send(2);
select testing.report(testing.entry(:'campaign', 1), 'read');
savepoint honest;
select is_empty('select testing.violations()', 'nothing is wrong');

-- The entry and its attempt agree, the counters too; only the report remembers.
alter table public.send_queue disable trigger guard_entry_progress;
update public.send_queue set delivery_status = null, delivered_at = null, read_at = null where id = testing.entry(:'campaign', 1);
alter table public.send_queue enable trigger guard_entry_progress;
select testing.plant('public.messages', 'update public.messages set delivered_at = null');
select results_eq('select testing.violations()', array['11 applied_report_is_in_the_entry'], 'it was applied as read, and the entry is only sent');
rollback to honest;

update sendonce.report_log set entry_id = testing.entry(:'campaign', 3);
select results_eq('select testing.violations()', array['11 applied_report_is_in_the_entry'], 'it was applied to an entry that is not even sent');
select is(
    (select v.entry_id from public.verify_invariants(:'campaign') v where v.invariant = 11), testing.entry(:'campaign', 3), 'by the id of the entry'
);

select * from finish();
rollback;
