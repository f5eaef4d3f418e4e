-- Entries without a campaign: claimed, dispatched, recorded, reported and charged alike.
begin;
select plan(15);

select core.set_clock();
select core.world(0) as ended
\gset
select core.account_of(:'ended') as account, core.template_of(:'ended') as template
\gset
select core.single_message(:'account', :'template', core.person(n)) from generate_series(1, 4) n;
select (claim_messages('worker-1', :'account') ->> 'claim_id')::bigint as claim
\gset
select is((select cardinality(entry_ids) from claims
where id = :claim), 4, 'all are claimed');
select is(jsonb_array_length(core.dispatch(:claim) -> 'dispatched'), 4, 'and dispatched');
create temporary view singles as
select row_number() over (order by id)::integer as number, id, status, delivery_status, attempt
from send_queue
where campaign_id is null;
select core.result((select id from singles
where number = 1), 'accepted');
select core.result((select id from singles
where number = 2), 'rejected', '{"code": "135000"}');
select core.result((select id from singles
where number = 3), 'rejected', '{"code": "131016"}');
select is((select status::text from singles
where number = 1), 'sent', 'one is sent');
select is((select status::text from singles
where number = 2), 'failed', 'one fails');
select is((select status::text from singles
where number = 3), 'ready', 'one is tried again');
select is(core.report((select id from singles
where number = 1), 'delivered') ->> 'applied', '1', 'a report finds it');
select is((select delivery_status::text from singles
where number = 1), 'delivered', 'and counts');
select is((select sum(cost) from messages), 0.05, 'it is charged');
select core.advance('1 hour');
select expire_claims();
select is((select status::text from singles
where number = 4), 'unknown', 'one whose worker died is unknown');
select is(core.report((select id from singles
where number = 4), 'sent') ->> 'applied', '1', 'until a report comes');
select is((select status::text from singles
where number = 4), 'sent', 'that settles it');
select isnt(claim_messages('worker-1', :'account') ->> 'claim_id', null, 'what is tried again goes out again');
select is((select attempt from singles
where number = 3), 2, 'as the second attempt');
select is(core.counter(:'ended', 'total_sent'), '0', 'no campaign counts any of it');

-- It needs a template of its own organization.
select throws_ok(
    format('select core.single_message(%L, %L, %L)', :'account', core.template(core.organization()), core.person(5)), 'SO010', null, 'with a foreign template it is not born'
);

select * from finish();
rollback;
