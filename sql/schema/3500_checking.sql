-- Counters against rows: a check that shows both, and a repair that believes the rows.
--
-- Neither should ever find anything, because counters move in the transaction that moves the rows. They
-- are for the day on which somebody has disabled a trigger, or a restore has brought half of something.

create type sendonce.counters as (
    campaign_id uuid,
    total_contacts integer,
    total_sent integer,
    total_failed integer,
    total_skipped integer,
    total_cancelled integer,
    total_unknown integer,
    total_delivered integer,
    total_read integer,
    total_undelivered integer,
    actual_cost numeric,
    last_settled_at timestamptz
);

comment on type sendonce.counters is 'The counters and the cost of one campaign as its rows prove them.';

create function sendonce.prove_counters(_campaign_ids uuid[])
returns setof sendonce.counters
language plpgsql
stable
set search_path = ''
-- One campaign or all of them: each wants a plan of its own.
set plan_cache_mode = force_custom_plan
as $$
begin
    return query
    with counted as (
        select
            q.campaign_id,
            count(*) as contacts,
            count(*) filter (where q.status = 'sent') as sent,
            count(*) filter (where q.status = 'failed') as failed,
            count(*) filter (where q.status = 'skipped') as skipped,
            count(*) filter (where q.status = 'cancelled') as cancelled,
            count(*) filter (where q.status = 'unknown') as unknown,
            count(*) filter (where q.delivery_status >= 'delivered') as delivered,
            count(*) filter (where q.delivery_status = 'read') as read,
            count(*) filter (where q.delivery_status = 'undelivered') as undelivered,
            max(q.settled_at) as last_settled_at
        from public.send_queue q
        where q.campaign_id is not null and (_campaign_ids is null or q.campaign_id = any (_campaign_ids))
        group by q.campaign_id
    ),
    charged as (
        select m.campaign_id, sum(m.cost) as cost
        from public.messages m
        where _campaign_ids is null and m.campaign_id is not null
        group by m.campaign_id
        union all
        -- messages has no index by campaign: its rows are found by their entries.
        select q.campaign_id, sum(m.cost)
        from public.send_queue q
        join public.messages m on m.entry_id = q.id
        where q.campaign_id = any (_campaign_ids)
        group by q.campaign_id
    )
    select
        c.id, coalesce(n.contacts, 0)::integer, coalesce(n.sent, 0)::integer, coalesce(n.failed, 0)::integer,
        coalesce(n.skipped, 0)::integer, coalesce(n.cancelled, 0)::integer, coalesce(n.unknown, 0)::integer,
        coalesce(n.delivered, 0)::integer, coalesce(n.read, 0)::integer, coalesce(n.undelivered, 0)::integer,
        coalesce(charged.cost, 0), n.last_settled_at
    from public.campaigns c
    left join counted n on n.campaign_id = c.id
    left join charged on charged.campaign_id = c.id
    where _campaign_ids is null or c.id = any (_campaign_ids);
end;
$$;

comment on function sendonce.prove_counters(uuid[]) is
    'Called by check_campaigns, repair_campaign and verify_invariants. Returns what the rows prove for these campaigns, null for all: each counter counted anew, and the cost of all attempts.';

create function sendonce.claimed_and_proven(_campaign public.campaigns, _proof sendonce.counters, out claims jsonb, out proves jsonb)
language plpgsql
stable
set search_path = ''
as $$
declare
    _settled integer;
begin
    claims := jsonb_build_object(
        'status', _campaign.status,
        'progress', _campaign.progress,
        'total_contacts', _campaign.total_contacts,
        'total_sent', _campaign.total_sent,
        'total_failed', _campaign.total_failed,
        'total_skipped', _campaign.total_skipped,
        'total_cancelled', _campaign.total_cancelled,
        'total_unknown', _campaign.total_unknown,
        'total_delivered', _campaign.total_delivered,
        'total_read', _campaign.total_read,
        'total_undelivered', _campaign.total_undelivered,
        'actual_cost', _campaign.actual_cost
    );
    _settled := _proof.total_sent + _proof.total_failed + _proof.total_skipped + _proof.total_cancelled;
    proves := jsonb_build_object(
        'status', case
            when _campaign.status in ('running', 'paused') and _settled = _proof.total_contacts then 'completed'
            -- Not running: a repair must not be what sends messages.
            when _campaign.status = 'completed' and _settled < _proof.total_contacts then 'paused'
            else _campaign.status::text
        end,
        'progress', (
            case
                when _proof.total_contacts > 0 then floor(_settled * 10000.0 / _proof.total_contacts) / 100
                when _campaign.status in ('draft', 'scheduled') then 0
                else 100
            end
        )::numeric(5, 2),
        'total_contacts', _proof.total_contacts,
        'total_sent', _proof.total_sent,
        'total_failed', _proof.total_failed,
        'total_skipped', _proof.total_skipped,
        'total_cancelled', _proof.total_cancelled,
        'total_unknown', _proof.total_unknown,
        'total_delivered', _proof.total_delivered,
        'total_read', _proof.total_read,
        'total_undelivered', _proof.total_undelivered,
        'actual_cost', _proof.actual_cost::numeric(14, 6)
    );
end;
$$;

comment on function sendonce.claimed_and_proven(public.campaigns, sendonce.counters) is
    'Called by check_campaigns and repair_campaign. Returns what the campaign''s row claims and what its entries prove, in the same words.';

create function sendonce.check_campaigns(_organization_id uuid default null)
returns table (campaign_id uuid, organization_id uuid, name text, matches boolean, claims jsonb, proves jsonb)
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    _campaign_ids uuid[];
begin
    if _organization_id is not null then
        perform sendonce.require_role(_organization_id, 'viewer');
    end if;
    if _organization_id is not null or not sendonce.caller_is_operator_of_all() then
        _campaign_ids := array(
            select c.id from public.campaigns c
            where c.organization_id = _organization_id
                or (_organization_id is null and c.organization_id in (select sendonce.caller_organizations()))
        );
    end if;

    return query
    select c.id, c.organization_id, c.name, told.claims = told.proves, told.claims, told.proves
    from sendonce.prove_counters(_campaign_ids) proof
    join public.campaigns c on c.id = proof.campaign_id
    cross join lateral sendonce.claimed_and_proven(c, proof) told
    -- Those that are off first: where an API cuts the set, it cuts what is in order.
    order by told.claims = told.proves, c.created_at desc, c.id;
end;
$$;

comment on function sendonce.check_campaigns(uuid) is 'Called through public.check_campaigns, which documents it.';

create function sendonce.repair_campaign(_campaign_id uuid, _dry_run boolean default true)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _now constant timestamptz := sendonce.now();
    _campaign public.campaigns;
    _last_settled_at timestamptz;
    _claims jsonb;
    _proves jsonb;
begin
    if _dry_run is null then
        perform sendonce.raise_invalid('say whether this is a dry run', '_dry_run is null.', 'true shows what would change, false changes it.');
    end if;
    _campaign := sendonce.campaign_for(_campaign_id, 'operator');
    if not _dry_run then
        -- Whoever moves entries of this campaign holds this lock when he commits: what the next statement
        -- counts is what the counters ought to be, and nothing moves until we are done.
        _campaign := sendonce.lock_campaign(_campaign_id);
    end if;
    -- Row and rows by one statement, so that a dry run under load compares one moment with itself.
    select proof.last_settled_at, told.claims, told.proves
    into _last_settled_at, _claims, _proves
    from sendonce.prove_counters(array[_campaign_id]) proof
    join public.campaigns c on c.id = proof.campaign_id
    cross join lateral sendonce.claimed_and_proven(c, proof) told;

    if _claims <> _proves and not _dry_run then
        -- The one exception that the campaign's guard knows, for this campaign and this statement only.
        perform set_config('sendonce.repairing_campaign', _campaign_id::text, true);
        update public.campaigns c
        set status = (_proves ->> 'status')::public.campaign_status,
            completed_at = case when _proves ->> 'status' = 'completed' then coalesce(c.completed_at, _last_settled_at, _now) end,
            paused_at = case when _proves ->> 'status' = 'paused' then coalesce(c.paused_at, _now) end,
            pause_reason = case
                when _proves ->> 'status' = 'paused' then coalesce(
                    c.pause_reason, 'repaired: it claimed to be completed while contacts were not settled. resume_campaign sends to them.'
                )
            end,
            total_contacts = (_proves ->> 'total_contacts')::integer,
            total_sent = (_proves ->> 'total_sent')::integer,
            total_failed = (_proves ->> 'total_failed')::integer,
            total_skipped = (_proves ->> 'total_skipped')::integer,
            total_cancelled = (_proves ->> 'total_cancelled')::integer,
            total_unknown = (_proves ->> 'total_unknown')::integer,
            total_delivered = (_proves ->> 'total_delivered')::integer,
            total_read = (_proves ->> 'total_read')::integer,
            total_undelivered = (_proves ->> 'total_undelivered')::integer,
            actual_cost = (_proves ->> 'actual_cost')::numeric
        where c.id = _campaign_id;
        perform set_config('sendonce.repairing_campaign', '', true);
        perform sendonce.log_event(
            _campaign.organization_id, _campaign_id, _campaign.account_id, 'campaign.repaired',
            jsonb_build_object('before', _claims, 'after', _proves)
        );
    end if;
    return jsonb_build_object(
        'campaign_id', _campaign_id, 'dry_run', _dry_run, 'differs', _claims <> _proves, 'before', _claims, 'after', _proves
    );
end;
$$;

comment on function sendonce.repair_campaign(uuid, boolean) is 'Called through public.repair_campaign, which documents it.';
