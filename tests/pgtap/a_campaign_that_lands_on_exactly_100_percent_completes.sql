-- 1,001 contacts with every kind of end, in batches: 100 percent at the last one and not before.
begin;
select plan(10);

select core.set_clock();
select core.world(1001) as campaign
\gset
insert into suppressions (organization_id, recipient, scope, reason)
select core.organization_of(:'campaign'), core.person(n), 'all', 'test' from generate_series(101, 110) n;

create function pg_temp.send_some(_campaign_id uuid, _limit integer)
returns numeric
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim_id constant bigint := core.hand_out(_campaign_id, _limit);
begin
    perform public.record_results(_claim_id, (
        select jsonb_agg(jsonb_build_object(
            'entry_id', d.id, 'attempt', 1, 'outcome', case when d.id % 40 = 0 then 'rejected' else 'accepted' end, 'code', '135000',
            'provider_message_id', core.wamid(d.id, 1)
        ))
        from public.claims k, unnest(k.dispatched) d (id)
        where k.id = _claim_id
    ));
    return core.counter(_campaign_id, 'progress')::numeric;
end;
$$;

select cmp_ok(pg_temp.send_some(:'campaign', 100), '<', 10::numeric, 'after 100 of 1,001 less than 10 percent');
select pg_temp.send_some(:'campaign', 100) from generate_series(1, 9);
select is(core.counter(:'campaign', 'progress')::numeric, 99.90, 'with one left it is 99.90 percent, never rounded up');
select is(core.campaign_status(:'campaign'), 'running', 'and running');
select is(pg_temp.send_some(:'campaign', 100), 100.00, 'with the last one it is 100 percent');
select is(core.campaign_status(:'campaign'), 'completed', 'and completed');
select is(core.counter(:'campaign', 'total_contacts')::integer, 1001, 'of 1,001 contacts');
select is(core.counter(:'campaign', 'total_skipped')::integer, 10, 'ten are skipped');
select is(
    core.counter(:'campaign', 'total_sent')::integer + core.counter(:'campaign', 'total_failed')::integer, 991, 'the others are sent or failed'
);
select is(core.claim(:'campaign'), null, 'and nothing more goes out');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
