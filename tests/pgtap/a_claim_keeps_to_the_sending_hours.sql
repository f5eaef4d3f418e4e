-- Sending hours are local to the campaign's zone, hold from their start until before their end, and
-- may run across midnight.
begin;
select plan(16);

select core.set_clock('2026-03-02 00:00:00+00');

create function pg_temp.given_out_at(_campaign_id uuid, _at timestamptz)
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim_id bigint;
begin
    perform core.set_clock(_at);
    _claim_id := core.claim(_campaign_id, 1);
    if _claim_id is null then
        return false;
    end if;
    perform public.release_claim(_claim_id);
    return true;
end;
$$;

select core.world(1, '{"campaign": {"window_start": "09:00", "window_end": "17:00"}}') as day
\gset
select core.world(1, '{"campaign": {"window_start": "20:00", "window_end": "08:00"}}') as night
\gset
select core.world(1, '{"campaign": {"window_start": "09:00", "window_end": "17:00", "window_time_zone": "America/Sao_Paulo"}}') as elsewhere
\gset

select is(pg_temp.given_out_at(:'day', '2026-03-02 08:59:59.999+00'), false, 'by day: not before the start');
select is(pg_temp.given_out_at(:'day', '2026-03-02 09:00+00'), true, 'from the start on');
select is(pg_temp.given_out_at(:'day', '2026-03-02 16:59:59.999+00'), true, 'until the end');
select is(pg_temp.given_out_at(:'day', '2026-03-02 17:00+00'), false, 'not from the end on');
select is(pg_temp.given_out_at(:'day', '2026-03-03 12:00+00'), true, 'and again the next day');

select is(pg_temp.given_out_at(:'night', '2026-03-02 19:59:59+00'), false, 'by night: not in the evening before the start');
select is(pg_temp.given_out_at(:'night', '2026-03-02 20:00+00'), true, 'from the start on');
select is(pg_temp.given_out_at(:'night', '2026-03-02 23:59:59.999+00'), true, 'until midnight');
select is(pg_temp.given_out_at(:'night', '2026-03-03 00:00+00'), true, 'across midnight');
select is(pg_temp.given_out_at(:'night', '2026-03-03 07:59:59+00'), true, 'until the end');
select is(pg_temp.given_out_at(:'night', '2026-03-03 08:00+00'), false, 'not from the end on');
select is(pg_temp.given_out_at(:'night', '2026-03-03 12:00+00'), false, 'and not by day');

select is(pg_temp.given_out_at(:'elsewhere', '2026-03-02 11:59+00'), false, 'elsewhere: 08:59 in São Paulo is too early');
select is(pg_temp.given_out_at(:'elsewhere', '2026-03-02 12:00+00'), true, '09:00 in São Paulo is the start');
select is(pg_temp.given_out_at(:'elsewhere', '2026-03-02 19:59+00'), true, '16:59 in São Paulo is within');
select is(pg_temp.given_out_at(:'elsewhere', '2026-03-02 20:00+00'), false, '17:00 in São Paulo is the end');

select * from finish();
rollback;
