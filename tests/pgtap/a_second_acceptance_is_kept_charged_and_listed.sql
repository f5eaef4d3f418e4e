-- Two attempts accepted for one contact: the first message id stays with the entry, the second is kept
-- in messages, charged, listed, and its reports still find their way.
begin;
select plan(21);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign', n), 'ambiguous') from generate_series(1, 2) n;
update send_queue set status = 'ready'
where campaign_id = :'campaign';
select core.hand_out(:'campaign');

-- Told by results.
select core.result(core.entry(:'campaign', 1), 'accepted', '{}', null, 2);
select core.result(core.entry(:'campaign', 1), 'accepted', '{}', 987654321, 1);
select is(
    core.column_of(core.entry(:'campaign', 1), 'provider_message_id'), core.wamid(core.entry(:'campaign', 1), 2), 'the first message id told stays'
);
select is(
    array(select m.is_second_acceptance from messages m
where m.entry_id = core.entry(:'campaign', 1)
order by m.attempt), array[true, false],
    'the other attempt is marked'
);
select is((select count(*) from discrepancies
where kind = 'second_acceptance'), 1::bigint, 'and listed');
select is(core.counter(:'campaign', 'total_sent'), '1', 'the contact counts once');

-- Told by reports, one of them before our own result of attempt 2.
select core.report(core.entry(:'campaign', 2), 'sent', '{}', 1);
select is(core.state(core.entry(:'campaign', 2)), 'sent', 'a report of attempt 1 settles the entry');
select core.result(core.entry(:'campaign', 2), 'accepted', '{}', (select max(id) from claims), 2);
select is(
    array(select m.is_second_acceptance from messages m
where m.entry_id = core.entry(:'campaign', 2)
order by m.attempt), array[false, true],
    'the result of attempt 2 is the second acceptance'
);
select is((select count(*) from discrepancies
where kind = 'second_acceptance'), 2::bigint, 'listed');
select is_empty('select from claims', 'and its claim is closed');

-- Delivery of both is charged, each once.
select core.report(core.entry(:'campaign', 1), 'delivered', '{}', 1);
select is(core.counter(:'campaign', 'actual_cost')::numeric, 0.05, 'the delivery of the second is charged');
select is(core.state(core.entry(:'campaign', 1)), 'sent/delivered', 'the contact has it');
select core.report(core.entry(:'campaign', 1), 'delivered', '{}', 2);
select is(core.counter(:'campaign', 'actual_cost')::numeric, 0.10, 'so is that of the first');
select core.report(core.entry(:'campaign', 1), 'read', '{}', n) from generate_series(1, 2) n;
select is(core.counter(:'campaign', 'actual_cost')::numeric, 0.10, 'each once');
select is(core.counter(:'campaign', 'total_delivered'), '1', 'the contact counts once');
select is(core.counter(:'campaign', 'total_read'), '1', 'however often it was read');

-- A report of the second acceptance without a reference finds it by its message id.
select is(
    core.report(core.entry(:'campaign', 2), 'delivered', '{"reference": null}', 2) ->> 'applied', '1', 'without a reference the message id leads there'
);
select is(
    (select delivered_at is not null from messages
where entry_id = core.entry(:'campaign', 2) and attempt = 2), true, 'to the attempt that it is about'
);
select core.result(core.entry(:'campaign', 2), 'accepted', '{}', 987654321, 2);
select is((select count(*) from discrepancies
where kind = 'second_acceptance'), 2::bigint, 'a repetition lists nothing new');
select is((select count(*) from messages), 4::bigint, 'and adds no row');
select is(core.campaign_status(:'campaign'), 'completed', 'the campaign is completed');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select throws_ok(
    $$
    insert into messages (
        entry_id, attempt, organization_id, account_id, campaign_id, claimed_at, outcome, provider_message_id, is_second_acceptance, units
    )
    select entry_id, 17, organization_id, account_id, campaign_id, claimed_at, outcome, provider_message_id, true, units
    from messages
    where is_second_acceptance
    limit 1
    $$, '23505', null, 'a second message id belongs to one attempt too'
);

select * from finish();
rollback;
