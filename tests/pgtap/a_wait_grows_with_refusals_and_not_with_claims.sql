-- A contact that was taken and given back, by pauses, rests or caps, has not been refused by anybody.
begin;
select plan(4);

select core.set_clock();
select core.world(1) as campaign
\gset
create function pg_temp.given_back(_campaign_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim bigint := core.claim(_campaign_id);
begin
    perform public.pause_campaign(_campaign_id, 'a look');
    perform core.dispatch(_claim);
    perform public.resume_campaign(_campaign_id);
end;
$$;
select pg_temp.given_back(:'campaign') from generate_series(1, 5);
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign'), 'rejected', '{"code": "131056"}');
select is(core.column_of(core.entry(:'campaign'), 'attempt'), '6', 'given back five times');
select cmp_ok(
    core.column_of(core.entry(:'campaign'), 'due_at')::timestamptz, '<=', sendonce.now() + interval '5 seconds',
    'the first pair throttle waits for the first wait'
);
select core.advance('5 seconds');
select pg_temp.given_back(:'campaign');
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign'), 'rejected', '{"code": "131056"}');
select cmp_ok(
    core.column_of(core.entry(:'campaign'), 'due_at')::timestamptz, '>=', sendonce.now() + interval '16 seconds', 'the second four times as long'
);
select cmp_ok(
    core.column_of(core.entry(:'campaign'), 'due_at')::timestamptz, '<=', sendonce.now() + interval '20 seconds', 'and no longer'
);

select * from finish();
rollback;
