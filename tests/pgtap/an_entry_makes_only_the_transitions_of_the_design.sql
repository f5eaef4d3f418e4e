-- All 42 changes of status, tried as the owner: the legal ones pass, the others raise SO007.
begin;
select plan(42);

select core.set_clock();

create function pg_temp.legal(_from text, _to text)
returns boolean
language sql
immutable
set search_path = ''
as $$
    select case
        when _from = 'sent' then false
        when _to = 'sent' then true
        else (_from, _to) in (
            ('ready', 'processing'), ('ready', 'skipped'), ('ready', 'cancelled'),
            ('processing', 'ready'), ('processing', 'failed'), ('processing', 'skipped'), ('processing', 'unknown'),
            ('unknown', 'ready'), ('unknown', 'failed'),
            ('failed', 'ready')
        )
    end;
$$;

-- Returns the SQLSTATE of the change, 00000 when it is let through. Leaves nothing behind.
create function pg_temp.try_change(_from text, _to text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id uuid;
    _entry_id bigint;
begin
    _campaign_id := core.world(2);
    _entry_id := core.entry(_campaign_id, 1);
    perform core.bring(_entry_id, _from);
    -- Everything that the new status needs is given, so that only the transition can be wrong.
    update public.send_queue q
    set status = _to::public.entry_status,
        attempt = case when _to = 'processing' and _from = 'ready' then q.attempt + 1 else q.attempt end,
        claim_id = case when _to = 'processing' then nextval('sendonce.claim_ids') end,
        provider_message_id = case when _to = 'sent' then 'wamid.x' else q.provider_message_id end,
        error_class = case when _to in ('failed', 'skipped') then 'recipient' else q.error_class end
    where q.id = _entry_id;
    raise exception using errcode = '00999', message = 'undo';
exception
    when others then
        return case when sqlstate = '00999' then '00000' else sqlstate end;
end;
$$;

select is(
    pg_temp.try_change(f.status, t.status),
    case when pg_temp.legal(f.status, t.status) then '00000' else 'SO007' end,
    format('%s to %s is %s', f.status, t.status, case when pg_temp.legal(f.status, t.status) then 'legal' else 'refused' end)
)
from unnest(enum_range(null::public.entry_status)::text[]) f (status)
cross join unnest(enum_range(null::public.entry_status)::text[]) t (status)
where f.status <> t.status;

select * from finish();
rollback;
