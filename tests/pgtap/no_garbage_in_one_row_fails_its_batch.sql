-- Every field of a result and of a report with every kind of nonsense, beside a good row: the call
-- returns, and the good row is recorded.
begin;
select plan(4);

select core.set_clock();

create temporary table nonsense (value jsonb) on commit drop;
insert into nonsense
values
('null'), ('true'), ('-1'), ('1.5'), ('1e300'), ('99999999999999999999999999'), ('""'), ('"text"'), ('"1; drop table send_queue"'), ('"''"'),
('"ünïcödé 🙂"'), ('[1, 2]'), ('{"a": {"b": []}}'), ('"9223372036854775808"'), ('"NaN"'), ('"17724528000000"'), ('"-1772452800"'),
(to_jsonb(repeat('x', 100000))), ('"so1:00000000-0000-0000-0000-000000000000:99999999999999999:999999999"'), ('"SENT"'), ('"190"'), ('"accepted"');

create function pg_temp.record_beside(_field text, _nonsense jsonb)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := core.kept('campaign');
    _claim_id bigint;
    _ids bigint[];
begin
    perform public.resume_account(core.account_of(_campaign_id));
    _claim_id := core.hand_out(_campaign_id, 2);
    select k.entry_ids into _ids from public.claims k where k.id = _claim_id;
    perform public.record_results(_claim_id, jsonb_build_array(
        jsonb_build_object(
            'entry_id', _ids[1], 'attempt', 1, 'outcome', 'rejected', 'code', '131016', 'http_status', 400, 'message', 'm',
            'retry_after', 1, 'provider_message_id', core.wamid(_ids[1], 1)
        ) || jsonb_build_object(_field, _nonsense),
        jsonb_build_object('entry_id', _ids[2], 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', core.wamid(_ids[2], 1))
    ));
    return core.state(_ids[2]);
exception
    when others then
        return sqlerrm;
end;
$$;

create function pg_temp.report_beside(_field text, _nonsense jsonb)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := core.kept('campaign');
    _claim_id bigint;
    _ids bigint[];
    _good jsonb;
begin
    perform public.resume_account(core.account_of(_campaign_id));
    _claim_id := core.hand_out(_campaign_id, 2);
    select k.entry_ids into _ids from public.claims k where k.id = _claim_id;
    _good := jsonb_build_object(
        'app', 'default', 'sender', core.account_column(_campaign_id, 'sender'), 'status', 'failed', 'timestamp', '1772452800', 'code', '131026',
        'message', 'm'
    );
    perform public.ingest_delivery_reports('whatsapp', jsonb_build_array(
        _good || jsonb_build_object(
            'provider_message_id', core.wamid(_ids[1], 1), 'reference', format('so1:%s:%s:1', _campaign_id, _ids[1])
        ) || jsonb_build_object(_field, _nonsense),
        _good || jsonb_build_object(
            'provider_message_id', core.wamid(_ids[2], 1), 'reference', format('so1:%s:%s:1', _campaign_id, _ids[2]),
            'status', 'delivered'
        )
    ));
    return core.state(_ids[2]);
exception
    when others then
        return sqlerrm;
end;
$$;

-- Contacts enough for two of each, and nobody is claimed twice.
select core.keep('campaign', core.world(900)::text);
select is_empty(
    $$
    select f.field, left(n.value::text, 60), r.ended
    from unnest(array['entry_id', 'attempt', 'outcome', 'provider_message_id', 'http_status', 'code', 'message', 'retry_after', 'unheard_of']) f (field)
    cross join nonsense n
    cross join lateral pg_temp.record_beside(f.field, n.value) r (ended)
    where r.ended <> 'sent'
    $$, 'no nonsense in a result fails its batch'
);
select is_empty(
    $$
    select f.field, left(n.value::text, 60), r.ended
    from unnest(array['app', 'sender', 'provider_message_id', 'status', 'timestamp', 'reference', 'code', 'message', 'category', 'pricing_type']) f (field)
    cross join nonsense n
    cross join lateral pg_temp.report_beside(f.field, n.value) r (ended)
    where r.ended <> 'sent/delivered'
    $$, 'no nonsense in a report fails its POST'
);
select is_empty('select core.differences(id) from campaigns', 'the numbers are the rows');
select is_empty('select from sendonce.report_log where reported_at > received_at', 'no report tells of the future');

select * from finish();
rollback;
