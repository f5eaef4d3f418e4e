-- A whole life of a message as sendonce_worker, which reads no table and calls nothing of the dashboard.
begin;
select plan(21);

select core.set_clock();
select core.world(3) as campaign
\gset
select core.account_of(:'campaign') as account, core.entry(:'campaign', 1) as first, core.entry(:'campaign', 2) as second,
    core.account_column(:'campaign', 'sender') as sender
\gset

select core.become('sendonce_worker');
select is(worker_heartbeat('worker-1', '{"version": "1"}'), '{"schema_version": 1}', 'it reports for duty');
select is(schema_version(), 1, 'asks for the version');
select claim_messages('worker-1') as claimed
\gset
select is(jsonb_array_length(:'claimed'::jsonb -> 'entries'), 3, 'claims');
select (:'claimed'::jsonb ->> 'claim_id')::bigint as claim
\gset
select is(begin_dispatch(:claim, array[:first, :second]) -> 'dispatched', jsonb_build_array(:first, :second), 'dispatches');
select is(jsonb_array_length(renew_claims(array[:claim]) -> 'claims'), 1, 'renews');
select is(
    record_results(:claim, jsonb_build_array(
        jsonb_build_object('entry_id', :first, 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', core.wamid(:first, 1))
    )) ->> 'recorded', '1', 'records'
);
select is(release_claim(:claim) ->> 'released', '1', 'releases');
select is(
    ingest_delivery_reports('whatsapp', jsonb_build_array(jsonb_build_object(
        'app', 'default', 'sender', :'sender', 'provider_message_id', core.wamid(:first, 1), 'status', 'read', 'timestamp', '1772452800'
    ))) ->> 'applied', '1', 'takes reports'
);
select lives_ok(format('select %s', c.call), format('sweeps: %s', c.call))
from unnest(array['expire_claims()', 'settle_overdue_unknown()', 'sweep_cancelled()', 'start_due_campaigns()', 'sweep_reports()']) c (call);

select throws_ok(format('select %s', c.call), '42501', null, format('but may not %s', c.call))
from (
    values
    ('count(*) from public.send_queue'), ('count(*) from public.messages'), ('count(*) from public.provider_accounts'),
    ('count(*) from sendonce.report_log'), (format('public.resume_account(%L)', :'account')), (format('public.pause_campaign(%L, %L)', :'campaign', 'r')),
    ('public.verify_invariants()')
) c (call);
select core.become_owner();
select is(core.state(:first), 'sent/read', 'and it did its work');

select * from finish();
rollback;
