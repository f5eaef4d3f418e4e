begin;
select plan(2);

select testing.make_campaign(3) as campaign \gset
select testing.send(2);
drop index public.idx_send_queue_wamid;
select testing.plant('public.send_queue', format($$update public.send_queue set provider_message_id = 'wamid.same' where campaign_id = %L and status = 'sent'$$, :'campaign'));
select testing.plant('public.messages', format($$update public.messages set provider_message_id = 'wamid.same' where campaign_id = %L$$, :'campaign'));
select results_eq('select testing.violations()', array['2 guard_is_in_place', '2 wamid_belongs_to_one_entry'], 'the missing index and the pair');
select is(
    (select v.entry_id from public.verify_invariants() v where v.name = 'wamid_belongs_to_one_entry'), testing.entry(:'campaign', 2), 'by the later of the two'
);

select * from finish();
rollback;
