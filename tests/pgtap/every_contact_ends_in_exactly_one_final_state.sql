-- Whatever happened on the way, when workers have done what they do in the end, nobody is left behind:
-- each contact is sent, failed, skipped or cancelled, each with its reason, and each campaign has ended.
begin;
select plan(16);

select core.set_clock();
select core.organization() as organization
\gset
select core.price(:'organization', 0.05);
select core.account(:'organization') as account, core.account(:'organization', '{"maximum_rate": 50}') as slow, core.template(:'organization') as template
\gset
-- Two witnesses, who look at every move: whoever is handed out again while an earlier attempt may have
-- gone out, and every attempt that ever got leave to go.
create temporary table sent_again (entry_id bigint, attempt integer, earlier integer, outcome public.message_outcome) on commit drop;
create temporary table dispatched_ever (entry_id bigint, attempt integer) on commit drop;
create function pg_temp.witness_a_claim()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- Only a rejection or "not sent" makes an attempt that got leave to go one that reached nobody.
    insert into pg_temp.sent_again
    select new.id, new.attempt, d.attempt, m.outcome
    from pg_temp.dispatched_ever d
    left join public.messages m on m.entry_id = d.entry_id and m.attempt = d.attempt
    where d.entry_id = new.id and d.attempt < new.attempt and coalesce(m.outcome not in ('rejected', 'not_sent'), true);
    return null;
end;
$$;
create trigger witness_a_claim
after update on send_queue
for each row
when (new.status = 'processing' and old.status <> 'processing')
execute function pg_temp.witness_a_claim();
create function pg_temp.witness_a_dispatch()
returns trigger
language plpgsql
volatile
set search_path = ''
as $$
begin
    insert into pg_temp.dispatched_ever
    select q.id, q.attempt
    from public.send_queue q
    where q.id = any (new.dispatched) and q.id <> all (old.dispatched);
    return null;
end;
$$;
create trigger witness_a_dispatch
after update on claims
for each row
execute function pg_temp.witness_a_dispatch();

create temporary table walked on commit drop as
select core.campaign(case n % 2 when 0 then :'account' else :'slow' end::uuid, :'template', 40) as campaign_id
from generate_series(1, 6) n;

select setseed(0.1);
select is_empty(
    format('select * from core.walk(500, %L, %L::uuid[])', :'organization', (select array_agg(campaign_id) from walked)), 'a walk of 500 steps without a difference'
);
select setseed(0.7);
select is_empty(
    format('select * from core.walk(500, %L, %L::uuid[])', :'organization', (select array_agg(campaign_id) from walked)), 'and another'
);
select cmp_ok(core.drain((select array_agg(campaign_id) from walked)), '<', 50, 'then everything comes to an end');

select is((select count(*) from send_queue), 240::bigint, 'no contact is gone');
select is_empty('select id, status from send_queue where status in (''ready'', ''processing'', ''unknown'')', 'none is left behind');
select is_empty('select id from send_queue where status <> ''sent'' and error_class is null', 'whoever was not sent to has a reason');
select is_empty('select id from send_queue where status = ''sent'' and provider_message_id is null', 'whoever was sent to has a message id');
select is_empty('select id, status from campaigns where status not in (''completed'', ''cancelled'')', 'every campaign has ended');
select is_empty('select id from campaigns where progress <> 100', 'at 100 percent');
select is_empty('select from claims', 'no claim is left');
select is_empty('select core.differences(campaign_id) from walked', 'the numbers are the rows');
select is_empty(
    'select m.entry_id from messages m join send_queue q on q.id = m.entry_id where m.outcome = ''accepted'' and q.status <> ''sent''',
    'whatever was accepted is sent'
);
select is_empty('select * from sent_again', 'nobody was handed out again whom an earlier attempt may have reached');
select cmp_ok((select count(*) from dispatched_ever), '>', 20::bigint, 'of the attempts that got leave to go');
select is_empty(
    'select d.* from dispatched_ever d where not exists (select from messages m where m.entry_id = d.entry_id and m.attempt = d.attempt)',
    'each is on record'
);
select is_empty('select * from verify_invariants()', 'and verify_invariants finds nothing');

select * from finish();
rollback;
