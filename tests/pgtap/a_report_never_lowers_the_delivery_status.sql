begin;
select plan(16);

select core.set_clock();

create function pg_temp.after(_first text, _second text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := core.world(1);
begin
    perform core.bring(core.entry(_campaign_id), 'sent');
    perform core.report(core.entry(_campaign_id), _first, case _first when 'failed' then '{"code": "131026"}'::jsonb else '{}' end);
    perform core.report(core.entry(_campaign_id), _second, case _second when 'failed' then '{"code": "131026"}'::jsonb else '{}' end);
    return concat_ws(' ', core.column_of(core.entry(_campaign_id), 'delivery_status'), core.column_of(core.entry(_campaign_id), 'delivery_error_code'),
        (select string_agg(d, '; ') from core.differences(_campaign_id) d));
end;
$$;

select is(pg_temp.after(t.first, t.second), t.stays, format('%s, then %s', t.first, t.second))
from (
    values
    ('sent', 'sent', ''), ('sent', 'failed', 'undelivered 131026'), ('sent', 'delivered', 'delivered'), ('sent', 'read', 'read'),
    ('failed', 'sent', 'undelivered 131026'), ('failed', 'failed', 'undelivered 131026'), ('failed', 'delivered', 'delivered'), ('failed', 'read', 'read'),
    ('delivered', 'sent', 'delivered'), ('delivered', 'failed', 'delivered'), ('delivered', 'delivered', 'delivered'), ('delivered', 'read', 'read'),
    ('read', 'sent', 'read'), ('read', 'failed', 'read'), ('read', 'delivered', 'read')
) t (first, second, stays);

select core.world(1) as campaign
\gset
select core.bring(core.entry(:'campaign'), 'sent');
select core.report(core.entry(:'campaign'), 'read');
select throws_ok(
    format('update public.send_queue set delivery_status = %L where id = %s', 'delivered', core.entry(:'campaign')), 'SO007', null,
    'not even the owner lowers it'
);

select * from finish();
rollback;
