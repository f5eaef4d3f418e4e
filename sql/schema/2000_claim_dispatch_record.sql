-- The path that every message takes: claim, dispatch, record.
--
-- The trouble with sending a message is that the sending happens elsewhere. A provider without
-- idempotency keys takes a request and may answer, or not; a worker may die between any two
-- instructions. So "did it go out?" has three answers, yes, no and nobody knows, and the whole
-- design is about never acting on the third as if it were the second.
--
--   claim_messages    puts entries into one worker's hands, for as long as a lease lasts. Nothing has
--                     left yet; losing the claim loses nothing, so its commit need not reach the disk
--                     before the answer (the next commit brings it there).
--   begin_dispatch    writes down, durably and BEFORE the request starts, which entries may leave. From
--                     here on a silence is "nobody knows": when the lease ends without an outcome, the
--                     entry becomes unknown and not ready. It looks once more at everything that may
--                     have changed since the claim: pause, cancel, window, template, opt-out, tokens.
--   record_results    takes what the provider said and judges it against the row as it is now, not as
--                     it was when the worker read it. Evidence of acceptance moves any state to sent.
--                     Everything else moves only an entry that this very attempt still holds.
--
-- Fencing: an entry in hand names its claim, a claim's id is never used again, and the attempt's number
-- rises at every claim. A worker that slept past its lease finds its claim gone (SO020) or over (SO021)
-- and can start nothing; what it learns late from the provider is still taken, as evidence.
--
-- Where the next entries come from. First-time entries of a campaign lie in id order, and a cursor per
-- campaign says up to which id they have been handed out: the cost of a claim is the same at the first
-- entry and at the ten-millionth, because nothing that was handled is ever looked at again. The cursor is
-- safe because recipients are frozen when a campaign starts, and because it moves under the account's lock
-- without SKIP LOCKED: skipping what happened to be locked would lose it for ever. Whatever returns to
-- ready gets a due time from the guard trigger, and due entries come through a small partial index, as
-- single messages do from birth. A ready entry behind the cursor without a due time cannot exist.
--
-- Locks, in this order and no other: organization, limit group, account, template, claim, entries by id,
-- campaigns by id, messages, suppressions, log. All FOR NO KEY UPDATE, which lets foreign keys pass.
-- A statement that moves entries happens once per call.

create function sendonce.pause_after_failover()
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    _here record;
    _account record;
    _pause_reason constant text := 'the database was restored or failed over: recent results may be missing. Check, then resume_account.';
begin
    select i.system_identifier, i.timeline into _here from sendonce.physical_identity() i;
    if exists (
        select from sendonce.database_identity d
        where d.system_identifier = _here.system_identifier and d.timeline = _here.timeline
    ) then
        return false;
    end if;

    for _account in
        select a.id, a.organization_id
        from public.provider_accounts a
        where a.paused_at is null
        order by a.id
        for no key update
    loop
        update public.provider_accounts
        set paused_at = sendonce.now(), pause_reason = _pause_reason
        where id = _account.id;
        perform sendonce.log_event(_account.organization_id, null, _account.id, 'account.paused', jsonb_build_object('reason', _pause_reason));
    end loop;

    insert into sendonce.database_identity (system_identifier, timeline)
    values (_here.system_identifier, _here.timeline)
    on conflict (only_row) do update
    set system_identifier = excluded.system_identifier, timeline = excluded.timeline, seen_at = sendonce.now();
    return true;
end;
$$;

comment on function sendonce.pause_after_failover() is
    'Called first by claim_messages. Pauses every account and returns true when this is not the physical database of the last look; otherwise returns false.';

create function sendonce.outrun_lost_claims()
returns boolean
language plpgsql
volatile
set search_path = ''
as $$
declare
    -- Far more than the claims of the second or so that a crash can lose.
    _leap constant bigint := 1000000::bigint;
begin
    if exists (select from sendonce.no_crash_since) then
        return false;
    end if;
    -- One session leaps; the others wait for it here and find the mark.
    perform from sendonce.database_identity d for no key update;
    if exists (select from sendonce.no_crash_since) then
        return false;
    end if;
    perform setval('sendonce.claim_ids', nextval('sendonce.claim_ids') + _leap);
    insert into sendonce.no_crash_since default values;
    return true;
end;
$$;

comment on function sendonce.outrun_lost_claims() is
    'Called first by claim_messages. After a crash moves the ids of claims beyond all that were given out before it, and returns true: this transaction must reach the disk.';

-- One claim from one account, whose lock the caller holds.
create function sendonce.claim_from_account(
    _worker text, _account public.provider_accounts, _limit integer, _group_is_full boolean
)
returns jsonb
language plpgsql
volatile
set search_path = ''
-- One plan, fresh or stale statistics: by index, in index order.
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    _now constant timestamptz := sendonce.now();
    _day_ago constant timestamptz := _now - interval '24 hours';
    _by_priority constant boolean := random() < 0.9;
    _source record;
    _scopes text[];
    _taken bigint[];
    _withheld bigint[];
    _last bigint;
    _picked bigint[] := array[]::bigint[];
    _suppressed bigint[] := array[]::bigint[];
    _campaign_ids uuid[] := array[]::uuid[];
    _template_ids uuid[] := array[]::uuid[];
    _claim_id bigint;
    _entry_ids bigint[];
    _entries jsonb;
    _templates jsonb;
begin
    -- Single messages first: somebody waits for each of them. One whose template is stopped does not
    -- hold up the others.
    select array_agg(due.id), array_agg(due.id) filter (where due.suppressed)
    into _taken, _withheld
    from (
        select
            q.id,
            exists (
                select from public.suppressions s
                where s.organization_id = _account.organization_id and s.recipient = q.recipient
                    and s.scope = any (sendonce.scopes_covering(t.category))
            ) as suppressed
        from public.send_queue q
        join public.templates t on t.id = q.template_id
        where q.account_id = _account.id and q.campaign_id is null and q.due_at <= _now
            and t.status = 'APPROVED' and t.stopped_at is null
            and (
                not _group_is_full
                or exists (
                    select from sendonce.limit_group_recipients r
                    where r.limit_group_id = _account.limit_group_id and r.recipient = q.recipient and r.last_dispatched_at > _day_ago
                )
            )
        -- The first column is the same in all of them; naming it lets the index give the order.
        order by q.campaign_id, q.due_at, q.id
        limit _limit
    ) due;
    _picked := _picked || _taken;
    _suppressed := _suppressed || _withheld;

    for _source in
        -- By priority, but for one claim in ten: nothing starves. Chance keeps equals from starving.
        select c.id as campaign_id, c.template_id, t.category, coalesce(k.last_entry_id, 0) as last_entry_id, k.group_searched_at
        from public.campaigns c
        join public.templates t on t.id = c.template_id
        left join sendonce.campaign_cursors k on k.campaign_id = c.id
        where c.account_id = _account.id
            and c.status = 'running'
            and t.status = 'APPROVED' and t.stopped_at is null
            and sendonce.window_is_open(c.window_start, c.window_end, c.window_time_zone, _now)
        order by case when _by_priority then c.priority end desc, random()
    loop
        exit when cardinality(_picked) >= _limit;
        _campaign_ids := _campaign_ids || _source.campaign_id;
        _template_ids := _template_ids || _source.template_id;
        _scopes := sendonce.scopes_covering(_source.category);

        -- What came back, when it is due.
        select array_agg(due.id), array_agg(due.id) filter (where due.suppressed)
        into _taken, _withheld
        from (
            select
                q.id,
                exists (
                    select from public.suppressions s
                    where s.organization_id = _account.organization_id and s.recipient = q.recipient and s.scope = any (_scopes)
                ) as suppressed
            from public.send_queue q
            where q.account_id = _account.id and q.campaign_id = _source.campaign_id and q.due_at <= _now
                and (
                    not _group_is_full
                    or exists (
                        select from sendonce.limit_group_recipients r
                        where r.limit_group_id = _account.limit_group_id and r.recipient = q.recipient and r.last_dispatched_at > _day_ago
                    )
                )
            order by q.due_at, q.id
            limit _limit - cardinality(_picked)
        ) due;
        _picked := _picked || _taken;
        _suppressed := _suppressed || _withheld;
        exit when cardinality(_picked) >= _limit;

        if _group_is_full then
            -- Whoever was written to within the day takes no room. They are picked from ahead of the cursor, which
            -- passes over them later; looked for only while somebody new may be among the group's people.
            continue when not exists (
                select from sendonce.limit_group_recipients r
                where r.limit_group_id = _account.limit_group_id
                    and r.last_dispatched_at > coalesce(_source.group_searched_at, _day_ago)
            );
            select array_agg(known.id), array_agg(known.id) filter (where known.suppressed)
            into _taken, _withheld
            from (
                select
                    q.id,
                    exists (
                        select from public.suppressions s
                        where s.organization_id = _account.organization_id and s.recipient = q.recipient and s.scope = any (_scopes)
                    ) as suppressed
                from sendonce.limit_group_recipients r
                join public.send_queue q on q.campaign_id = _source.campaign_id and q.recipient = r.recipient
                where r.limit_group_id = _account.limit_group_id and r.last_dispatched_at > _day_ago
                    and q.status = 'ready' and q.due_at is null
                limit _limit - cardinality(_picked)
            ) known;
            _picked := _picked || _taken;
            _suppressed := _suppressed || _withheld;
            if cardinality(_picked) < _limit then
                -- A little earlier: a dispatch that is committing at this moment wrote its time before ours.
                insert into sendonce.campaign_cursors (campaign_id, group_searched_at)
                values (_source.campaign_id, _now - interval '10 seconds')
                on conflict (campaign_id) do update set group_searched_at = excluded.group_searched_at;
            end if;
            continue;
        end if;

        -- What was never handed out: the next ids behind the cursor, whatever their state.
        select array_agg(fresh.id) filter (where not fresh.waits), array_agg(fresh.id) filter (where fresh.suppressed), max(fresh.id)
        into _taken, _withheld, _last
        from (
            select
                q.id,
                -- Went ahead of the cursor, came back, and has its time.
                q.due_at is not null as waits,
                exists (
                    select from public.suppressions s
                    where s.organization_id = _account.organization_id and s.recipient = q.recipient and s.scope = any (_scopes)
                ) as suppressed
            from public.send_queue q
            where q.campaign_id = _source.campaign_id and q.id > _source.last_entry_id
            order by q.id
            limit _limit - cardinality(_picked)
        ) fresh;
        continue when _last is null;
        insert into sendonce.campaign_cursors (campaign_id, last_entry_id)
        values (_source.campaign_id, _last)
        on conflict (campaign_id) do update set last_entry_id = excluded.last_entry_id;
        _picked := _picked || _taken;
        _suppressed := _suppressed || _withheld;
    end loop;

    if cardinality(_picked) = 0 then
        return null;
    end if;

    _claim_id := nextval('sendonce.claim_ids');
    with picked as materialized (
        -- By id: the order in which entries are locked everywhere.
        select p.id, p.id = any (_suppressed) as suppressed
        from unnest(_picked) p(id)
        order by p.id
    ),
    moved as (
        update public.send_queue q
        set status = case when picked.suppressed then 'skipped'::public.entry_status else 'processing' end,
            attempt = case when picked.suppressed then q.attempt else q.attempt + 1 end,
            claim_id = case when picked.suppressed then null else _claim_id end,
            due_at = null,
            error_class = case when picked.suppressed then 'suppressed' end,
            error_code = null,
            error_message = null
        from picked
        where q.id = picked.id and q.status = 'ready'
        returning q.id, q.status, q.campaign_id, q.template_id, q.attempt, q.recipient, q.variables, q.units
    )
    select
        array_agg(m.id order by m.id),
        jsonb_agg(
            jsonb_build_object(
                'entry_id', m.id,
                'attempt', m.attempt,
                'recipient', m.recipient,
                -- Travels with the message and comes back in its reports; read_reports takes it apart.
                'reference', 'so1:' || coalesce(m.campaign_id, _account.id) || ':' || m.id || ':' || m.attempt,
                'template_id', coalesce(c.template_id, m.template_id),
                'variables', m.variables,
                'units', m.units
            ) order by m.id
        )
    into _entry_ids, _entries
    from moved m
    left join unnest(_campaign_ids, _template_ids) c(campaign_id, template_id) on c.campaign_id = m.campaign_id
    where m.status = 'processing';

    if _entry_ids is null then
        -- Everything looked at was settled or is withheld: there may be more behind it, at once.
        return jsonb_build_object('claim_id', null, 'wait_seconds', 0, 'entries', '[]'::jsonb);
    end if;

    insert into public.claims (id, organization_id, account_id, worker, claimed_at, expires_at, entry_ids)
    values (_claim_id, _account.organization_id, _account.id, _worker, _now, _now + _account.lease, _entry_ids);

    select jsonb_object_agg(
        t.id,
        jsonb_build_object('name', t.name, 'language', t.language, 'category', t.category, 'variables', to_jsonb(t.variables), 'body', t.body)
    )
    into _templates
    from public.templates t
    where t.id in (select distinct (e.value ->> 'template_id')::uuid from jsonb_array_elements(_entries) e);

    return jsonb_build_object(
        'claim_id', _claim_id,
        'lease_seconds', extract(epoch from _account.lease),
        'rate', _account.current_rate,
        'wait_seconds', 0,
        'account', jsonb_build_object('id', _account.id, 'provider', _account.provider, 'sender', _account.sender),
        'templates', _templates,
        'entries', _entries
    );
end;
$$;

comment on function sendonce.claim_from_account(text, public.provider_accounts, integer, boolean) is
    'Called by claim_messages with the account locked. From a full limit group hands out only whom it wrote to within the day. Returns the claim as claim_messages does, null when the account has nothing to hand out.';

create function sendonce.room_in_limit_group(_limit_group_id uuid, _now timestamptz)
returns integer
language plpgsql
stable
set search_path = ''
as $$
begin
    return (
        select g.daily_recipients - (
            select count(*)::integer from sendonce.limit_group_recipients r
            where r.limit_group_id = g.id and r.last_dispatched_at > _now - interval '24 hours'
        )
        from public.limit_groups g
        where g.id = _limit_group_id and g.daily_recipients is not null
    );
end;
$$;

comment on function sendonce.room_in_limit_group(uuid, timestamptz) is
    'Called by claim_messages and begin_dispatch. Returns how many people more the group may write to just now; null without a group or a cap.';

create function sendonce.claim_messages(_worker text, _account_id uuid default null, _limit integer default 100)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _candidate record;
    _account public.provider_accounts;
    _batch integer;
    _busy boolean := false;
    _claim jsonb;
begin
    if coalesce(btrim(_worker), '') = '' then
        perform sendonce.raise_invalid('a claim needs the name of its worker', '_worker is empty.', 'Pass a name that tells the process, such as host and process id.');
    end if;
    if _limit is null or _limit not between 1 and 1000 then
        perform sendonce.raise_invalid('a claim takes between 1 and 1,000 entries', format('_limit is %s.', coalesce(_limit::text, 'null')), 'Pass _limit between 1 and 1000.');
    end if;
    -- Nothing has left yet, so a claim lost in a crash costs nothing; and the account's lock is not
    -- held while a disk writes.
    perform set_config('synchronous_commit', 'off', true);
    -- But a worker from before the crash must never find its lost claim's id on somebody else's claim.
    if sendonce.outrun_lost_claims() then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    if sendonce.pause_after_failover() then
        return jsonb_build_object('claim_id', null, 'wait_seconds', 5, 'entries', '[]'::jsonb);
    end if;

    for _candidate in
        select a.id, a.organization_id, o.accounts_at_once
        from public.provider_accounts a
        join public.organizations o on o.id = a.organization_id
        where (_account_id is null or a.id = _account_id)
            and a.paused_at is null
            and (a.resting_until is null or a.resting_until <= sendonce.now())
            and (
                exists (select from public.campaigns c where c.account_id = a.id and c.status = 'running')
                or exists (select from public.send_queue q where q.account_id = a.id and q.campaign_id is null and q.due_at <= sendonce.now())
            )
        order by random()
    loop
        -- What had nothing to give stays locked until the end, so nobody who looks at several may wait for one.
        if _candidate.accounts_at_once is not null then
            perform from public.organizations o where o.id = _candidate.organization_id for no key update skip locked;
            if not found then
                _busy := true;
                continue;
            end if;
            continue when (
                select count(distinct k.account_id) >= _candidate.accounts_at_once
                from public.claims k
                where k.organization_id = _candidate.organization_id and k.account_id <> _candidate.id
            );
        end if;

        if _account_id is null then
            select a.* into _account from public.provider_accounts a where a.id = _candidate.id for no key update skip locked;
            if not found then
                _busy := true;
                continue;
            end if;
        else
            select a.* into _account from public.provider_accounts a where a.id = _candidate.id for no key update;
        end if;
        -- As it is under the lock.
        continue when _account.paused_at is not null or _account.resting_until > sendonce.now();
        _batch := _limit;
        if _account.current_rate is not null then
            -- No more than can leave well within the lease.
            _batch := least(_batch, greatest(1, ceil(_account.current_rate * extract(epoch from _account.lease) / 4)))::integer;
        end if;
        if _account.resting_until is not null then
            -- The rest is over: one entry probes, alone.
            continue when exists (select from public.claims k where k.account_id = _account.id);
            _batch := 1;
        end if;

        _claim := sendonce.claim_from_account(
            _worker, _account, _batch, coalesce(sendonce.room_in_limit_group(_account.limit_group_id, sendonce.now()) <= 0, false)
        );
        if _claim is not null then
            return _claim;
        end if;
    end loop;

    -- Somebody else was claiming there at this moment: ask again at once.
    return jsonb_build_object('claim_id', null, 'wait_seconds', case when _busy then 0.005 else 0.5 end, 'entries', '[]'::jsonb);
end;
$$;

comment on function sendonce.claim_messages(text, uuid, integer) is
    'Called by workers through public.claim_messages, which documents it.';

create function sendonce.raise_claim_gone(_claim_id bigint)
returns void
language plpgsql
immutable
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'SO020',
        message = 'the claim is gone',
        detail = format('Claim %s was closed, or ran out and was taken back.', coalesce(_claim_id::text, '(null)')),
        hint = 'Start nothing of it. Record the results of requests already running: they are taken as evidence.';
end;
$$;

comment on function sendonce.raise_claim_gone(bigint) is 'Called where a claim does not exist (any more). Always raises SO020.';

create function sendonce.begin_dispatch(_claim_id bigint, _entry_ids bigint[])
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    _now timestamptz;
    _claim public.claims;
    _account public.provider_accounts;
    _daily_recipients integer;
    _capped boolean := false;
    _room integer;
    _rate numeric;
    _tokens numeric;
    _asked bigint[];
    _repeated bigint[];
    _allowed bigint[];
    _later bigint[] := array[]::bigint[];
    _gone bigint[];
    _held bigint[];
    _refused jsonb := '[]'::jsonb;
    _capped_due timestamptz;
begin
    -- The whole promise rests on this commit being on disk before the request starts.
    perform set_config('synchronous_commit', 'on', true);

    select k.* into _claim from public.claims k where k.id = _claim_id;
    if not found then
        perform sendonce.raise_claim_gone(_claim_id);
    end if;

    select a.* into _account from public.provider_accounts a where a.id = _claim.account_id;
    if _account.limit_group_id is not null then
        select g.daily_recipients into _daily_recipients from public.limit_groups g where g.id = _account.limit_group_id;
        if _daily_recipients is not null then
            _capped := true;
            perform from public.limit_groups g where g.id = _account.limit_group_id for no key update;
        end if;
    end if;
    if _account.current_rate is not null then
        -- Tokens are taken here; an account without a rate needs no lock.
        select a.* into _account from public.provider_accounts a where a.id = _claim.account_id for no key update;
    end if;
    select k.* into _claim from public.claims k where k.id = _claim_id for no key update;
    if not found then
        perform sendonce.raise_claim_gone(_claim_id);
    end if;
    if _account.current_rate is null then
        -- As it is after the waits above: a pause may have come in meanwhile.
        select a.* into _account from public.provider_accounts a where a.id = _claim.account_id;
    end if;
    _now := sendonce.now();
    if _claim.expires_at <= _now then
        raise exception using
            errcode = 'SO021',
            message = 'the lease of the claim is over',
            detail = format('Claim %s ended %s seconds ago.', _claim_id, round(extract(epoch from _now - _claim.expires_at), 3)),
            hint = 'Start nothing of it. Renew earlier, or give the account a longer lease.';
    end if;

    -- Said again by the holder, whose answer got lost: what was dispatched stays dispatched, at no further charge.
    _repeated := array(select distinct a.id from unnest(_entry_ids) a(id) where a.id = any (_claim.dispatched) order by a.id);
    _asked := array(
        select distinct a.id from unnest(_entry_ids) a(id)
        where a.id = any (_claim.entry_ids) and a.id <> all (_claim.dispatched)
        order by a.id
    );

    with held as materialized (
        select
            q.id, q.recipient, q.campaign_id, q.template_id,
            q.status = 'processing' and q.claim_id = _claim_id as in_this_claim
        from unnest(_asked) a(id)
        join public.send_queue q on q.id = a.id
    ),
    -- What stands in the way of a whole campaign, looked at once and not once per entry.
    source as materialized (
        select
            h.campaign_id, h.template_id,
            sendonce.scopes_covering(t.category) as scopes,
            case
                when _account.paused_at is not null then 'account paused'
                when _account.resting_until > _now then 'account rests'
                when c.status <> 'running' then 'campaign ' || c.status::text
                when not sendonce.window_is_open(c.window_start, c.window_end, c.window_time_zone, _now) then 'outside the sending hours'
                when t.status <> 'APPROVED' or t.stopped_at is not null then 'template stopped'
            end as obstacle
        from (select distinct held.campaign_id, held.template_id from held) h
        left join public.campaigns c on c.id = h.campaign_id
        join public.templates t on t.id = coalesce(c.template_id, h.template_id)
    ),
    looked_at as materialized (
        select
            h.id,
            case
                when not h.in_this_claim then 'no longer in this claim'
                when exists (
                    select from public.suppressions s
                    where s.organization_id = _account.organization_id and s.recipient = h.recipient and s.scope = any (source.scopes)
                ) then 'suppressed'
                else source.obstacle
            end as obstacle
        from held h
        join source on source.campaign_id is not distinct from h.campaign_id and source.template_id is not distinct from h.template_id
        order by h.id
    )
    select
        coalesce(array_agg(l.id order by l.id) filter (where l.obstacle is null), '{}'),
        coalesce(array_agg(l.id order by l.id) filter (where l.obstacle = 'no longer in this claim'), '{}'),
        coalesce(
            jsonb_agg(jsonb_build_object('entry_id', l.id, 'reason', l.obstacle) order by l.id)
                filter (where l.obstacle is not null and l.obstacle <> 'no longer in this claim'),
            '[]'
        )
    into _allowed, _gone, _refused
    from looked_at l;

    if _capped then
        _room := sendonce.room_in_limit_group(_account.limit_group_id, _now);
        -- Somebody already written to within the day takes no room; the others do, each once.
        _held := array(
            select ranked.id
            from (
                select q.id, dense_rank() over (order by q.recipient) as place
                from unnest(_allowed) a(id)
                join public.send_queue q on q.id = a.id
                where not exists (
                    select from sendonce.limit_group_recipients r
                    where r.limit_group_id = _account.limit_group_id and r.recipient = q.recipient
                        and r.last_dispatched_at > _now - interval '24 hours'
                )
            ) ranked
            where ranked.place > greatest(_room, 0)
        );
        if cardinality(_held) > 0 then
            select min(r.last_dispatched_at) + interval '24 hours' into _capped_due
            from sendonce.limit_group_recipients r
            where r.limit_group_id = _account.limit_group_id and r.last_dispatched_at > _now - interval '24 hours';
            _refused := _refused || (
                select jsonb_agg(jsonb_build_object('entry_id', h.id, 'reason', 'daily cap of the limit group') order by h.id)
                from unnest(_held) h(id)
            );
            _allowed := array(select a.id from unnest(_allowed) a(id) where a.id <> all (_held) order by a.id);
        end if;
    end if;

    if _account.current_rate is not null then
        -- A bucket of a twentieth of a second, or of one message for slow accounts: the rest of the tenth that a
        -- provider may see above the rate is for what is delayed on its way. The rate climbs back by 1 % of the maximum a second.
        _rate := least(
            _account.maximum_rate,
            _account.current_rate + _account.maximum_rate * 0.01 * greatest(extract(epoch from _now - _account.tokens_at), 0)
        );
        _tokens := least(
            greatest(_rate / 20, 1),
            _account.tokens + _rate * greatest(extract(epoch from _now - _account.tokens_at), 0)
        );
        -- Not refused, only not yet: these stay in the claim, and the worker asks again.
        _later := _allowed[floor(_tokens)::integer + 1:];
        _allowed := _allowed[:floor(_tokens)::integer];
        update public.provider_accounts
        set current_rate = _rate, tokens = _tokens - cardinality(_allowed), tokens_at = _now
        where id = _account.id;
    end if;

    if _capped and cardinality(_allowed) > 0 then
        insert into sendonce.limit_group_recipients (limit_group_id, recipient, last_dispatched_at)
        select distinct _account.limit_group_id, q.recipient, _now
        from unnest(_allowed) a(id)
        join public.send_queue q on q.id = a.id
        order by q.recipient
        on conflict (limit_group_id, recipient) do update set last_dispatched_at = excluded.last_dispatched_at;
    end if;

    if _refused <> '[]' then
        with refused as materialized (
            select (r.value ->> 'entry_id')::bigint as id, r.value ->> 'reason' as reason
            from jsonb_array_elements(_refused) r
            order by 1
        ),
        moved as (
            update public.send_queue q
            set status = case when r.reason = 'suppressed' then 'skipped'::public.entry_status else 'ready' end,
                claim_id = null,
                due_at = case
                    when r.reason = 'account rests' then _account.resting_until
                    when r.reason = 'daily cap of the limit group' then coalesce(_capped_due, _now)
                    when r.reason <> 'suppressed' then _now
                end,
                error_class = case when r.reason = 'suppressed' then 'suppressed' end
            from refused r
            where q.id = r.id and q.status = 'processing' and q.claim_id = _claim_id
            returning q.id, q.status, r.reason
        )
        select coalesce(jsonb_agg(jsonb_build_object('entry_id', m.id, 'status', m.status, 'reason', m.reason) order by m.id), '[]')
        into _refused
        from moved m;
        _gone := _gone || array(select (r.value ->> 'entry_id')::bigint from jsonb_array_elements(_refused) r);
    end if;

    if cardinality(_gone) > 0 then
        _claim.entry_ids := array(select e.id from unnest(_claim.entry_ids) e(id) where e.id <> all (_gone) order by e.id);
    end if;
    if cardinality(_claim.entry_ids) = 0 then
        delete from public.claims where id = _claim_id;
    elsif cardinality(_allowed) > 0 or cardinality(_gone) > 0 then
        update public.claims
        set entry_ids = _claim.entry_ids, dispatched = _claim.dispatched || _allowed
        where id = _claim_id;
    end if;

    return jsonb_build_object(
        'lease_seconds', extract(epoch from _claim.expires_at - _now),
        'dispatched', to_jsonb(_repeated || _allowed),
        'refused', _refused,
        'later', to_jsonb(_later),
        'later_seconds', case
            when cardinality(_later) > 0 then round(greatest((1 - (_tokens - cardinality(_allowed))) / _rate, 0.001), 4)
            else 0
        end
    );
end;
$$;

comment on function sendonce.begin_dispatch(bigint, bigint[]) is
    'Called by workers through public.begin_dispatch, which documents it.';

-- One result as a worker reports it, with the class that SQL gave it. Outcome unknown is "ambiguous".
create type sendonce.result as (
    ordinal integer,
    entry_id bigint,
    attempt integer,
    outcome public.message_outcome,
    provider_message_id text,
    error_class text,
    error_code text,
    error_message text,
    retry_after interval,
    refusal text
);

create function sendonce.classify_results(_provider text, _account_id uuid, _results jsonb)
returns sendonce.result[]
language plpgsql
stable
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    _list sendonce.result[];
begin
    if exists (select from jsonb_array_elements(_results) r where jsonb_typeof(r.value) <> 'object') then
        perform sendonce.raise_invalid('every result must be a JSON object', 'One element is not.', 'Pass [{"entry_id", "attempt", "outcome", …}].');
    end if;

    with parsed as materialized (
        select
            r.ordinal::integer as ordinal,
            case when r.entry_id ~ '^[0-9]{1,18}$' then r.entry_id::bigint end as entry_id,
            case when r.attempt ~ '^[0-9]{1,9}$' then r.attempt::integer end as attempt,
            -- An id that no index can hold cannot be kept apart from others: the acceptance counts as not known.
            case when r.outcome = 'accepted' and length(r.provider_message_id) > 500 then 'ambiguous' else r.outcome end as outcome,
            nullif(left(r.provider_message_id, 500), '') as provider_message_id,
            case
                when r.outcome = 'accepted' and length(r.provider_message_id) > 500 then 'wamid_too_long'
                when nullif(r.code, '') is not null then left(r.code, 100)
                when r.http_status = '429' then 'http_429'
            end as code,
            left(r.message, 1000) as message,
            case when r.retry_after ~ '^[0-9]{1,6}([.][0-9]{1,9})?$' then make_interval(secs => r.retry_after::double precision) end as retry_after
        from rows from (
            jsonb_to_recordset(_results) as (
                entry_id text, attempt text, outcome text, provider_message_id text, http_status text, code text, message text, retry_after text
            )
        ) with ordinality r(entry_id, attempt, outcome, provider_message_id, http_status, code, message, retry_after, ordinal)
    ),
    classified as (
        select
            p.*,
            case
                when p.outcome = 'ambiguous' then 'ambiguous'
                when p.outcome = 'rejected' then coalesce(
                    (select e.class from public.provider_errors e where e.provider = _provider and e.code = p.code), 'unlisted'
                )
            end as class,
            -- A WAMID belongs to one entry: of two claimants the first in the batch, or the one in the table, has it.
            p.outcome = 'accepted' and (
                row_number() over (partition by p.provider_message_id, p.outcome order by p.entry_id, p.ordinal) > 1
                or exists (
                    select from public.send_queue other
                    where other.account_id = _account_id and other.provider_message_id = p.provider_message_id and other.id <> p.entry_id
                )
                or exists (
                    select from public.messages other
                    where other.account_id = _account_id and other.provider_message_id = p.provider_message_id
                        and other.is_second_acceptance and other.entry_id <> p.entry_id
                )
            ) as wamid_is_taken,
            row_number() over (partition by p.entry_id order by (p.outcome = 'accepted') desc, p.attempt desc, p.ordinal) as place
        from parsed p
    )
    select coalesce(
        array_agg(
            row(
                c.ordinal, c.entry_id, c.attempt,
                case
                    when c.wamid_is_taken or c.class = 'ambiguous' then 'unknown'
                    when c.outcome in ('accepted', 'rejected', 'not_sent') then c.outcome
                end::public.message_outcome,
                case when c.outcome = 'accepted' and not c.wamid_is_taken then c.provider_message_id end,
                case when c.wamid_is_taken then 'ambiguous' else c.class end,
                case when c.wamid_is_taken then 'wamid_taken' else c.code end,
                case when c.wamid_is_taken then c.provider_message_id else c.message end,
                c.retry_after,
                case
                    when c.entry_id is null then 'entry_id is missing or no whole number'
                    when c.attempt is null then 'attempt is missing or no whole number'
                    when coalesce(c.outcome, '') not in ('accepted', 'rejected', 'not_sent', 'ambiguous')
                        then 'outcome must be accepted, rejected, not_sent or ambiguous'
                    when c.outcome = 'accepted' and c.provider_message_id is null then 'accepted without provider_message_id: report it as ambiguous'
                    when c.place > 1 then 'another result of the same entry stands in this batch'
                end
            )::sendonce.result
            order by c.entry_id, c.ordinal
        ),
        '{}'
    )
    into _list
    from classified c;
    return _list;
end;
$$;

comment on function sendonce.classify_results(text, uuid, jsonb) is
    'Called by record_results. Reads the worker''s results, gives each its class by provider_errors, marks what cannot be taken and why; by entry id.';

create function sendonce.apply_account_effects(
    _account_id uuid, _slow boolean, _pause_reason text, _last_unsure_in_a_row integer, _any_definite boolean, _last_unsure text
)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    _now constant timestamptz := sendonce.now();
    _rest_after constant integer := 5;
    -- Longer than most requests take: what comes back throttled within it left before the cut.
    _one_cut_in constant interval := interval '1 second';
    _account public.provider_accounts;
    _unsure integer;
    _rests integer;
    _resting_until timestamptz;
    _rest_reason text;
    _cut boolean;
begin
    select a.* into _account from public.provider_accounts a where a.id = _account_id for no key update;
    -- An account without a rate has none to cut.
    _cut := _slow and _account.current_rate is not null and (_account.rate_cut_at is null or _account.rate_cut_at <= _now - _one_cut_in);
    if _any_definite then
        _unsure := _last_unsure_in_a_row;
        _rests := 0;
        _resting_until := null;
        _rest_reason := null;
    else
        _unsure := _account.unsure_in_a_row + _last_unsure_in_a_row;
        _rests := _account.rests_in_a_row;
        _resting_until := _account.resting_until;
        _rest_reason := _account.rest_reason;
    end if;
    if _unsure >= _rest_after and (_resting_until is null or _resting_until <= _now) then
        _resting_until := _now + least(interval '30 seconds' * power(2, least(_rests, 10)), interval '15 minutes');
        _rests := _rests + 1;
        _rest_reason := format('%s outcomes in a row told nothing, the last: %s', _unsure, coalesce(_last_unsure, 'no reason given'));
        perform sendonce.log_event(
            _account.organization_id, null, _account_id, 'account.rests',
            jsonb_build_object('until', _resting_until, 'unsure_in_a_row', _unsure, 'reason', _rest_reason)
        );
    end if;

    update public.provider_accounts
    set current_rate = case when _cut then greatest(current_rate / 2, least(maximum_rate, 0.1)) else current_rate end,
        rate_cut_at = case when _cut then _now else rate_cut_at end,
        paused_at = case when _pause_reason is not null then coalesce(paused_at, _now) else paused_at end,
        pause_reason = case when _pause_reason is not null then coalesce(pause_reason, _pause_reason) else pause_reason end,
        unsure_in_a_row = _unsure,
        rests_in_a_row = _rests,
        resting_until = _resting_until,
        rest_reason = _rest_reason
    where id = _account_id;

    if _pause_reason is not null and _account.paused_at is null then
        perform sendonce.log_event(_account.organization_id, null, _account_id, 'account.paused', jsonb_build_object('reason', _pause_reason));
    end if;
end;
$$;

comment on function sendonce.apply_account_effects(uuid, boolean, text, integer, boolean, text) is
    'Called by record_results and ingest_delivery_reports before any other lock, and only if something changes. Slows, pauses or rests the account.';

create function sendonce.apply_template_stops(_provider text, _entry_ids bigint[], _reasons text[])
returns void
language sql
volatile
set search_path = ''
as $$
    with told as materialized (
        -- One call may bring the errors of several templates: each stops with its own.
        select coalesce(c.template_id, q.template_id) as template_id, min(e.reason) as reason
        from unnest(_entry_ids, _reasons) e(entry_id, reason)
        join public.send_queue q on q.id = e.entry_id
        left join public.campaigns c on c.id = q.campaign_id
        group by 1
    ),
    stopped as materialized (
        select t.id, told.reason
        from public.templates t
        join told on told.template_id = t.id
        where t.provider = _provider
            and t.stopped_at is null
        order by t.id
        for no key update of t
    )
    update public.templates t
    set stopped_at = sendonce.now(), stop_reason = stopped.reason, updated_at = sendonce.now()
    from stopped
    where t.id = stopped.id;
$$;

comment on function sendonce.apply_template_stops(text, bigint[], text[]) is
    'Called by record_results and ingest_delivery_reports after the account''s lock, with a reason for each entry. Stops the templates of these entries, and with them every campaign that uses them.';

create function sendonce.suppress_opted_out(_entry_ids bigint[], _reason text)
returns void
language sql
volatile
set search_path = ''
as $$
    insert into public.suppressions (organization_id, recipient, scope, reason)
    select distinct q.organization_id, q.recipient, 'marketing', _reason
    from public.send_queue q
    where q.id = any (_entry_ids)
    order by q.organization_id, q.recipient
    on conflict (organization_id, recipient) do nothing;
$$;

comment on function sendonce.suppress_opted_out(bigint[], text) is
    'Called by record_results and ingest_delivery_reports last. Withholds marketing from the recipients of these entries.';

create function sendonce.retry_due(
    _first_wait interval, _growth numeric, _longest_wait interval, _before integer, _retry_after interval, _now timestamptz
)
returns timestamptz
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- Jitter only ever adds: "no sooner than" stays true.
    return _now + greatest(
        least(_first_wait * power(_growth::double precision, least(_before, 12)), _longest_wait) * (1 + random() * 0.25),
        coalesce(_retry_after, interval '0 seconds')
    );
end;
$$;

comment on function sendonce.retry_due(interval, numeric, interval, integer, interval, timestamptz) is
    'Called when an entry returns to ready after a rejection. Returns when it is due: back-off with jitter, never sooner than the provider asked for.';

create function sendonce.record_results_once(_claim_id bigint, _results jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
set enable_seqscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set plan_cache_mode = force_generic_plan
set jit = off
as $$
declare
    _now timestamptz;
    _claim public.claims;
    _account public.provider_accounts;
    _list sendonce.result[];
    _news sendonce.result[];
    _plain boolean;
    _unsure_last integer;
    _last_unsure text;
    _definite boolean;
    _slow boolean;
    _pause_reason text;
    _stops bigint[];
    _stop_reasons text[];
    _campaign_ids uuid[];
    _attempts sendonce.attempt[];
    _told jsonb;
    _closed bigint[];
    _suppress bigint[];
    _undispatched bigint[];
    _second boolean;
    _claim_open boolean;
begin
    select k.* into _claim from public.claims k where k.id = _claim_id;
    if found then
        select a.* into _account from public.provider_accounts a where a.id = _claim.account_id;
    else
        -- A late result: its claim is closed, the entry tells whose it is.
        select a.* into _account
        from jsonb_array_elements(_results) r
        join public.send_queue q on q.id = case when r.value ->> 'entry_id' ~ '^[0-9]{1,18}$' then (r.value ->> 'entry_id')::bigint end
        join public.provider_accounts a on a.id = q.account_id
        limit 1;
    end if;
    _list := sendonce.classify_results(_account.provider, _account.id, _results);

    -- A plain batch, all accepted: the usual one, which has no other effects.
    _plain := not exists (select from unnest(_list) r where r.outcome is distinct from 'accepted' or r.refusal is not null);
    if not _plain or _account.unsure_in_a_row > 0 then
        -- What the results mean for the account: taken first, and only if something changes there. Only news
        -- counts: a batch told again, or one of an attempt long over, has had its effect.
        select array_agg(r)
        into _news
        from unnest(_list) r
        join public.send_queue q on q.id = r.entry_id and q.account_id = _account.id and q.attempt = r.attempt
        where r.refusal is null
            and ((q.status = 'processing' and q.claim_id = _claim_id) or (q.status = 'unknown' and r.outcome <> 'unknown'));

        select
            bool_or(c.slows_account),
            max(format('error %s: %s', r.error_code, coalesce(r.error_message, c.meaning))) filter (where c.pauses_account),
            array_agg(r.entry_id order by r.ordinal) filter (where c.stops_template),
            array_agg(format('error %s: %s', r.error_code, coalesce(r.error_message, c.meaning)) order by r.ordinal) filter (where c.stops_template),
            bool_or(r.tells_something),
            -- Those after the last answer that told something.
            (count(*) filter (where r.tells_nothing and r.ordinal > r.last_answer))::integer,
            (
                array_agg(concat_ws(' ', r.outcome::text, r.error_code, r.error_message) order by r.ordinal desc)
                    filter (where r.tells_nothing)
            )[1]
        into _slow, _pause_reason, _stops, _stop_reasons, _definite, _unsure_last, _last_unsure
        from (
            select n.*, told.*, coalesce(max(n.ordinal) filter (where told.tells_something) over (), 0) as last_answer
            from unnest(_news) n
            left join public.error_classes c on c.class = n.error_class and n.outcome in ('rejected', 'unknown')
            cross join lateral (
                select
                    n.outcome = 'accepted' or (n.outcome = 'rejected' and not c.rests_account) as tells_something,
                    -- An attempt that a stopping worker never started tells nothing about the provider either way.
                    (n.outcome = 'not_sent' and n.error_code is distinct from 'not_started') or coalesce(c.rests_account, false) as tells_nothing
            ) told
        ) r
        left join public.error_classes c on c.class = r.error_class and r.outcome = 'rejected';

        if _slow or _pause_reason is not null or _unsure_last > 0 or (_definite and _account.unsure_in_a_row > 0) then
            perform sendonce.apply_account_effects(
                _account.id, coalesce(_slow, false), _pause_reason, _unsure_last, coalesce(_definite, false), _last_unsure
            );
        end if;
        if _stops is not null then
            perform sendonce.apply_template_stops(_account.provider, _stops, _stop_reasons);
        end if;
    end if;

    select k.* into _claim from public.claims k where k.id = _claim_id for no key update;
    _claim_open := found;

    -- Judged under the lock: between the look and the move nobody comes in.
    select array_agg(distinct locked.campaign_id) filter (where locked.campaign_id is not null)
    into _campaign_ids
    from (
        select q.campaign_id
        from unnest(_list) r
        join public.send_queue q on q.id = r.entry_id and q.account_id = _account.id
        where r.refusal is null
        order by q.id
        for no key update of q
    ) locked;
    if cardinality(_campaign_ids) > 1 then
        -- Counters and cost move by two triggers: all campaigns are locked by id before the first.
        perform from public.campaigns c where c.id = any (_campaign_ids) order by c.id for no key update;
    end if;
    _now := sendonce.now();

    with looked_at as materialized (
        select
            r.*,
            q.id, q.organization_id, q.account_id, q.campaign_id, q.template_id, q.recipient, q.units, q.status as status_before,
            q.attempt as current_attempt, q.tries, q.provider_message_id as first_wamid,
            q.status = 'failed' and q.error_class = 'outcome_unknown' as given_up,
            -- In hand: this claim, this attempt, dispatched, no outcome yet.
            coalesce(
                q.status = 'processing' and q.claim_id = _claim_id and q.attempt = r.attempt and q.id = any (_claim.dispatched), false
            ) as in_hand,
            coalesce(q.status = 'unknown' and q.attempt = r.attempt, false) as awaited,
            -- Evidence of an earlier attempt may have settled the entry while this attempt was out: its outcome is kept all the same.
            coalesce(q.attempt = r.attempt and q.id = any (_claim.dispatched), false) as out_with_this_claim,
            m.outcome as outcome_before
        from unnest(_list) r
        left join public.send_queue q on q.id = r.entry_id and q.account_id = _account.id
        left join public.messages m on m.entry_id = r.entry_id and m.attempt = r.attempt
        order by r.entry_id
    ),
    judged as materialized (
        select
            l.*,
            -- What may be taken: evidence always; anything else for the attempt in hand, the one awaited, or one on record.
            l.refusal is null and l.id is not null
                and (l.outcome = 'accepted' or l.out_with_this_claim or l.awaited or l.outcome_before is not null) as is_taken,
            coalesce(l.outcome_before = 'accepted' or l.outcome_before = l.outcome, false) as is_known,
            case
                when l.refusal is not null or l.id is null then null
                when l.outcome = 'accepted' then case when l.status_before <> 'sent' then 'sent'::public.entry_status end
                when not (l.in_hand or l.awaited) then null
                when l.outcome = 'unknown' then case when l.in_hand then 'unknown'::public.entry_status end
                when l.outcome = 'not_sent' then 'ready'
                when c.counts_as_try and l.tries + 1 >= c.most_tries then 'failed'
                else c.moves_to::public.entry_status
            end as status_after,
            coalesce(l.outcome = 'rejected' and c.counts_as_try, false) as counts_as_try,
            coalesce(l.outcome = 'rejected' and c.suppresses_recipient, false) as suppresses,
            case
                when l.outcome = 'rejected' and c.moves_to = 'ready'
                    then sendonce.retry_due(
                        c.first_wait, c.growth, c.longest_wait,
                        case
                            when c.counts_as_try then l.tries
                            -- Refusals of this kind so far. Attempts that a pause, a rest or a cap took back were none.
                            else (
                                select count(*)::integer from public.messages earlier
                                where earlier.entry_id = l.entry_id and earlier.attempt < l.attempt and earlier.error_class = l.error_class
                            )
                        end,
                        l.retry_after, _now
                    )
                when l.outcome = 'not_sent' then _now
            end as due_at,
            -- A late, definite answer for one that was given up as unknown: the reason gets true, the state stays.
            coalesce(l.given_up and l.attempt = l.current_attempt and l.outcome = 'rejected', false) as explains_failure,
            coalesce(l.outcome = 'accepted' and l.first_wamid <> l.provider_message_id, false) as is_second_acceptance
        from looked_at l
        left join public.error_classes c on c.class = l.error_class
    ),
    moved as (
        update public.send_queue q
        set status = coalesce(j.status_after, q.status),
            provider_message_id = case when j.status_after = 'sent' then j.provider_message_id else q.provider_message_id end,
            sent_at = case when j.status_after = 'sent' then _now else q.sent_at end,
            settled_at = case when j.status_after = 'sent' then _now else q.settled_at end,
            claim_id = case when j.status_after = 'sent' then null else q.claim_id end,
            unknown_since = case when j.status_after = 'sent' then null else q.unknown_since end,
            tries = case when j.status_after in ('ready', 'failed') and j.counts_as_try then q.tries + 1 else q.tries end,
            due_at = case j.status_after when 'ready' then j.due_at when 'sent' then null else q.due_at end,
            error_class = case when j.status_after = 'sent' then null else coalesce(j.error_class, j.outcome::text) end,
            error_code = case when j.status_after = 'sent' then null else j.error_code end,
            error_message = case when j.status_after = 'sent' then null else j.error_message end
        from judged j
        where q.id = j.entry_id and (j.status_after is not null or j.explains_failure)
        returning q.id
    )
    select
        jsonb_build_object(
            'recorded', count(*) filter (where j.is_taken and not j.is_known),
            'already', count(*) filter (where j.is_taken and j.is_known),
            'sent', count(*) filter (where j.status_after = 'sent'),
            'failed', count(*) filter (where j.status_after = 'failed'),
            'ready', count(*) filter (where j.status_after = 'ready'),
            'unknown', count(*) filter (where j.status_after = 'unknown'),
            'refused', coalesce(
                jsonb_agg(
                    jsonb_build_object(
                        'entry_id', j.entry_id,
                        'reason', coalesce(j.refusal, case when j.id is null then 'no such entry of this account' else 'this attempt is not in hand' end)
                    ) order by j.ordinal
                ) filter (where not j.is_taken),
                '[]'
            )
        ),
        array_agg(
            row(
                j.entry_id, j.attempt, j.organization_id, j.account_id, j.campaign_id, j.template_id, j.recipient, j.units, j.outcome,
                j.provider_message_id, j.is_second_acceptance, j.error_class, j.error_code, j.error_message, null, _claim.worker,
                coalesce(_claim.claimed_at, _now)
            )::sendonce.attempt
            order by j.entry_id
        ) filter (where j.is_taken),
        array_agg(j.entry_id) filter (where j.is_taken and (j.out_with_this_claim or (j.outcome = 'accepted' and j.entry_id = any (_claim.dispatched)))),
        array_agg(j.entry_id) filter (where j.is_taken and not j.is_known and j.suppresses),
        array_agg(j.entry_id) filter (
            where j.is_taken and j.outcome = 'accepted' and j.status_before <> 'sent' and not j.in_hand and j.outcome_before is null
        ),
        coalesce(bool_or(j.is_second_acceptance), false)
    into _told, _attempts, _closed, _suppress, _undispatched, _second
    -- The move above runs to its end whether it is read or not.
    from judged j;

    if _attempts is not null then
        perform sendonce.write_attempts(_attempts);
    end if;

    if _claim_open and _closed is not null then
        _claim.entry_ids := array(select e.id from unnest(_claim.entry_ids) e(id) where e.id <> all (_closed) order by e.id);
        if cardinality(_claim.entry_ids) = 0 then
            delete from public.claims where id = _claim_id;
            _claim_open := false;
        else
            update public.claims
            set entry_ids = _claim.entry_ids,
                dispatched = array(select d.id from unnest(_claim.dispatched) d(id) where d.id <> all (_closed) order by d.id)
            where id = _claim_id;
        end if;
    end if;

    if _suppress is not null then
        perform sendonce.suppress_opted_out(_suppress, 'the provider says that the person opted out');
    end if;
    if not _plain or _undispatched is not null or _second then
        insert into public.discrepancies (organization_id, account_id, campaign_id, entry_id, kind, fingerprint, detail)
        select q.organization_id, q.account_id, q.campaign_id, q.id, found.kind, found.fingerprint, found.detail
        from (
            -- Once for each organization: none sees what is listed for another.
            select r.entry_id, 'unlisted_code' as kind,
                _account.organization_id || ':' || _account.provider || ':' || coalesce(r.error_code, 'none') as fingerprint,
                jsonb_build_object('code', r.error_code, 'message', r.error_message) as detail
            from unnest(_list) r
            where r.error_class = 'unlisted' and r.refusal is null
            union all
            select r.entry_id, 'wamid_conflict', r.entry_id || ':' || r.attempt || ':' || r.error_message,
                jsonb_build_object('attempt', r.attempt, 'provider_message_id', r.error_message, 'told_by', 'result')
            from unnest(_list) r
            where r.error_code = 'wamid_taken' and r.refusal is null
            union all
            select a.entry_id, 'second_acceptance', a.entry_id || ':' || a.attempt,
                jsonb_build_object('attempt', a.attempt, 'provider_message_id', a.provider_message_id, 'told_by', 'result')
            from unnest(_attempts) a
            where a.is_second_acceptance
            union all
            select u.id, 'accepted_without_dispatch', u.id::text, jsonb_build_object('claim_id', _claim_id)
            from unnest(_undispatched) u(id)
        ) found
        join public.send_queue q on q.id = found.entry_id and q.account_id = _account.id
        order by found.kind, found.fingerprint
        on conflict (kind, fingerprint) do nothing;
    end if;
    return _told || jsonb_build_object('claim_open', _claim_open);
end;
$$;

comment on function sendonce.record_results_once(bigint, jsonb) is
    'Called by sendonce.record_results. Judges and records; raises unique_violation when another session stores one of the WAMIDs at the same instant.';

create function sendonce.record_results(_claim_id bigint, _results jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if jsonb_typeof(_results) is distinct from 'array' then
        perform sendonce.raise_invalid('results must be a JSON array', format('Got %s.', coalesce(jsonb_typeof(_results), 'null')), 'Pass [{"entry_id", "attempt", "outcome", …}].');
    end if;
    return sendonce.record_results_once(_claim_id, _results);
exception
    -- Two sessions brought one WAMID for two entries at the same instant. The other one has committed
    -- it by now, so that this time the look at the table finds it and the rest of the batch is kept.
    when unique_violation then
        return sendonce.record_results_once(_claim_id, _results);
end;
$$;

comment on function sendonce.record_results(bigint, jsonb) is
    'Called by workers through public.record_results, which documents it.';
