begin;
select plan(4);

select testing.make_campaign(3) as campaign \gset
select testing.send(2);
savepoint honest;
select testing.plant('public.send_queue', format($$update public.send_queue set provider_message_id = 'wamid.other' where id = %s$$, testing.entry(:'campaign', 1)));
select results_eq('select testing.violations()', array['2 first_wamid_stays_on_the_entry'], 'the entry has another message id than its accepted attempt');
rollback to honest;

-- A second acceptance whose message id is another entry's.
select testing.plant(
    'public.messages',
    format(
        $$
            insert into public.messages (
                entry_id, attempt, organization_id, account_id, campaign_id, claimed_at, outcome, provider_message_id, is_second_acceptance, units
            )
            select m.entry_id, 0, m.organization_id, m.account_id, m.campaign_id, m.claimed_at, 'accepted', %L, true, 1
            from public.messages m
            where m.entry_id = %s
        $$, testing.wamid(testing.entry(:'campaign', 2), 1), testing.entry(:'campaign', 1)
    )
);
select results_eq(
    'select testing.violations()', array['2 wamid_belongs_to_one_entry', '8 attempt_was_handed_out', '8 second_acceptance_is_listed'],
    'a second acceptance with somebody else''s message id, of an attempt that never was, listed nowhere'
);
rollback to honest;

-- The first acceptance calls itself the second.
select testing.plant('public.messages', format('update public.messages set is_second_acceptance = true where entry_id = %s', testing.entry(:'campaign', 1)));
select results_eq(
    'select testing.violations()',
    array['2 first_wamid_stays_on_the_entry', '8 second_acceptance_is_listed', '8 sent_entry_has_its_acceptance'], 'an only acceptance that calls itself the second'
);
rollback to honest;
select is_empty('select testing.violations()', 'without all that nothing is wrong');

select * from finish();
rollback;
