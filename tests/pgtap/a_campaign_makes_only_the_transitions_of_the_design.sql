-- All 30 changes of a campaign's status, tried as the owner.
begin;
select plan(31);

select core.set_clock();

create function pg_temp.legal(_from text, _to text)
returns boolean
language sql
immutable
set search_path = ''
as $$
    select (_from, _to) in (
        ('draft', 'scheduled'), ('draft', 'running'), ('draft', 'completed'), ('draft', 'cancelled'),
        ('scheduled', 'running'), ('scheduled', 'completed'), ('scheduled', 'cancelled'),
        ('running', 'paused'), ('running', 'completed'), ('running', 'cancelled'),
        ('paused', 'running'), ('paused', 'completed'), ('paused', 'cancelled')
    );
$$;

create function pg_temp.make(_status text)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id uuid := core.world(1, '{"start": false}');
begin
    case _status
        when 'draft' then null;
        when 'scheduled' then perform public.start_campaign(_campaign_id, sendonce.now() + interval '1 hour');
        when 'cancelled' then perform public.cancel_campaign(_campaign_id);
        else
            perform public.start_campaign(_campaign_id);
            if _status = 'paused' then
                perform public.pause_campaign(_campaign_id, 'test');
            elsif _status = 'completed' then
                perform core.bring(core.entry(_campaign_id), 'sent');
            end if;
    end case;
    return _campaign_id;
end;
$$;

-- A transition that is legal may still be held back by a CHECK: nothing completes with an entry open.
create function pg_temp.try_change(_from text, _to text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id uuid := pg_temp.make(_from);
begin
    update public.campaigns c
    set status = _to::public.campaign_status,
        scheduled_at = case when _to = 'scheduled' then sendonce.now() else c.scheduled_at end,
        started_at = coalesce(c.started_at, sendonce.now()),
        paused_at = case when _to = 'paused' then sendonce.now() end,
        pause_reason = case when _to = 'paused' then 'test' end,
        completed_at = case when _to = 'completed' then sendonce.now() end,
        cancelled_at = case when _to = 'cancelled' then sendonce.now() end
    where c.id = _campaign_id;
    raise exception using errcode = '00999', message = 'undo';
exception
    when others then
        return case when sqlstate = '00999' then '00000' else sqlstate end;
end;
$$;

select is(
    pg_temp.try_change(f.status, t.status),
    case
        when not pg_temp.legal(f.status, t.status) then 'SO007'
        when t.status = 'completed' then '23514'
        else '00000'
    end,
    format(
        '%s to %s is %s', f.status, t.status,
        case when pg_temp.legal(f.status, t.status) then 'legal, completion only with everything settled' else 'refused' end
    )
)
from unnest(enum_range(null::public.campaign_status)::text[]) f (status)
cross join unnest(enum_range(null::public.campaign_status)::text[]) t (status)
where f.status <> t.status;

select throws_ok(
    format('update public.campaigns set status = %L, started_at = now() where id = %L', 'running', core.world(0, '{"start": false}')),
    '23514', null, 'a campaign with nothing to send does not run'
);

select * from finish();
rollback;
