-- However it came: as the reply, or as a report after the acceptance.
begin;
select plan(3);

select core.set_clock();
create function pg_temp.listed(_campaign_id uuid)
returns text
language sql
stable
set search_path = ''
as $$
    select string_agg(d.detail ->> 'code', ',' order by d.detail ->> 'code')
    from public.discrepancies d
    where d.kind = 'unlisted_code' and d.organization_id = core.organization_of(_campaign_id);
$$;
select core.world(2) as first
\gset
select core.hand_out(:'first');
select core.result(core.entry(:'first', 1), 'rejected', '{"code": "999999"}');
select core.world(2) as second
\gset
select core.hand_out(:'second');
select core.result(core.entry(:'second', 1), 'rejected', '{"code": "999999"}');
select is(pg_temp.listed(:'first'), '999999', 'listed for the first organization that met it');
select is(pg_temp.listed(:'second'), '999999', 'and for the next');
select core.result(core.entry(:'second', 2), 'accepted');
select core.report(core.entry(:'second', 2), 'failed', '{"code": "888888"}');
select is(pg_temp.listed(:'second'), '888888,999999', 'one that comes by report is listed too');

select * from finish();
rollback;
