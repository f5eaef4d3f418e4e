-- 1,001 contacts in claims of odd sizes: every one is handed out, none twice, and nothing is left over.
begin;
select plan(8);

select core.set_clock();
select core.world(1001) as campaign
\gset

create temporary table handed_out (entry_id bigint, claim_id bigint) on commit drop;

create function pg_temp.claim_all(_campaign_id uuid)
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim jsonb;
    _claims integer := 0;
begin
    loop
        _claim := public.claim_messages('worker-1', core.account_of(_campaign_id), 1 + (_claims * 7) % 100);
        exit when _claim ->> 'claim_id' is null;
        _claims := _claims + 1;
        insert into pg_temp.handed_out
        select (e.value ->> 'entry_id')::bigint, (_claim ->> 'claim_id')::bigint
        from jsonb_array_elements(_claim -> 'entries') e;
    end loop;
    return _claims;
end;
$$;

select cmp_ok(pg_temp.claim_all(:'campaign'), '>', 10, 'it takes several claims');
select is((select count(*) from handed_out), 1001::bigint, '1,001 entries are handed out');
select is((select count(distinct entry_id) from handed_out), 1001::bigint, 'each once');
select is((select count(*) from claims), (select count(distinct claim_id) from handed_out), 'every claim has its row');
select is(
    (select count(*) from claims k, unnest(k.entry_ids) e (id), handed_out h
where h.entry_id = e.id and h.claim_id = k.id),
    1001::bigint, 'and the rows hold what the answers said'
);
select is_empty(
    format(
        'select from send_queue q where q.campaign_id = %L and (q.status <> ''processing'' or q.attempt <> 1 or not exists (select from claims k '
        'where k.id = q.claim_id and q.id = any (k.entry_ids)))', :'campaign'
    ), 'every entry names the claim that holds it'
);
select is(core.claim(:'campaign'), null, 'and no more is given out');

-- Whatever comes back goes out again: nothing lies behind the cursor unseen.
select release_claim(id) from claims;
select core.advance('1 second');
truncate handed_out;
select pg_temp.claim_all(:'campaign');
select is((select count(distinct entry_id) from handed_out), 1001::bigint, 'released, all of them are handed out again');

select * from finish();
rollback;
