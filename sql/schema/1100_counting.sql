-- Counters: moved with the rows they count, in the same transaction, by this trigger and nothing else.

create function sendonce.increment_campaign_counters(
    _campaign_id uuid, _contacts integer, _sent integer, _failed integer, _skipped integer, _cancelled integer,
    _unknown integer, _delivered integer, _read integer, _undelivered integer, _cost numeric
)
returns void
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    -- One update for all deltas at once: one per counter would break the CHECKs on late evidence
    -- (failed -1 before sent +1). Completion is decided by counting, in this same update: the
    -- second of two sessions that settle the last two entries waits here, then sees the first's count.
    update public.campaigns c
    set total_contacts = c.total_contacts + _contacts,
        total_sent = c.total_sent + _sent,
        total_failed = c.total_failed + _failed,
        total_skipped = c.total_skipped + _skipped,
        total_cancelled = c.total_cancelled + _cancelled,
        total_unknown = c.total_unknown + _unknown,
        total_delivered = c.total_delivered + _delivered,
        total_read = c.total_read + _read,
        total_undelivered = c.total_undelivered + _undelivered,
        actual_cost = c.actual_cost + _cost,
        status = case
            when c.status in ('running', 'paused', 'completed')
                and c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled
                    + _sent + _failed + _skipped + _cancelled = c.total_contacts + _contacts
                then 'completed'::public.campaign_status
            -- Entries came back from failed: retry_failed.
            when c.status = 'completed' then 'running'
            else c.status
        end,
        completed_at = case
            when c.status in ('running', 'paused', 'completed')
                and c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled
                    + _sent + _failed + _skipped + _cancelled = c.total_contacts + _contacts
                then coalesce(c.completed_at, sendonce.now())
        end,
        paused_at = case
            when c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled
                + _sent + _failed + _skipped + _cancelled < c.total_contacts + _contacts
                then c.paused_at
        end,
        pause_reason = case
            when c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled
                + _sent + _failed + _skipped + _cancelled < c.total_contacts + _contacts
                then c.pause_reason
        end
    where c.id = _campaign_id;
end;
$$;

comment on function sendonce.increment_campaign_counters(
    uuid, integer, integer, integer, integer, integer, integer, integer, integer, integer, numeric
) is
    'Called by the counting triggers only; nobody may execute it. Adds all deltas to one campaign and completes it when the last entry has settled.';

create function sendonce.count_inserted_entries()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _delta record;
begin
    for _delta in
        select n.campaign_id, count(*)::integer as contacts, (count(*) filter (where n.status = 'skipped'))::integer as skipped
        from new_rows n
        where n.campaign_id is not null
        group by n.campaign_id
        order by n.campaign_id
    loop
        perform sendonce.increment_campaign_counters(_delta.campaign_id, _delta.contacts, 0, 0, _delta.skipped, 0, 0, 0, 0, 0, 0);
    end loop;
    return null;
end;
$$;

comment on function sendonce.count_inserted_entries() is
    'Trigger after insert into send_queue, for every role. Adds the new entries to their campaigns'' counters.';

create trigger count_inserted_entries
    after insert on public.send_queue
    referencing new table as new_rows
    for each statement execute function sendonce.count_inserted_entries();

create function sendonce.count_moved_entries()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _delta record;
begin
    -- Handing an entry out or taking it back counts nothing: no need to add up.
    if not exists (select from new_rows n where n.status not in ('ready', 'processing'))
        and not exists (select from old_rows o where o.status not in ('ready', 'processing'))
    then
        return null;
    end if;

    -- In id order: this is where several campaigns are locked when nobody locked them before.
    for _delta in
        select
            moved.campaign_id,
            sum(moved.sign * (moved.status = 'sent')::integer)::integer as sent,
            sum(moved.sign * (moved.status = 'failed')::integer)::integer as failed,
            sum(moved.sign * (moved.status = 'skipped')::integer)::integer as skipped,
            sum(moved.sign * (moved.status = 'cancelled')::integer)::integer as cancelled,
            sum(moved.sign * (moved.status = 'unknown')::integer)::integer as unknown,
            sum(moved.sign * coalesce((moved.delivery_status >= 'delivered')::integer, 0))::integer as delivered,
            sum(moved.sign * coalesce((moved.delivery_status = 'read')::integer, 0))::integer as read,
            sum(moved.sign * coalesce((moved.delivery_status = 'undelivered')::integer, 0))::integer as undelivered
        from (
            select n.campaign_id, n.status, n.delivery_status, 1 as sign from new_rows n
            union all
            select o.campaign_id, o.status, o.delivery_status, -1 from old_rows o
        ) moved
        where moved.campaign_id is not null
        group by moved.campaign_id
        order by moved.campaign_id
    loop
        -- What counts nothing must not touch the hot row.
        if (_delta.sent, _delta.failed, _delta.skipped, _delta.cancelled, _delta.unknown,
            _delta.delivered, _delta.read, _delta.undelivered) <> (0, 0, 0, 0, 0, 0, 0, 0)
        then
            perform sendonce.increment_campaign_counters(
                _delta.campaign_id, 0, _delta.sent, _delta.failed, _delta.skipped, _delta.cancelled,
                _delta.unknown, _delta.delivered, _delta.read, _delta.undelivered, 0
            );
        end if;
    end loop;
    return null;
end;
$$;

comment on function sendonce.count_moved_entries() is
    'Trigger after update of send_queue, for every role. Moves the counters of each campaign by what the statement moved.';

create trigger count_moved_entries
    after update on public.send_queue
    referencing old table as old_rows new table as new_rows
    for each statement execute function sendonce.count_moved_entries();

-- The named forms. Home-grown senders call functions of these names from their code, which is how their
-- counters drift; here nobody may execute them, and outside the triggers the campaign guard refuses them.

create function public.increment_campaign_sent(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, _count, 0, 0, 0, 0, 0, 0, 0, 0);
$$;

comment on function public.increment_campaign_sent(uuid, integer) is
    'Called by nobody: total_sent moves with the rows. Executable by no role; raises SO011 even for the owner.';

create function public.increment_campaign_failed(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, 0, _count, 0, 0, 0, 0, 0, 0, 0);
$$;

comment on function public.increment_campaign_failed(uuid, integer) is
    'Called by nobody: total_failed moves with the rows. Executable by no role; raises SO011 even for the owner.';

create function public.increment_campaign_skipped(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, 0, 0, _count, 0, 0, 0, 0, 0, 0);
$$;

comment on function public.increment_campaign_skipped(uuid, integer) is
    'Called by nobody: total_skipped moves with the rows. Executable by no role; raises SO011 even for the owner.';

create function public.increment_campaign_cancelled(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, 0, 0, 0, _count, 0, 0, 0, 0, 0);
$$;

comment on function public.increment_campaign_cancelled(uuid, integer) is
    'Called by nobody: total_cancelled moves with the rows. Executable by no role; raises SO011 even for the owner.';

create function public.increment_campaign_unknown(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, 0, 0, 0, 0, _count, 0, 0, 0, 0);
$$;

comment on function public.increment_campaign_unknown(uuid, integer) is
    'Called by nobody: total_unknown moves with the rows. Executable by no role; raises SO011 even for the owner.';

create function public.increment_campaign_delivered(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, 0, 0, 0, 0, 0, _count, 0, 0, 0);
$$;

comment on function public.increment_campaign_delivered(uuid, integer) is
    'Called by nobody: total_delivered moves with the rows. Executable by no role; raises SO011 even for the owner.';

create function public.increment_campaign_read(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, 0, 0, 0, 0, 0, 0, _count, 0, 0);
$$;

comment on function public.increment_campaign_read(uuid, integer) is
    'Called by nobody: total_read moves with the rows. Executable by no role; raises SO011 even for the owner.';

create function public.increment_campaign_undelivered(_campaign_id uuid, _count integer default 1)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.increment_campaign_counters(_campaign_id, 0, 0, 0, 0, 0, 0, 0, 0, _count, 0);
$$;

comment on function public.increment_campaign_undelivered(uuid, integer) is
    'Called by nobody: total_undelivered moves with the rows. Executable by no role; raises SO011 even for the owner.';
