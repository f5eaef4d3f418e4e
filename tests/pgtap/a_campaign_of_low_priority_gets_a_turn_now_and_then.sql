-- Priority says who goes first, not who goes at all: one claim in ten is drawn among equals.
begin;
select plan(5);

select core.set_clock();
select core.world(0) as ended
\gset
select core.account_of(:'ended') as account, core.template_of(:'ended') as template
\gset
select core.campaign(:'account', :'template', 4000, true, '{"priority": 1}') as low
\gset
select core.campaign(:'account', :'template', 4000, true, '{"priority": 2}') as high
\gset
create function pg_temp.in_hand(_campaign_id uuid)
returns integer
language sql
volatile
set search_path = ''
as $$
    select count(*)::integer from public.send_queue q where q.campaign_id = _campaign_id and q.status = 'processing';
$$;

select setseed(0.5);
select core.claim(:'low', 5) from generate_series(1, 400);
select is(pg_temp.in_hand(:'low') + pg_temp.in_hand(:'high'), 2000, 'four hundred claims gave out so many');
-- One in ten is drawn, and every second draw falls on it: about 5 of 100.
select cmp_ok(pg_temp.in_hand(:'low'), '>=', 40, 'the campaign of low priority had its turns');
select cmp_ok(pg_temp.in_hand(:'low'), '<=', 180, 'few of them');
select cmp_ok(pg_temp.in_hand(:'high'), '>=', 1820, 'the other had most');

select core.campaign(:'account', :'template', 4000, true, '{"priority": 2}') as equal
\gset
select core.claim(:'low', 5) from generate_series(1, 100);
select cmp_ok(pg_temp.in_hand(:'equal'), '>=', 150, 'equals share what there is');

select * from finish();
rollback;
