begin;
select plan(9);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_template(:'organization', '{"variables": ["code"]}') as template \gset
select public.send_message(:'organization', :'account', :'template', '+99900000001', '{"code": "1"}', 'order-1') as first \gset

select is(:'first'::jsonb - 'entry_id', '{"status": "ready", "repeated": false}', 'the first call queues the message');
select is(
    public.send_message(:'organization', :'account', :'template', '+99900000001', '{"code": "1"}', 'order-1'),
    :'first'::jsonb || '{"repeated": true}', 'the same call again is the same entry'
);
select is((select count(*) from public.send_queue), 1::bigint, 'and queues nothing');
select throws_ok(
    format($$select public.send_message(%L, %L, %L, '+99900000001', '{"code": "2"}', 'order-1')$$, :'organization', :'account', :'template'),
    'SO030', 'this idempotency key was used for another message', 'other variables are another message'
);
select throws_ok(
    format($$select public.send_message(%L, %L, %L, '+99900000002', '{"code": "1"}', 'order-1')$$, :'organization', :'account', :'template'),
    'SO030', null, 'so is another recipient'
);

select testing.send();
select is(
    public.send_message(:'organization', :'account', :'template', '+99900000001', '{"code": "1"}', 'order-1') - 'entry_id',
    '{"status": "sent", "repeated": true}', 'a repetition after the sending says so and sends nothing'
);

select testing.make_organization('Another') as other \gset
select testing.make_account(:'other') as other_account \gset
select testing.make_template(:'other', '{"variables": ["code"]}') as other_template \gset
select is(
    public.send_message(:'other', :'other_account', :'other_template', '+99900000001', '{"code": "1"}', 'order-1') ->> 'repeated',
    'false', 'keys of another organization are other keys'
);
select is(
    public.send_message(:'organization', :'account', :'template', '+99900000001', '{"code": "1"}') ->> 'repeated',
    'false', 'without a key every call is a message'
);
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
