begin;
select plan(7);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_template(:'organization', '{"variables": ["code"]}') as template \gset
select public.upsert_template(:'organization', 'twilio', 'text') as foreign_template \gset
select testing.make_account(testing.make_organization('Another')) as foreign_account \gset

prepare send(uuid, uuid, text, jsonb, text) as select public.send_message(:'organization', $1, $2, $3, $4, $5);
select throws_ok(
    format('execute send(%L, %L, %L, %L, null)', :'account', :'template', '0049 123', '{"code": "1"}'), 'SO005', null, 'a number that is not E.164'
);
select throws_ok(format('execute send(%L, %L, %L, %L, null)', :'account', :'template', '+99900000001', '{}'), 'SO005', null, 'a variable that is missing');
select throws_ok(
    format('execute send(%L, %L, %L, %L, null)', :'account', :'foreign_template', '+99900000001', '{}'), 'SO005', null, 'a template of another provider'
);
select throws_ok(
    format('execute send(%L, %L, %L, %L, null)', :'foreign_account', :'template', '+99900000001', '{}'), 'SO004', null, 'an account of another organization'
);
select throws_ok(
    format('execute send(%L, %L, %L, %L, null)', :'account', gen_random_uuid(), '+99900000001', '{}'), 'SO004', null, 'a template that does not exist'
);
select throws_ok(
    format('execute send(%L, %L, %L, %L, %L)', :'account', :'template', '+99900000001', '{"code": "1"}', ' '), 'SO005', null, 'an empty key'
);
select is((select count(*) from public.send_queue), 0::bigint, 'nothing of it was queued');

select * from finish();
rollback;
