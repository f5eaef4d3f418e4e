-- What cannot be used is named together with what can, in our own words and SQLSTATE.
begin;
select plan(7);

select core.organization() as organization
\gset
select core.template(:'organization') as template
\gset
select core.account(:'organization') as account
\gset

select throws_ok(
    format('select create_campaign(%L, %L, %L, %L, %L)', :'organization', 'c', :'account', :'template', o.options),
    'SO005', 'an option of the campaign cannot be used', o.options
)
from unnest(array['{"priority": "soon"}', '{"window_start": "8 o''clock sharp", "window_end": "20:00"}', '{"maximum_failure_rate": 12}']) o (options);
select throws_ok(
    format('select upsert_account(%L, %L, %L, %L, %L)', :'organization', 'whatsapp', 'sender-1', 'name', o.options),
    'SO005', 'the account cannot be set up like this', o.options
)
from unnest(array['{"maximum_rate": -1}', '{"lease": "a while"}', '{"on_unknown": "panic"}']) o (options);
select throws_ok(
    format('select upsert_template(%L, %L, %L, %L, %L)', :'organization', 'whatsapp', 't', 'en', '{"category": "SPAM"}'),
    'SO005', 'the template cannot be set up like this', 'an unknown category'
);

select * from finish();
rollback;
