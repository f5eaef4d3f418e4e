begin;
select plan(8);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.world(1) as other
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign', 1), 'accepted', '{"provider_message_id": "wamid.one"}');

-- By hand, as the owner: the index itself.
select throws_ok(
    format('update send_queue set status = %L, provider_message_id = %L where id = %s', 'sent', 'wamid.one', core.entry(:'campaign', 2)),
    '23505', null, 'no second entry of the account gets the message id'
);

-- By a result: kept out, listed, and the entry is unknown, for its message may have gone out.
select is(
    core.result(core.entry(:'campaign', 2), 'accepted', '{"provider_message_id": "wamid.one"}') ->> 'unknown', '1', 'a result with it leaves the other entry unknown'
);
select is(core.state(core.entry(:'campaign', 2)), 'unknown', 'in its row too');
select is((select count(*) from discrepancies
where kind = 'wamid_conflict'), 1::bigint, 'and is listed');
select is(core.column_of(core.entry(:'campaign', 1), 'provider_message_id'), 'wamid.one', 'the first keeps it');

-- Another account may have the same one.
select core.hand_out(:'other');
select core.result(core.entry(:'other'), 'accepted', '{"provider_message_id": "wamid.one"}');
select is(core.state(core.entry(:'other')), 'sent', 'another account may have the same message id');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');
select is_empty(format('select core.differences(%L)', :'other'), 'of both');

select * from finish();
rollback;
