-- What happens by itself: leases that run out, unknowns that wait too long, cancelled campaigns that
-- empty, scheduled ones that start. Any worker calls these about once a second; each is bounded and
-- says whether more is left.

create function sendonce.renew_claims(_claim_ids bigint[])
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _now timestamptz;
    _renewed jsonb;
begin
    perform from public.claims k where k.id = any (_claim_ids) order by k.id for no key update;
    _now := sendonce.now();
    -- A claim that ran out stays out, and none lives for ever in a process that hangs.
    with renewed as (
        update public.claims k
        set expires_at = greatest(k.expires_at, least(_now + a.lease, k.claimed_at + a.longest_claim))
        from public.provider_accounts a
        where k.id = any (_claim_ids) and a.id = k.account_id and k.expires_at > _now
        returning k.id, k.expires_at
    )
    select coalesce(
        jsonb_agg(jsonb_build_object('claim_id', r.id, 'lease_seconds', extract(epoch from r.expires_at - _now)) order by r.id), '[]'
    )
    into _renewed
    from renewed r;
    return jsonb_build_object('claims', _renewed);
end;
$$;

comment on function sendonce.renew_claims(bigint[]) is 'Called by workers through public.renew_claims, which documents it.';

create function sendonce.release_claim(_claim_id bigint)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _claim public.claims;
    _back bigint[];
    _released integer;
begin
    select k.* into _claim from public.claims k where k.id = _claim_id for no key update;
    if not found then
        return jsonb_build_object('released', 0, 'claim_open', false);
    end if;

    _back := array(select e.id from unnest(_claim.entry_ids) e(id) where e.id <> all (_claim.dispatched) order by e.id);
    perform from public.send_queue q where q.id = any (_back) order by q.id for no key update;
    update public.send_queue q
    set status = 'ready', claim_id = null
    where q.id = any (_back) and q.status = 'processing' and q.claim_id = _claim_id;
    get diagnostics _released = row_count;

    if cardinality(_claim.dispatched) = 0 then
        delete from public.claims where id = _claim_id;
    else
        update public.claims set entry_ids = _claim.dispatched where id = _claim_id;
    end if;
    return jsonb_build_object('released', _released, 'claim_open', cardinality(_claim.dispatched) > 0);
end;
$$;

comment on function sendonce.release_claim(bigint) is 'Called by workers through public.release_claim, which documents it.';

create function sendonce.expire_claims(_limit integer default 100)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
    _most_lost_claims constant integer := 10;
    _now timestamptz := sendonce.now();
    _claim_ids bigint[];
    _campaign_ids uuid[];
    _attempts sendonce.attempt[];
    _returned integer;
    _unknown integer;
    _failed integer;
begin
    -- A claim that somebody else is closing or renewing at this moment is not for us.
    _claim_ids := array(
        select locked.id
        from (
            select k.id from public.claims k
            where k.expires_at <= _now
            order by k.id
            limit _limit
            for no key update skip locked
        ) locked
    );
    if cardinality(_claim_ids) = 0 then
        return jsonb_build_object('expired', 0, 'returned', 0, 'unknown', 0, 'failed', 0, 'more', false);
    end if;

    select array_agg(distinct locked.campaign_id) filter (where locked.campaign_id is not null)
    into _campaign_ids
    from (
        select q.id, q.campaign_id
        from public.send_queue q
        where q.id in (select e.id from public.claims k, unnest(k.entry_ids) e(id) where k.id = any (_claim_ids))
        order by q.id
        for no key update
    ) locked;
    if cardinality(_campaign_ids) > 1 then
        perform from public.campaigns c where c.id = any (_campaign_ids) order by c.id for no key update;
    end if;

    with held as materialized (
        select
            q.id, q.attempt, q.organization_id, q.account_id, q.campaign_id, q.template_id, q.recipient, q.units,
            k.worker, k.claimed_at, q.id = any (k.dispatched) as dispatched,
            q.status = 'processing' and q.claim_id = k.id as in_hand
        from public.claims k, unnest(k.entry_ids) e(id)
        join public.send_queue q on q.id = e.id
        where k.id = any (_claim_ids)
        order by q.id
    ),
    moved as (
        update public.send_queue q
        set status = case
                when held.dispatched then 'unknown'::public.entry_status
                when q.lost_claims + 1 >= _most_lost_claims then 'failed'
                else 'ready'
            end,
            claim_id = null,
            lost_claims = case when held.dispatched then q.lost_claims else q.lost_claims + 1 end,
            error_class = case
                when held.dispatched then 'ambiguous'
                when q.lost_claims + 1 >= _most_lost_claims then 'claim_lost'
            end,
            error_code = null,
            error_message = case when held.dispatched then 'the worker told no result before its lease ran out' end
        from held
        where q.id = held.id and held.in_hand
        returning q.status
    )
    -- What was moved is counted by itself: joined with what was held, without an index on either, it would cost
    -- the square of their number.
    select
        (select count(*)::integer from moved m where m.status = 'ready'),
        (select count(*)::integer from moved m where m.status = 'unknown'),
        (select count(*)::integer from moved m where m.status = 'failed'),
        -- One that a report settled meanwhile is not moved, but what was dispatched leaves its row in messages.
        array_agg(
            row(
                held.id, held.attempt, held.organization_id, held.account_id, held.campaign_id, held.template_id, held.recipient,
                held.units, 'unknown', null, false, 'ambiguous', null,
                'the worker told no result before its lease ran out', null, held.worker, held.claimed_at
            )::sendonce.attempt
            order by held.id
        ) filter (where held.dispatched)
    into _returned, _unknown, _failed, _attempts
    from held;

    if _attempts is not null then
        perform sendonce.write_attempts(_attempts);
    end if;
    delete from public.claims k where k.id = any (_claim_ids);

    return jsonb_build_object(
        'expired', cardinality(_claim_ids), 'returned', _returned, 'unknown', _unknown, 'failed', _failed,
        'more', cardinality(_claim_ids) >= _limit
    );
end;
$$;

comment on function sendonce.expire_claims(integer) is 'Called by workers through public.expire_claims, which documents it.';

create function sendonce.settle_overdue_unknown(_limit integer default 1000)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _now constant timestamptz := sendonce.now();
    _account record;
    _left integer := _limit;
    _moved integer;
begin
    for _account in
        select a.id, a.unknown_window
        from public.provider_accounts a
        where a.on_unknown = 'fail'
        order by a.id
    loop
        with overdue as materialized (
            select q.id
            from public.send_queue q
            where q.account_id = _account.id and q.unknown_since <= _now - _account.unknown_window
            order by q.id
            limit _left
            for no key update skip locked
        )
        update public.send_queue q
        set status = 'failed', error_class = 'outcome_unknown'
        from overdue
        where q.id = overdue.id;
        get diagnostics _moved = row_count;
        _left := _left - _moved;
        exit when _moved > 0;
    end loop;
    -- One entry-moving statement per transaction: after one account the caller comes again.
    return jsonb_build_object('failed', _limit - _left, 'more', _left < _limit);
end;
$$;

comment on function sendonce.settle_overdue_unknown(integer) is 'Called by workers through public.settle_overdue_unknown, which documents it.';

create function sendonce.sweep_cancelled(_limit integer default 1000)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
set enable_seqscan = off
set enable_bitmapscan = off
set jit = off
as $$
declare
    _campaign record;
    _picked bigint[];
    _moved integer := 0;
    _examined integer := 0;
begin
    for _campaign in
        select c.id, c.account_id
        from public.campaigns c
        where c.status = 'cancelled'
            and c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled < c.total_contacts
        order by c.account_id, c.id
    loop
        -- One that only waits for outcomes is left alone, and so is its account.
        continue when not exists (
            select from public.send_queue q
            where q.account_id = _campaign.account_id and q.campaign_id = _campaign.id and q.due_at is not null
        ) and not exists (
            select from public.send_queue q
            where q.campaign_id = _campaign.id
                and q.id > coalesce((select k.last_entry_id from sendonce.campaign_cursors k where k.campaign_id = _campaign.id), 0)
        );
        -- The cursor and what it hands out belong to whoever holds the account.
        perform from public.provider_accounts a where a.id = _campaign.account_id for no key update;
        _picked := array(
            select q.id
            from public.send_queue q
            where q.account_id = _campaign.account_id and q.campaign_id = _campaign.id and q.due_at is not null
            order by q.due_at, q.id
            limit _limit
        );
        _picked := _picked || array(
            select q.id
            from public.send_queue q
            where q.campaign_id = _campaign.id
                and q.id > coalesce((select k.last_entry_id from sendonce.campaign_cursors k where k.campaign_id = _campaign.id), 0)
            order by q.id
            limit _limit - cardinality(_picked)
        );
        continue when cardinality(_picked) = 0;
        _examined := cardinality(_picked);

        perform from public.send_queue q where q.id = any (_picked) order by q.id for no key update;
        insert into sendonce.campaign_cursors (campaign_id, last_entry_id)
        select _campaign.id, max(p.id) from unnest(_picked) p(id)
        on conflict (campaign_id) do update
        set last_entry_id = greatest(sendonce.campaign_cursors.last_entry_id, excluded.last_entry_id);
        update public.send_queue q
        set status = 'cancelled', error_class = coalesce(q.error_class, 'cancelled')
        where q.id = any (_picked) and q.status = 'ready';
        get diagnostics _moved = row_count;
        exit;
    end loop;
    return jsonb_build_object('cancelled', _moved, 'more', _examined > 0);
end;
$$;

comment on function sendonce.sweep_cancelled(integer) is 'Called by workers through public.sweep_cancelled, which documents it.';

create function sendonce.start_due_campaigns(_limit integer default 100)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _campaign record;
    _started integer := 0;
begin
    for _campaign in
        select c.id
        from public.campaigns c
        where c.status = 'scheduled' and c.scheduled_at <= sendonce.now()
        order by c.id
        limit _limit
        for no key update skip locked
    loop
        perform sendonce.put_campaign_into_running(_campaign.id);
        _started := _started + 1;
    end loop;
    return jsonb_build_object('started', _started, 'more', _started >= _limit);
end;
$$;

comment on function sendonce.start_due_campaigns(integer) is 'Called by workers through public.start_due_campaigns, which documents it.';

create function sendonce.put_campaign_into_running(_campaign_id uuid)
returns void
language sql
volatile
set search_path = ''
as $$
    -- One with nothing left to send (0 contacts, or all skipped) completes at its start.
    update public.campaigns c
    set status = case
            when c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled = c.total_contacts then 'completed'::public.campaign_status
            else 'running'
        end,
        started_at = sendonce.now(),
        completed_at = case
            when c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled = c.total_contacts then sendonce.now()
        end
    where c.id = _campaign_id;
    select sendonce.log_event(c.organization_id, c.id, c.account_id, 'campaign.started', jsonb_build_object('contacts', c.total_contacts))
    from public.campaigns c
    where c.id = _campaign_id;
$$;

comment on function sendonce.put_campaign_into_running(uuid) is
    'Called by start_campaign and start_due_campaigns with the campaign locked. Starts it, or completes it at once when nothing is left to send.';
