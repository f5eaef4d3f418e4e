-- A long walk by chance, always the same one: after every step the counters are the rows.
begin;
select plan(5);

select core.set_clock();
select setseed(0.42);

create temporary table seen (status public.entry_status primary key) on commit drop;

select core.organization() as organization
\gset
select core.price(:'organization', 0.05);
select core.account(:'organization') as account, core.template(:'organization') as template
\gset
create temporary table walked on commit drop as
select core.campaign(:'account', :'template', 80) as campaign_id
from generate_series(1, 4);
select is_empty(
    format('select * from core.walk(1200, %L, %L::uuid[])', :'organization', (select array_agg(campaign_id) from walked)), '1,200 steps, and no difference after any'
);
select cmp_ok((select count(*) from seen), '>=', 5::bigint, 'the walk has been almost everywhere');
select cmp_ok((select sum(total_sent) from campaigns), '>', 20::bigint, 'has sent');
select cmp_ok((select sum(actual_cost) from campaigns), '>', 0.0, 'and paid');
select is_empty(
    'select from send_queue q where q.status = ''processing'' and not exists (select from claims k where k.id = q.claim_id and q.id = any (k.entry_ids))',
    'nothing is in process without a claim that holds it'
);

select * from finish();
rollback;
