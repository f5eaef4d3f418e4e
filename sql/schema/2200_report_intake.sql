-- Reports: what providers tell after acceptance. Durable before the provider gets its 200; applied
-- so that any order and any number of repetitions ends in the same rows, counters and cost.

create table sendonce.report_log (
    id bigint generated always as identity primary key,
    received_at timestamptz not null default sendonce.now(),
    provider text not null,
    app text,
    sender text,
    provider_message_id text,
    status text,
    reported_at timestamptz,
    reference text,
    code text,
    message text,
    -- Filled when the report found its entry.
    account_id uuid,
    entry_id bigint,
    attempt integer,
    -- applied, waiting (its entry may still come), refused (with the reason), ignored (says nothing about sending).
    disposition text not null,
    reason text,
    -- When a waiting report is looked at again: soon at first, then ever more seldom.
    look_at timestamptz,
    constraint disposition_is_known check (disposition in ('applied', 'waiting', 'refused', 'ignored')),
    constraint applied_has_its_entry check (disposition <> 'applied' or entry_id is not null),
    constraint only_waiting_is_looked_at_again check ((disposition = 'waiting') = (look_at is not null))
);

create index idx_report_log_waiting on sendonce.report_log (provider, look_at, id) where disposition = 'waiting';

comment on table sendonce.report_log is 'Every report as it came. A record for people: whether something was already applied is read off the entry, never off this log.';

-- A report on its way through ingest_delivery_reports.
create type sendonce.report as (
    ordinal integer,
    log_id bigint,
    app text,
    sender text,
    provider_message_id text,
    status text,
    reported_at timestamptz,
    reference text,
    code text,
    message text,
    proves_acceptance boolean,
    delivery_status public.delivery_status,
    account_id uuid,
    entry_id bigint,
    attempt integer,
    disposition text,
    reason text
);

create function sendonce.provider_time(_text text, _now timestamptz)
returns timestamptz
language sql
immutable
set search_path = ''
as $$
    -- Seconds, by some senders milliseconds; what cannot be a recent time is replaced by the time of receipt.
    select case when told.at > _now - interval '60 days' then least(told.at, _now) else _now end
    from (
        select case
            when _text ~ '^[0-9]{9,11}$' then to_timestamp(_text::double precision)
            when _text ~ '^[0-9]{12,14}$' then to_timestamp(_text::double precision / 1000)
        end as at
    ) told;
$$;

comment on function sendonce.provider_time(text, timestamptz) is
    'Called by read_reports. Returns the time a provider wrote as seconds or milliseconds, never later than now, and now where it cannot be read.';

create function sendonce.read_reports(_provider text, _reports jsonb)
returns sendonce.report[]
language plpgsql
volatile
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
    _now constant timestamptz := sendonce.now();
    _list sendonce.report[];
begin
    with parsed as materialized (
        select
            r.ordinality::integer as ordinal,
            left(r.value ->> 'app', 200) as app,
            left(r.value ->> 'sender', 200) as sender,
            nullif(r.value ->> 'provider_message_id', '') as provider_message_id,
            left(r.value ->> 'status', 50) as status,
            r.value ->> 'timestamp' as told_at,
            left(r.value ->> 'reference', 600) as reference,
            left(nullif(r.value ->> 'code', ''), 50) as code,
            left(r.value ->> 'message', 1000) as message,
            -- so1:<campaign or account>:<entry>:<attempt>
            regexp_match(
                r.value ->> 'reference',
                '^so1:([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):([0-9]{1,18}):([0-9]{1,9})$'
            ) as part
        from jsonb_array_elements(_reports) with ordinality r
    ),
    found as materialized (
        select
            p.*,
            s.status is not null as status_is_known,
            coalesce(s.proves_acceptance, false) as proves_acceptance,
            s.delivery_status,
            a.id as account_id,
            a.app is distinct from p.app as is_foreign_app,
            named.id as named_entry_id,
            case when named.id is not null then p.part[3]::integer end as named_attempt,
            coalesce(by_wamid.id, second.entry_id) as wamid_entry_id,
            coalesce(by_wamid.attempt, second.attempt) as wamid_attempt
        from parsed p
        left join public.provider_statuses s on s.provider = _provider and s.status = p.status
        left join public.provider_accounts a on a.provider = _provider and a.sender = p.sender
        left join lateral (
            -- The reference must fit in every part: ids alone collide after a reset, and between
            -- a test and a production database on one number.
            select q.id
            from public.send_queue q
            where q.id = p.part[2]::bigint
                and q.account_id = a.id
                and coalesce(q.campaign_id, q.account_id) = p.part[1]::uuid
                -- An attempt beyond ours is one whose claim was lost with a fail-over: evidence all the same.
                and p.part[3]::integer >= 1
        ) named on true
        left join lateral (
            select q.id, coalesce(
                (select max(m.attempt) from public.messages m where m.entry_id = q.id and m.provider_message_id = q.provider_message_id),
                q.attempt
            ) as attempt
            from public.send_queue q
            where q.account_id = a.id and q.provider_message_id = p.provider_message_id
        ) by_wamid on true
        left join public.messages second
            on second.account_id = a.id and second.provider_message_id = p.provider_message_id and second.is_second_acceptance
    ),
    judged as materialized (
        select
            f.*,
            case
                when f.provider_message_id is null then 'refused: no message id'
                when length(f.provider_message_id) > 500 then 'refused: a message id of more than 500 characters'
                when not f.status_is_known then 'refused: a status that provider_statuses does not list'
                when f.account_id is null then 'refused: no account with this sender'
                when f.is_foreign_app then 'refused: signed by an app that is not the account''s'
                when not f.proves_acceptance then 'ignored: says nothing about sending'
                when f.named_entry_id is not null and f.wamid_entry_id is not null
                    and (f.named_entry_id, f.named_attempt) is distinct from (f.wamid_entry_id, f.wamid_attempt)
                    then 'refused: the message id belongs to another attempt than the reference'
                when f.named_entry_id is not null and exists (
                    select from public.messages m
                    where m.entry_id = f.named_entry_id and m.attempt = f.named_attempt
                        and m.provider_message_id <> f.provider_message_id
                ) then 'refused: this attempt has another message id'
                -- Also where the message id is one of ours: we never sent it with such a reference.
                when f.part is not null and f.named_entry_id is null
                    then 'refused: the reference names no entry of this account'
                when coalesce(f.named_entry_id, f.wamid_entry_id) is null then 'waiting'
                else 'applied'
            end as verdict
        from found f
    ),
    placed as (
        -- Within one POST too, a message id belongs to one attempt and an attempt has one message id.
        select
            j.*,
            coalesce(j.named_entry_id, j.wamid_entry_id) as entry_id,
            coalesce(j.named_attempt, j.wamid_attempt) as attempt,
            first_value(coalesce(j.named_entry_id, j.wamid_entry_id) || ':' || coalesce(j.named_attempt, j.wamid_attempt)) over (
                partition by j.account_id, j.provider_message_id, j.verdict
                order by coalesce(j.named_entry_id, j.wamid_entry_id), coalesce(j.named_attempt, j.wamid_attempt)
            ) as owner_of_wamid,
            first_value(j.provider_message_id) over (
                partition by coalesce(j.named_entry_id, j.wamid_entry_id), coalesce(j.named_attempt, j.wamid_attempt), j.verdict
                order by j.provider_message_id
            ) as wamid_of_attempt
        from judged j
    )
    select coalesce(
        array_agg(
            row(
                p.ordinal, null, p.app, p.sender, left(p.provider_message_id, 500), p.status, sendonce.provider_time(p.told_at, _now),
                p.reference, p.code, p.message, p.proves_acceptance, p.delivery_status, p.account_id,
                case when p.verdict = 'applied' then p.entry_id end,
                case when p.verdict = 'applied' then p.attempt end,
                case
                    when p.verdict = 'applied'
                        and (p.owner_of_wamid <> p.entry_id || ':' || p.attempt or p.wamid_of_attempt <> p.provider_message_id)
                        then 'refused'
                    else split_part(p.verdict, ':', 1)
                end,
                case
                    when p.verdict = 'applied'
                        and (p.owner_of_wamid <> p.entry_id || ':' || p.attempt or p.wamid_of_attempt <> p.provider_message_id)
                        then 'another report of the same POST disagrees about the message id'
                    else nullif(btrim(substring(p.verdict from position(':' in p.verdict) + 1)), p.verdict)
                end
            )::sendonce.report
            order by p.entry_id, p.attempt, p.ordinal
        ),
        '{}'
    )
    into _list
    from placed p;
    return _list;
end;
$$;

comment on function sendonce.read_reports(text, jsonb) is
    'Called by ingest_delivery_reports and sweep_reports. Finds the entry and attempt of each report, by reference and by message id, and says what cannot be applied and why.';

create function sendonce.apply_reports(_provider text, _reports sendonce.report[])
returns void
language plpgsql
volatile
set search_path = ''
set enable_hashjoin = off
set enable_mergejoin = off
set enable_seqscan = off
set jit = off
as $$
declare
    _now constant timestamptz := sendonce.now();
    _effect record;
    _stops bigint[];
    _stop_reasons text[];
    _suppress bigint[];
    _campaign_ids uuid[];
    _attempts sendonce.attempt[];
begin
    -- A code in a report comes after acceptance: never a resend, but its other effects apply.
    for _effect in
        select
            r.account_id,
            bool_or(c.slows_account) as slow,
            max(format('error %s: %s', r.code, coalesce(r.message, c.meaning))) filter (where c.pauses_account) as pause_reason
        from unnest(_reports) r
        join public.provider_errors e on e.provider = _provider and e.code = r.code
        join public.error_classes c on c.class = e.class
        where r.disposition = 'applied' and r.delivery_status = 'undelivered' and (c.slows_account or c.pauses_account)
            -- Once: a repetition of what the entry already knows has no second effect.
            and not exists (
                select from public.send_queue q
                where q.id = r.entry_id and q.status = 'sent' and (q.delivery_error_code = r.code or q.delivery_status >= 'delivered')
            )
        group by r.account_id
        order by r.account_id
    loop
        perform sendonce.apply_account_effects(_effect.account_id, _effect.slow, _effect.pause_reason, 0, false, null);
    end loop;

    select
        array_agg(r.entry_id order by r.ordinal) filter (where stops.now),
        array_agg(format('error %s: %s', r.code, coalesce(r.message, c.meaning)) order by r.ordinal) filter (where stops.now),
        array_agg(r.entry_id) filter (where c.suppresses_recipient)
    into _stops, _stop_reasons, _suppress
    from unnest(_reports) r
    join public.provider_errors e on e.provider = _provider and e.code = r.code
    join public.error_classes c on c.class = e.class
    cross join lateral (
        -- What was delivered in spite of it had a template that could be used.
        select c.stops_template
            and not exists (select from public.send_queue q where q.id = r.entry_id and q.delivery_status >= 'delivered') as now
    ) stops
    where r.disposition = 'applied' and r.delivery_status = 'undelivered'
        -- Nor does a repetition undo what a person has set right meanwhile.
        and not exists (select from public.send_queue q where q.id = r.entry_id and q.delivery_error_code = r.code);
    if _stops is not null then
        perform sendonce.apply_template_stops(_provider, _stops, _stop_reasons);
    end if;

    select array_agg(distinct locked.campaign_id)
    into _campaign_ids
    from (
        select q.campaign_id
        from public.send_queue q
        where q.id in (select r.entry_id from unnest(_reports) r where r.disposition = 'applied')
        order by q.id
        for no key update
    ) locked
    where locked.campaign_id is not null;
    if cardinality(_campaign_ids) > 1 then
        -- Counters and cost move by two triggers: all campaigns are locked by id before the first.
        perform from public.campaigns c where c.id = any (_campaign_ids) order by c.id for no key update;
    end if;

    with told as materialized (
        select
            r.entry_id,
            r.attempt,
            min(r.provider_message_id) as provider_message_id,
            min(r.reported_at) as sent_at,
            min(r.reported_at) filter (where r.delivery_status >= 'delivered') as delivered_at,
            min(r.reported_at) filter (where r.delivery_status = 'read') as read_at,
            max(r.delivery_status) as delivery_status,
            min(r.code) filter (where r.delivery_status = 'undelivered') as code
        from unnest(_reports) r
        where r.disposition = 'applied'
        group by r.entry_id, r.attempt
    ),
    -- Judged against the rows as they are under the lock, before the update below.
    attempts as materialized (
        select array_agg(
            row(
                t.entry_id, t.attempt, q.organization_id, q.account_id, q.campaign_id, q.template_id, q.recipient, q.units,
                'accepted', t.provider_message_id,
                -- The first WAMID stays with the entry; of two attempts told of in one POST, the earlier one's.
                coalesce(q.provider_message_id, t.first_wamid) <> t.provider_message_id,
                null, null, null, t.delivered_at, k.worker, coalesce(k.claimed_at, t.sent_at)
            )::sendonce.attempt
            order by t.entry_id, t.attempt
        ) as list
        from (
            select told.*, first_value(told.provider_message_id) over (partition by told.entry_id order by told.attempt) as first_wamid
            from told
        ) t
        join public.send_queue q on q.id = t.entry_id
        left join public.claims k on k.id = q.claim_id and q.attempt = t.attempt
    ),
    per_entry as materialized (
        select
            t.entry_id,
            (array_agg(t.provider_message_id order by t.attempt))[1] as provider_message_id,
            min(t.sent_at) as sent_at,
            min(t.delivered_at) as delivered_at,
            min(t.read_at) as read_at,
            max(t.delivery_status) as delivery_status,
            min(t.code) as code
        from told t
        group by t.entry_id
        order by t.entry_id
    ),
    moved as (
        update public.send_queue q
        set status = 'sent',
            claim_id = null,
            due_at = null,
            unknown_since = null,
            error_class = null,
            error_code = null,
            error_message = null,
            provider_message_id = coalesce(q.provider_message_id, p.provider_message_id),
            delivery_status = greatest(q.delivery_status, p.delivery_status),
            sent_at = least(q.sent_at, p.sent_at),
            delivered_at = least(q.delivered_at, p.delivered_at),
            read_at = least(q.read_at, p.read_at),
            settled_at = case when q.status = 'sent' then q.settled_at else _now end,
            -- Undelivered is the lowest rank: a delivery on any device makes its code void, before or after it.
            delivery_error_code = case
                when greatest(q.delivery_status, p.delivery_status) = 'undelivered' then least(q.delivery_error_code, p.code)
            end
        from per_entry p
        where q.id = p.entry_id
            -- A repetition writes nothing.
            and (
                q.status <> 'sent'
                or p.delivery_status > q.delivery_status
                or (q.delivery_status is null and p.delivery_status is not null)
                or p.sent_at < q.sent_at
                or p.delivered_at < q.delivered_at
                or (q.delivered_at is null and p.delivered_at is not null)
                or p.read_at < q.read_at
                or (q.read_at is null and p.read_at is not null)
                or (q.delivery_status = 'undelivered' and p.code < coalesce(q.delivery_error_code, '~'))
            )
        returning q.id
    )
    select attempts.list into _attempts from attempts, (select count(*) from moved) done;

    if _attempts is not null then
        perform sendonce.write_attempts(_attempts);
    end if;
    if _suppress is not null then
        perform sendonce.suppress_opted_out(_suppress, 'the provider reports that the person opted out');
    end if;

    insert into public.discrepancies (organization_id, account_id, campaign_id, entry_id, kind, fingerprint, detail)
    select q.organization_id, q.account_id, q.campaign_id, q.id, 'second_acceptance', a.entry_id || ':' || a.attempt,
        jsonb_build_object('attempt', a.attempt, 'provider_message_id', a.provider_message_id, 'told_by', 'report')
    from unnest(_attempts) a
    join public.send_queue q on q.id = a.entry_id
    where a.is_second_acceptance
    on conflict (kind, fingerprint) do nothing;
    -- A code that we cannot judge is shown to a person, by whatever way it came.
    insert into public.discrepancies (organization_id, account_id, campaign_id, entry_id, kind, fingerprint, detail)
    select distinct on (found.fingerprint)
        q.organization_id, q.account_id, q.campaign_id, q.id, 'unlisted_code', found.fingerprint,
        jsonb_build_object('code', r.code, 'message', r.message, 'told_by', 'report')
    from unnest(_reports) r
    join public.send_queue q on q.id = r.entry_id
    cross join lateral (select q.organization_id || ':' || _provider || ':' || r.code as fingerprint) found
    where r.disposition = 'applied' and r.delivery_status = 'undelivered' and r.code is not null
        and not exists (select from public.provider_errors e where e.provider = _provider and e.code = r.code)
    order by found.fingerprint, q.id
    on conflict (kind, fingerprint) do nothing;
end;
$$;

comment on function sendonce.apply_reports(text, sendonce.report[]) is
    'Called by ingest_delivery_reports and sweep_reports with reports that found their entry. Moves entries, attempts, counters and cost; repeating it changes nothing.';

create function sendonce.list_refused_reports(_reports sendonce.report[])
returns void
language sql
volatile
set search_path = ''
as $$
    insert into public.discrepancies (organization_id, account_id, campaign_id, entry_id, kind, fingerprint, detail)
    select distinct on (listed.fingerprint)
        a.organization_id, a.id, null::uuid, null::bigint, 'refused_report', listed.fingerprint,
        jsonb_build_object('reason', r.reason, 'status', r.status, 'provider_message_id', r.provider_message_id, 'reference', r.reference, 'app', r.app)
    from unnest(_reports) r
    cross join lateral (
        select md5(concat_ws('|', r.reason, r.sender, r.provider_message_id, r.reference, r.status)) as fingerprint
    ) listed
    left join public.provider_accounts a on a.id = r.account_id
    where r.disposition = 'refused'
    order by listed.fingerprint
    on conflict (kind, fingerprint) do nothing;
$$;

comment on function sendonce.list_refused_reports(sendonce.report[]) is
    'Called by ingest_delivery_reports and sweep_reports. Lists what was refused, each once.';

create function sendonce.ingest_once(_provider text, _reports jsonb)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    _list sendonce.report[] := sendonce.read_reports(_provider, _reports);
    _counts jsonb;
begin
    perform sendonce.apply_reports(_provider, _list);
    insert into sendonce.report_log (
        provider, app, sender, provider_message_id, status, reported_at, reference, code, message,
        account_id, entry_id, attempt, disposition, reason, look_at
    )
    select
        _provider, r.app, r.sender, r.provider_message_id, r.status, r.reported_at, r.reference, r.code, r.message,
        r.account_id, r.entry_id, r.attempt, r.disposition, r.reason,
        case when r.disposition = 'waiting' then sendonce.now() end
    from unnest(_list) r
    order by r.ordinal;
    perform sendonce.list_refused_reports(_list);

    select jsonb_build_object(
        'taken', count(*),
        'applied', count(*) filter (where r.disposition = 'applied'),
        'waiting', count(*) filter (where r.disposition = 'waiting'),
        'refused', count(*) filter (where r.disposition = 'refused'),
        'ignored', count(*) filter (where r.disposition = 'ignored')
    )
    into _counts
    from unnest(_list) r;
    return _counts;
end;
$$;

comment on function sendonce.ingest_once(text, jsonb) is
    'Called by ingest_delivery_reports. Raises unique_violation when another session stores one of the message ids at the same instant.';

create function sendonce.ingest_delivery_reports(_provider text, _reports jsonb)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if jsonb_typeof(_reports) is distinct from 'array' then
        perform sendonce.raise_invalid('reports must be a JSON array', format('Got %s.', coalesce(jsonb_typeof(_reports), 'null')), 'Pass the statuses of the POST as an array, as the provider wrote them.');
    end if;
    -- The provider forgets a report once it has its 200.
    perform set_config('synchronous_commit', 'on', true);
    return sendonce.ingest_once(_provider, _reports);
exception
    -- Another session stored one of the message ids meanwhile; now the look at the table finds it.
    when unique_violation then
        perform set_config('synchronous_commit', 'on', true);
        return sendonce.ingest_once(_provider, _reports);
end;
$$;

comment on function sendonce.ingest_delivery_reports(text, jsonb) is
    'Called by the webhook through public.ingest_delivery_reports, which documents it.';

create function sendonce.sweep_reports(_limit integer default 1000)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _now constant timestamptz := sendonce.now();
    -- As long as a provider goes on telling.
    _patience constant interval := interval '7 days';
    _provider text;
    _due bigint[];
    _ids bigint[];
    _reports jsonb;
    _list sendonce.report[] := array[]::sendonce.report[];
begin
    -- One provider at a time: that of the report that has been due the longest.
    select l.provider into _provider
    from sendonce.report_log l
    where l.disposition = 'waiting' and l.look_at <= _now
    order by l.look_at, l.id
    limit 1;

    with due as materialized (
        select l.*
        from sendonce.report_log l
        where l.disposition = 'waiting' and l.provider = _provider and l.look_at <= _now
        order by l.look_at, l.id
        limit _limit
        for no key update skip locked
    )
    select
        array_agg(d.id),
        array_agg(d.id order by d.id) filter (where found.is_ripe),
        jsonb_agg(
            jsonb_build_object(
                'app', d.app, 'sender', d.sender, 'provider_message_id', d.provider_message_id, 'status', d.status,
                -- In milliseconds, as it came: a detour changes nothing.
                'timestamp', floor(extract(epoch from d.reported_at) * 1000)::bigint::text, 'reference', d.reference,
                'code', d.code, 'message', d.message
            ) order by d.id
        ) filter (where found.is_ripe)
    into _due, _ids, _reports
    from due d
    cross join lateral (
        -- Its message has become known meanwhile, or it has waited long enough.
        select d.received_at < _now - _patience
            or exists (select from public.send_queue q where q.account_id = d.account_id and q.provider_message_id = d.provider_message_id)
            or exists (
                select from public.messages m
                where m.account_id = d.account_id and m.provider_message_id = d.provider_message_id and m.is_second_acceptance
            ) as is_ripe
    ) found;

    if _ids is not null then
        _list := sendonce.read_reports(_provider, _reports);
        perform sendonce.apply_reports(_provider, _list);
        update sendonce.report_log l
        set disposition = case when r.disposition = 'waiting' then 'refused' else r.disposition end,
            reason = case when r.disposition = 'waiting' then 'no message with this id was sent from here' else r.reason end,
            look_at = null,
            entry_id = r.entry_id,
            attempt = r.attempt
        from unnest(_list) r
        where l.id = _ids[r.ordinal];
    end if;

    -- The others wait as long again as they have waited. Other senders may share the number, and what
    -- they sent is reported here too: looked at a score of times, not every second for a week.
    update sendonce.report_log l
    set look_at = _now + least(greatest(_now - l.received_at, interval '1 second'), interval '6 hours')
    where l.id = any (_due) and l.disposition = 'waiting';

    perform sendonce.list_refused_reports(_list);
    insert into public.discrepancies (organization_id, account_id, kind, fingerprint, detail)
    select a.organization_id, a.id, 'unknown_message_id', a.id || ':' || (_now at time zone 'UTC')::date,
        jsonb_build_object('first', min(r.provider_message_id))
    from unnest(_list) r
    join public.provider_accounts a on a.id = r.account_id
    where r.disposition = 'waiting'
    group by a.organization_id, a.id
    order by a.id
    on conflict (kind, fingerprint) do nothing;

    return jsonb_build_object(
        'applied', (select count(*) from unnest(_list) r where r.disposition = 'applied'),
        'given_up', (select count(*) from unnest(_list) r where r.disposition <> 'applied'),
        'more', _due is not null
    );
end;
$$;

comment on function sendonce.sweep_reports(integer) is 'Called by workers through public.sweep_reports, which documents it.';
