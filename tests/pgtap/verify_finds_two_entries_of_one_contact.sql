begin;
select plan(3);

select testing.make_campaign(3) as campaign \gset
select is_empty('select testing.violations()', 'nothing is wrong');
drop index public.idx_send_queue_campaign_recipient;
select testing.plant(
    'public.send_queue',
    format(
        $$
            insert into public.send_queue (organization_id, account_id, campaign_id, recipient)
            select q.organization_id, q.account_id, q.campaign_id, q.recipient from public.send_queue q where q.id = %s
        $$, testing.entry(:'campaign', 2)
    )
);
-- So that the counters are right again and the duplicate is all that is wrong.
select public.repair_campaign(:'campaign', false);
select results_eq(
    'select testing.violations()', array['1 guard_is_in_place', '1 one_entry_per_contact'], 'the missing index and the second entry'
);
select is(
    (select v.entry_id from public.verify_invariants(:'campaign') v where v.name = 'one_entry_per_contact'), testing.entry(:'campaign', 4), 'by its id'
);

select * from finish();
rollback;
