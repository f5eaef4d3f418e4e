begin;
select plan(10);

select testing.make_campaign(6) as campaign \gset
select testing.send(2);
select testing.send(1, 'rejected', '135000');
select testing.send(1, 'ambiguous');
select testing.report(testing.entry(:'campaign', 1), 'delivered');
-- 1 is sent and delivered, 2 sent, 3 failed, 4 unknown.
savepoint honest;
select is_empty('select testing.violations()', 'nothing is wrong');

select testing.plant('public.messages', format('delete from public.messages where entry_id = %s', testing.entry(:'campaign', 2)));
select results_eq('select testing.violations()', array['8 sent_entry_has_its_acceptance'], 'sent, and no attempt was accepted');
rollback to honest;
select testing.plant(
    'public.messages', format($$update public.messages set outcome = 'accepted', provider_message_id = 'wamid.x' where entry_id = %s$$, testing.entry(:'campaign', 3))
);
select results_eq('select testing.violations()', array['8 acceptance_means_sent'], 'an accepted attempt, and the entry failed');
rollback to honest;
select testing.plant('public.messages', format('update public.messages set attempt = 2 where entry_id = %s', testing.entry(:'campaign', 3)));
select results_eq('select testing.violations()', array['8 attempt_was_handed_out'], 'an attempt that was never handed out');
rollback to honest;
select testing.plant('public.messages', format('delete from public.messages where entry_id = %s', testing.entry(:'campaign', 4)));
select results_eq('select testing.violations()', array['8 unknown_entry_has_an_unknown_attempt'], 'unknown, and no attempt says so');
rollback to honest;
select testing.plant(
    'public.messages',
    format(
        $$
            insert into public.messages (entry_id, attempt, organization_id, account_id, campaign_id, claimed_at, outcome, provider_message_id, units)
            select m.entry_id, 0, m.organization_id, m.account_id, m.campaign_id, m.claimed_at, 'accepted', m.provider_message_id, 1
            from public.messages m
            where m.entry_id = %s
        $$, testing.entry(:'campaign', 2)
    )
);
select results_eq(
    'select testing.violations()', array['8 attempt_was_handed_out', '8 second_acceptance_is_marked'], 'two acceptances, and neither is marked as the second'
);
rollback to honest;
select testing.plant('public.messages', format('update public.messages set delivered_at = null where entry_id = %s', testing.entry(:'campaign', 1)));
select results_eq('select testing.violations()', array['10 delivered_is_charged'], 'delivered, and no attempt was, so nothing is charged');
rollback to honest;
select testing.plant('public.messages', format('update public.messages set delivered_at = sendonce.now() where entry_id = %s', testing.entry(:'campaign', 2)));
select results_eq('select testing.violations()', array['11 delivery_reaches_the_entry'], 'an attempt was delivered, and the entry does not know');
rollback to honest;
select testing.plant('public.messages', format('update public.messages set units = 3 where entry_id = %s', testing.entry(:'campaign', 1)));
select results_eq('select testing.violations()', array['10 attempt_charges_the_entrys_units'], 'an attempt that charges for more');
rollback to honest;
select testing.plant('public.messages', format('delete from public.messages where entry_id = %s', testing.entry(:'campaign', 3)));
select is_empty('select testing.violations()', 'a rejected attempt proves nothing that the entry does not say');

select * from finish();
rollback;
