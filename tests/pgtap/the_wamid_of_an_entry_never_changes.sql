begin;
select plan(3);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.bring(core.entry(:'campaign'), 'sent');
select throws_ok(
    format('update send_queue set provider_message_id = %L where id = %s', 'wamid.other', core.entry(:'campaign')), 'SO008', null, 'not even by the owner'
);
select throws_ok(
    format('update send_queue set provider_message_id = null where id = %s', core.entry(:'campaign')), 'SO008', null, 'nor is it taken away'
);
select core.result(core.entry(:'campaign'), 'accepted', '{"provider_message_id": "wamid.second"}', 987654321, 1);
select is(
    core.column_of(core.entry(:'campaign'), 'provider_message_id'), core.wamid(core.entry(:'campaign'), 1), 'nor by a result that says otherwise'
);

select * from finish();
rollback;
