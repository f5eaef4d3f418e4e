-- Campaigns, their counters, and the guard that keeps both honest.

create type public.campaign_status as enum ('draft', 'scheduled', 'running', 'paused', 'completed', 'cancelled');

create table public.campaigns (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    account_id uuid not null references public.provider_accounts (id),
    template_id uuid not null references public.templates (id),
    name text not null,
    status public.campaign_status not null default 'draft',

    -- Higher goes first among the running campaigns of an account.
    priority smallint not null default 0,
    -- Sending hours, local to the zone; null: any time. From 20:00 to 08:00 runs across midnight.
    window_start time,
    window_end time,
    window_time_zone text not null default 'UTC',
    -- Share of the outcomes that may be failures (failed, or undelivered after acceptance) before the campaign
    -- pauses itself; null: any. Outcomes and failures up to the last resume or retry are forgiven.
    maximum_failure_rate numeric(4, 3),
    forgiven_outcomes integer not null default 0,
    forgiven_failures integer not null default 0,

    -- Counters: exactly the rows of send_queue in every committed snapshot. Moved by a trigger alone.
    total_contacts integer not null default 0,
    total_sent integer not null default 0,
    total_failed integer not null default 0,
    total_skipped integer not null default 0,
    total_cancelled integer not null default 0,
    total_unknown integer not null default 0,
    total_delivered integer not null default 0,
    total_read integer not null default 0,
    total_undelivered integer not null default 0,
    estimated_cost numeric(14, 6) not null default 0,
    actual_cost numeric(14, 6) not null default 0,
    currency text not null,
    progress numeric(5, 2) generated always as (
        case
            when total_contacts > 0 then
                floor((total_sent + total_failed + total_skipped + total_cancelled) * 10000.0 / total_contacts) / 100
            when status in ('draft', 'scheduled') then 0
            else 100
        end
    ) stored,

    created_at timestamptz not null default sendonce.now(),
    created_by text not null default sendonce.actor(),
    cloned_from uuid references public.campaigns (id),
    scheduled_at timestamptz,
    started_at timestamptz,
    paused_at timestamptz,
    pause_reason text,
    completed_at timestamptz,
    cancelled_at timestamptz,

    constraint campaign_name_is_not_blank check (btrim(name) <> ''),
    constraint window_is_whole check ((window_start is null) = (window_end is null)),
    constraint window_is_not_empty check (window_start is distinct from window_end or window_start is null),
    constraint failure_rate_is_a_share check (maximum_failure_rate > 0 and maximum_failure_rate <= 1),
    constraint counters_are_not_negative check (
        total_contacts >= 0 and total_sent >= 0 and total_failed >= 0 and total_skipped >= 0 and total_cancelled >= 0
        and total_unknown >= 0 and total_delivered >= 0 and total_read >= 0 and total_undelivered >= 0
    ),
    constraint settled_stays_within_total check (total_sent + total_failed + total_skipped + total_cancelled <= total_contacts),
    constraint delivered_stays_within_sent check (total_delivered + total_undelivered <= total_sent),
    constraint read_stays_within_delivered check (total_read <= total_delivered),
    constraint progress_stays_within_0_and_100 check (progress between 0 and 100),
    constraint cost_is_not_negative check (estimated_cost >= 0 and actual_cost >= 0),
    -- Both directions of "completes exactly when the last entry settles".
    constraint completed_means_all_settled check (
        status <> 'completed' or total_sent + total_failed + total_skipped + total_cancelled = total_contacts
    ),
    constraint active_means_some_unsettled check (
        status not in ('running', 'paused') or total_sent + total_failed + total_skipped + total_cancelled < total_contacts
    ),
    constraint completed_has_its_time check ((status = 'completed') = (completed_at is not null)),
    constraint cancelled_has_its_time check ((status = 'cancelled') = (cancelled_at is not null)),
    constraint paused_has_its_time_and_reason check (
        (status = 'paused') = (paused_at is not null) and (paused_at is null) = (pause_reason is null)
    ),
    constraint scheduled_has_its_time check (status <> 'scheduled' or scheduled_at is not null),
    constraint started_has_its_time check (status not in ('running', 'paused', 'completed') or started_at is not null)
) with (fillfactor = 50);

-- Status is in no predicate: the row must stay HOT while it counts, and it moves seldom.
create index idx_campaigns_account_status on public.campaigns (account_id, status);
create index idx_campaigns_organization on public.campaigns (organization_id, created_at desc, id);
create index idx_campaigns_template on public.campaigns (template_id);
create index idx_campaigns_cloned_from on public.campaigns (cloned_from) where cloned_from is not null;

comment on table public.campaigns is 'One template to many contacts through one account. The counters equal the rows of send_queue.';
comment on column public.campaigns.total_sent is 'Contacts whose message the provider accepted, those later delivered, read or undelivered included.';
comment on column public.campaigns.progress is 'Percent of contacts settled (sent, failed, skipped, cancelled), rounded down: 100 only when all are.';

-- The one logged exception to "counters move by the counting trigger alone": see repair_campaign.
create function sendonce.is_repairing(_campaign_id uuid)
returns boolean
language sql
stable
set search_path = ''
as $$
    select coalesce(current_setting('sendonce.repairing_campaign', true) = _campaign_id::text, false);
$$;

comment on function sendonce.is_repairing(uuid) is 'Called by the campaign guard. True inside repair_campaign for the campaign being repaired.';

create function sendonce.guard_campaign()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if tg_op = 'INSERT' then
        if new.status <> 'draft'
            or new.total_contacts + new.total_sent + new.total_failed + new.total_skipped + new.total_cancelled
                + new.total_unknown + new.total_delivered + new.total_read + new.total_undelivered <> 0
            or new.actual_cost <> 0 or new.estimated_cost <> 0
        then
            raise exception using
                errcode = 'SO010',
                message = 'a campaign starts as an empty draft',
                detail = format('Campaign "%s" would start as %s with %s contacts.', new.name, new.status, new.total_contacts),
                hint = 'Create it with create_campaign, then add_recipients and start_campaign.';
        end if;
        return new;
    end if;

    if (new.id, new.organization_id, new.account_id, new.template_id, new.currency, new.created_at)
        is distinct from (old.id, old.organization_id, old.account_id, old.template_id, old.currency, old.created_at)
    then
        raise exception using
            errcode = 'SO008',
            message = 'a campaign''s organization, account, template and currency never change',
            detail = format('Campaign %s.', old.id),
            hint = 'Use clone_campaign to send the same to others, or with another template.';
    end if;

    if (new.total_contacts, new.total_sent, new.total_failed, new.total_skipped, new.total_cancelled, new.total_unknown,
        new.total_delivered, new.total_read, new.total_undelivered, new.actual_cost)
        is distinct from
        (old.total_contacts, old.total_sent, old.total_failed, old.total_skipped, old.total_cancelled, old.total_unknown,
        old.total_delivered, old.total_read, old.total_undelivered, old.actual_cost)
        -- Depth 1 is a statement of somebody's own; the counting triggers reach here at depth 2.
        and pg_catalog.pg_trigger_depth() < 2
        and not sendonce.is_repairing(old.id)
    then
        raise exception using
            errcode = 'SO011',
            message = 'counters and cost move only with the rows they count',
            detail = format('Campaign %s.', old.id),
            hint = 'Nothing needs to write them. If verify_invariants() lists a difference, call repair_campaign.';
    end if;

    if new.status is distinct from old.status
        and not sendonce.is_repairing(old.id)
        -- In parentheses: plpgsql reads a condition up to the first bare "then".
        and not (case old.status
            when 'draft' then new.status in ('scheduled', 'running', 'completed', 'cancelled')
            when 'scheduled' then new.status in ('running', 'completed', 'cancelled')
            when 'running' then new.status in ('paused', 'completed', 'cancelled')
            when 'paused' then new.status in ('running', 'completed', 'cancelled')
            -- Only entries that return from failed do this, inside the counting trigger.
            when 'completed' then new.status = 'running' and pg_catalog.pg_trigger_depth() >= 2
            else false
        end)
    then
        raise exception using
            errcode = 'SO007',
            message = format('a %s campaign cannot become %s', old.status, new.status),
            detail = format('Campaign %s.', old.id),
            hint = 'Use start_campaign, pause_campaign, resume_campaign and cancel_campaign; clone_campaign makes a fresh draft of an ended one.';
    end if;
    return new;
end;
$$;

comment on function sendonce.guard_campaign() is
    'Trigger before insert or update of campaigns, for every role. Raises SO010 for an illegal start, SO008 for a changed identity, SO011 for counters written directly, SO007 for an illegal transition.';

create trigger guard_new_campaign
    before insert on public.campaigns
    for each row execute function sendonce.guard_campaign();

-- A count from within the counting triggers (this is then evaluated at depth 1) that at most completes the
-- campaign passes without a call.
create trigger guard_campaign
    before update on public.campaigns
    for each row
    when (
        pg_catalog.pg_trigger_depth() < 1
        or (new.id, new.organization_id, new.account_id, new.template_id, new.currency, new.created_at)
            is distinct from (old.id, old.organization_id, old.account_id, old.template_id, old.currency, old.created_at)
        or (new.status <> old.status and not (old.status in ('running', 'paused') and new.status = 'completed'))
    )
    execute function sendonce.guard_campaign();

create function sendonce.refuse_deletion()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'SO009',
        message = format('%s keeps its rows: %s is refused', tg_table_name, lower(tg_op)),
        detail = 'What was sent to whom is the record that every number is made of.',
        hint = 'Cancel a campaign instead of deleting it.';
end;
$$;

comment on function sendonce.refuse_deletion() is
    'Trigger before delete or truncate of the tables that hold the record, for every role. Always raises SO009.';

create trigger refuse_deletion
    before delete or truncate on public.campaigns
    for each statement execute function sendonce.refuse_deletion();

create trigger refuse_deletion
    before delete or truncate on public.provider_accounts
    for each statement execute function sendonce.refuse_deletion();

create trigger refuse_deletion
    before delete or truncate on public.templates
    for each statement execute function sendonce.refuse_deletion();

create function sendonce.pause_at_failure_rate()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _failures constant integer := new.total_failed + new.total_undelivered - new.forgiven_failures;
    _outcomes constant integer := new.total_sent + new.total_failed - new.forgiven_outcomes;
begin
    new.status := 'paused';
    new.paused_at := sendonce.now();
    new.pause_reason := format(
        '%s of %s messages failed: more than the %s %% allowed. See failure_breakdown, then resume_campaign',
        _failures, _outcomes, trim_scale(new.maximum_failure_rate * 100)
    );
    return new;
end;
$$;

comment on function sendonce.pause_at_failure_rate() is
    'Trigger before update of campaigns, for every role. Pauses a running campaign whose share of failures rises above its limit, from 50 outcomes on.';

create trigger pause_at_failure_rate
    before update on public.campaigns
    for each row
    when (
        new.status = 'running'
        and new.maximum_failure_rate is not null
        -- A new failure, and not a person's resume.
        and new.total_failed + new.total_undelivered > old.total_failed + old.total_undelivered
        and new.total_sent + new.total_failed - new.forgiven_outcomes >= 50
        and new.total_failed + new.total_undelivered - new.forgiven_failures
            > new.maximum_failure_rate * (new.total_sent + new.total_failed - new.forgiven_outcomes)
    )
    execute function sendonce.pause_at_failure_rate();

create function sendonce.window_is_open(_start time, _end time, _time_zone text, _at timestamptz)
returns boolean
language plpgsql
immutable
set search_path = ''
as $$
declare
    _local time;
begin
    if _start is null then
        return true;
    end if;
    _local := (_at at time zone _time_zone)::time;
    if _start < _end then
        return _local >= _start and _local < _end;
    end if;
    -- Across midnight.
    return _local >= _start or _local < _end;
end;
$$;

comment on function sendonce.window_is_open(time, time, text, timestamptz) is
    'Called by the claim path. True when the local time lies in the sending hours, from the start on and before the end.';

-- How far the first-time entries of a campaign have been handed out: every id up to the cursor was examined.
create table sendonce.campaign_cursors (
    campaign_id uuid primary key references public.campaigns (id),
    last_entry_id bigint not null default 0,
    -- Up to when the limit group's people were looked for in this campaign while the group was full.
    group_searched_at timestamptz
) with (fillfactor = 50);

comment on table sendonce.campaign_cursors is 'One cursor per campaign over the ids of its entries, moved under its account''s lock.';

create table public.campaign_events (
    id bigint generated always as identity primary key,
    organization_id uuid not null references public.organizations (id),
    campaign_id uuid references public.campaigns (id),
    account_id uuid references public.provider_accounts (id),
    at timestamptz not null default sendonce.now(),
    actor text not null default sendonce.actor(),
    event text not null,
    detail jsonb not null default '{}'
);

create index idx_campaign_events_organization on public.campaign_events (organization_id, id desc);
create index idx_campaign_events_campaign on public.campaign_events (campaign_id, id desc);
create index idx_campaign_events_account on public.campaign_events (account_id);

comment on table public.campaign_events is 'Who did what, and what the system did by itself, to campaigns and accounts.';

create trigger refuse_deletion
    before delete or truncate on public.campaign_events
    for each statement execute function sendonce.refuse_deletion();

create function sendonce.log_event(_organization_id uuid, _campaign_id uuid, _account_id uuid, _event text, _detail jsonb)
returns void
language sql
volatile
set search_path = ''
as $$
    insert into public.campaign_events (organization_id, campaign_id, account_id, event, detail)
    values (_organization_id, _campaign_id, _account_id, _event, coalesce(_detail, '{}'::jsonb));
$$;

comment on function sendonce.log_event(uuid, uuid, uuid, text, jsonb) is
    'Called by whatever changes a campaign''s or an account''s state. Writes one row of campaign_events in the caller''s name.';

-- A person pauses a campaign, or its failures do: either way this is the line in the log.
create function sendonce.log_pause()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform sendonce.log_event(new.organization_id, new.id, new.account_id, 'campaign.paused', jsonb_build_object('reason', new.pause_reason));
    return null;
end;
$$;

comment on function sendonce.log_pause() is 'Trigger after update of campaigns, for every role. Logs each pause with its reason.';

create trigger log_pause
    after update on public.campaigns
    for each row
    when (new.status = 'paused' and old.status <> 'paused')
    execute function sendonce.log_pause();
