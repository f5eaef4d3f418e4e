-- One call may bring the errors of several templates, as one claim may hold entries of several campaigns.
begin;
select plan(5);

select core.set_clock();
select core.world(1) as first
\gset
select core.campaign(core.account_of(:'first'), core.template(core.organization_of(:'first')), 1) as second
\gset
select core.claim(:'first', 2) as claim
\gset
select core.dispatch(:claim);
select record_results(:claim, jsonb_build_array(
    jsonb_build_object('entry_id', core.entry(:'first'), 'attempt', 1, 'outcome', 'rejected', 'code', '132001', 'message', 'it is not there'),
    jsonb_build_object('entry_id', core.entry(:'second'), 'attempt', 1, 'outcome', 'rejected', 'code', '132015', 'message', 'it is paused')
));
select is(
    (select t.stop_reason from templates t where t.id = core.template_of(:'first')), 'error 132001: it is not there', 'the first stops with its own error'
);
select is(
    (select t.stop_reason from templates t where t.id = core.template_of(:'second')), 'error 132015: it is paused', 'the second with its own'
);

-- The same by reports.
select upsert_template(t.organization_id, t.provider, t.name, t.language) from templates t
where t.id in (core.template_of(:'first'), core.template_of(:'second'));
select core.advance('1 hour');
select core.claim(:'first', 2) as claim
\gset
select core.dispatch(:claim);
select record_results(:claim, jsonb_build_array(
    jsonb_build_object('entry_id', core.entry(:'first'), 'attempt', 2, 'outcome', 'accepted', 'provider_message_id', 'wamid.first'),
    jsonb_build_object('entry_id', core.entry(:'second'), 'attempt', 2, 'outcome', 'accepted', 'provider_message_id', 'wamid.second')
));
select ingest_delivery_reports('whatsapp', jsonb_agg(jsonb_build_object(
    'app', a.app, 'sender', a.sender, 'provider_message_id', told.wamid, 'status', 'failed', 'code', told.code, 'message', told.message
)))
from provider_accounts a,
    (values ('wamid.first', '132016', 'it is disabled'), ('wamid.second', '132007', 'it breaks a rule')) told(wamid, code, message)
where a.id = core.account_of(:'first');
select is(
    (select t.stop_reason from templates t where t.id = core.template_of(:'first')), 'error 132016: it is disabled', 'so it is by report'
);
select is(
    (select t.stop_reason from templates t where t.id = core.template_of(:'second')), 'error 132007: it breaks a rule', 'for each of them'
);
select is_empty(format('select core.differences(%L)', :'first'), 'the numbers are the rows');

select * from finish();
rollback;
