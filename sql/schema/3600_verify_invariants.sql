-- Anyone can check. One row per violation of the invariants 1 to 12, none on a healthy database.
--
-- Everything here is stable, so that all of it looks at the one snapshot of the calling statement: counters
-- are compared with the rows they counted, however busy the database is. The rows are judged even where the
-- guard that protects them is in place, because a guard that was disabled for a minute leaves its mark in
-- the rows; and the guards are judged even where the rows are in order, because they will not stay so.
--
-- Set-based throughout: each part reads its tables once, at any size.

create type sendonce.violation as (
    invariant smallint,
    name text,
    campaign_id uuid,
    entry_id bigint,
    detail text
);

comment on type sendonce.violation is 'What verify_invariants returns: the number of the invariant, the rule by name, where, and what is wrong.';

create function sendonce.verify_campaigns(_campaign_ids uuid[])
returns setof sendonce.violation
language plpgsql
stable
set search_path = ''
as $$
begin
    return query
    with looked_at as (
        select
            c.*,
            told.claims,
            told.proves,
            c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled as settled,
            proof.total_contacts as contacts_proven,
            proof.total_sent + proof.total_failed + proof.total_skipped + proof.total_cancelled as settled_proven,
            a.organization_id as account_organization_id,
            t.organization_id as template_organization_id
        from sendonce.prove_counters(_campaign_ids) proof
        join public.campaigns c on c.id = proof.campaign_id
        left join public.provider_accounts a on a.id = c.account_id
        left join public.templates t on t.id = c.template_id
        cross join lateral sendonce.claimed_and_proven(c, proof) told
    )
    select broken.invariant::smallint, broken.name, l.id, null::bigint, broken.detail
    from looked_at l
    cross join lateral (
        select 4 as invariant, 'counters_equal_rows' as name, format('%s is %s, the rows prove %s', told.key, told.value, l.proves ->> told.key) as detail
        from jsonb_each_text(l.claims) told
        where told.key like 'total%' and told.value <> l.proves ->> told.key
        union all
        select 10, 'cost_equals_attempts', format('actual_cost is %s, the attempts cost %s', l.claims ->> 'actual_cost', l.proves ->> 'actual_cost')
        where l.claims -> 'actual_cost' <> l.proves -> 'actual_cost'
        union all
        select 5, 'counters_stay_within_bounds', format('settled %s of %s, progress %s', l.settled, l.total_contacts, l.progress)
        where least(
                l.total_contacts, l.total_sent, l.total_failed, l.total_skipped, l.total_cancelled, l.total_unknown,
                l.total_delivered, l.total_read, l.total_undelivered, l.estimated_cost, l.actual_cost
            ) < 0
            or l.settled > l.total_contacts
            or l.total_delivered + l.total_undelivered > l.total_sent
            or l.total_read > l.total_delivered
            or l.progress not between 0 and 100
        union all
        select 6, 'completed_means_all_settled', format('completed, and %s of %s contacts are settled', l.settled_proven, l.contacts_proven)
        where l.status = 'completed' and l.settled_proven < l.contacts_proven
        union all
        select 6, 'active_means_some_unsettled', format('%s, and all %s contacts are settled', l.status, l.contacts_proven)
        where l.status in ('running', 'paused') and l.settled_proven = l.contacts_proven
        union all
        select 3, 'campaign_state_fits_its_columns', format('it is %s', l.status)
        where (l.status = 'completed') <> (l.completed_at is not null)
            or (l.status = 'cancelled') <> (l.cancelled_at is not null)
            or (l.status = 'paused') <> (l.paused_at is not null)
            or (l.paused_at is null) <> (l.pause_reason is null)
            or (l.status = 'scheduled' and l.scheduled_at is null)
            or (l.status in ('running', 'paused', 'completed') and l.started_at is null)
        union all
        select 12, 'campaign_stays_in_its_organization', 'its account or its template belongs to another organization'
        where l.account_organization_id is distinct from l.organization_id
            or l.template_organization_id is distinct from l.organization_id
    ) broken;
end;
$$;

comment on function sendonce.verify_campaigns(uuid[]) is
    'Called by verify_invariants. Judges these campaigns (null: all) against their entries and attempts.';

create function sendonce.is_unique_index(_name text)
returns boolean
language sql
stable
set search_path = ''
as $$
    select coalesce(
        (
            select i.indisunique and i.indisvalid and i.indisready and i.indimmediate
            from pg_catalog.pg_index i
            where i.indexrelid = to_regclass(_name)
        ),
        false
    );
$$;

comment on function sendonce.is_unique_index(text) is 'Called by verify_invariants. True when a unique index of this name exists and is valid.';

create function sendonce.verify_entries(_campaign_id uuid, _organization_ids uuid[])
returns setof sendonce.violation
language plpgsql
stable
set search_path = ''
-- One campaign, some organizations or everything: each wants a plan of its own.
set plan_cache_mode = force_custom_plan
set work_mem = '128MB'
set jit = off
as $$
declare
    -- Where the constraint stands, validated, it has looked at every number; a pattern per row costs as much as all the rest.
    _numbers_are_checked constant boolean := exists (
        select from pg_catalog.pg_constraint k
        where k.conrelid = 'public.send_queue'::regclass and k.conname = 'recipient_is_e164' and k.convalidated
    );
    -- A valid unique index is itself the proof that there are no two; without it, they are counted.
    _contacts_are_checked constant boolean := sendonce.is_unique_index('public.idx_send_queue_campaign_recipient');
    _wamids_are_checked constant boolean := sendonce.is_unique_index('public.idx_send_queue_wamid');
begin
    return query
    select 1::smallint, 'one_entry_per_contact', q.campaign_id, max(q.id), format('%s entries of one contact', count(*))
    from public.send_queue q
    where not _contacts_are_checked
        and q.campaign_id is not null
        and (_campaign_id is null or q.campaign_id = _campaign_id)
        and (_organization_ids is null or q.organization_id = any (_organization_ids))
    group by q.campaign_id, q.recipient
    having count(*) > 1;

    return query
    select 2::smallint, 'wamid_belongs_to_one_entry', (array_agg(q.campaign_id order by q.id desc))[1], max(q.id),
        format('%s entries of account %s have one message id', count(*), q.account_id)
    from public.send_queue q
    where not _wamids_are_checked
        and q.provider_message_id is not null
        and (_organization_ids is null or q.organization_id = any (_organization_ids))
    group by q.account_id, q.provider_message_id
    having count(*) > 1 and (_campaign_id is null or bool_or(q.campaign_id = _campaign_id));

    return query
    select broken.invariant::smallint, broken.name, q.campaign_id, q.id, broken.detail
    from public.send_queue q
    left join public.campaigns c on c.id = q.campaign_id
    left join sendonce.campaign_cursors k on k.campaign_id = q.campaign_id
    left join public.provider_accounts a on a.id = q.account_id
    left join public.templates t on t.id = q.template_id
    cross join lateral (
        select
            (q.status = 'processing') <> (q.claim_id is not null)
            or (q.status = 'sent') <> (q.provider_message_id is not null)
            or (q.status = 'sent') <> (q.sent_at is not null)
            or (q.delivery_status is not null and q.status <> 'sent')
            or (q.status = 'unknown') <> (q.unknown_since is not null)
            or (q.due_at is not null and q.status <> 'ready')
            or (q.error_class is null and q.status in ('failed', 'skipped', 'cancelled'))
            or (q.status in ('sent', 'failed', 'skipped', 'cancelled')) <> (q.settled_at is not null)
            or (q.attempt = 0 and q.status in ('processing', 'unknown', 'sent'))
            or (q.delivered_at is not null) <> coalesce(q.delivery_status >= 'delivered', false)
            or (q.read_at is not null) <> coalesce(q.delivery_status = 'read', false)
            or least(q.attempt, q.tries, q.lost_claims) < 0 as is_misshapen,
            a.id is null or a.organization_id <> q.organization_id
            or (q.campaign_id is not null and (c.id is null or c.organization_id <> q.organization_id or c.account_id <> q.account_id))
            or (q.campaign_id is null and (t.id is null or t.organization_id <> q.organization_id)) as is_foreign,
            q.status = 'ready' and q.due_at is null and (q.campaign_id is null or q.id <= k.last_entry_id) as is_lost,
            c.status in ('draft', 'scheduled') and (q.attempt > 0 or q.status not in ('ready', 'skipped')) as is_early
    ) judged
    cross join lateral (
        values
            (judged.is_misshapen, 3, 'entry_state_fits_its_columns', format('it is %s', q.status)),
            (judged.is_foreign, 12, 'entry_stays_in_its_organization', 'its campaign, account or template belongs elsewhere or is gone'),
            (judged.is_lost, 7, 'ready_entry_can_be_reached', 'it lies behind the cursor without a due time: no claim finds it'),
            (judged.is_early, 7, 'nothing_leaves_before_the_start', format('it is %s, its campaign %s', q.status, c.status)),
            (
                not _numbers_are_checked and q.recipient !~ '^\+[1-9][0-9]{6,14}$',
                1, 'recipient_is_e164', 'its recipient is no E.164 number'
            )
    ) broken(is_so, invariant, name, detail)
    where (judged.is_misshapen or judged.is_foreign or judged.is_lost or judged.is_early or not _numbers_are_checked)
        and broken.is_so
        and (_campaign_id is null or q.campaign_id = _campaign_id)
        and (_organization_ids is null or q.organization_id = any (_organization_ids));
end;
$$;

comment on function sendonce.verify_entries(uuid, uuid[]) is
    'Called by verify_invariants. Judges the entries of one campaign or of these organizations (nulls: all) by themselves.';

create function sendonce.verify_attempts(_campaign_id uuid, _organization_ids uuid[])
returns setof sendonce.violation
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_custom_plan
set work_mem = '128MB'
set jit = off
as $$
declare
    _some_lack_one boolean;
begin
    -- Every entry with the attempt that was accepted first.
    return query
    select broken.invariant::smallint, broken.name, l.campaign_id, l.id, broken.detail
    from (
        select
            q.id, q.campaign_id, q.status, q.attempt as last_attempt, q.provider_message_id as wamid, q.delivered_at is not null as delivered,
            m.attempt, m.provider_message_id as accepted_wamid, m.delivered_at is not null as attempt_delivered
        from public.send_queue q
        left join public.messages m on m.entry_id = q.id and m.outcome = 'accepted' and not m.is_second_acceptance
        where (_campaign_id is null or q.campaign_id = _campaign_id)
            and (_organization_ids is null or q.organization_id = any (_organization_ids))
            -- What is out of order in any way below, and nothing else goes further.
            and (
                (q.status = 'sent') <> (m.attempt is not null)
                or q.provider_message_id <> m.provider_message_id
                or (q.provider_message_id is null and m.attempt is not null)
                or (q.delivered_at is not null) <> (m.delivered_at is not null)
            )
    ) l
    cross join lateral (
        select coalesce(bool_or(m.delivered_at is not null), false) as delivered
        from public.messages m
        where m.entry_id = l.id and m.is_second_acceptance
    ) second
    cross join lateral (
        values
            (l.status = 'sent' and l.attempt is null, 8, 'sent_entry_has_its_acceptance', 'no attempt was accepted first'),
            (
                l.status <> 'sent' and l.attempt is not null,
                8, 'acceptance_means_sent', format('attempt %s was accepted, and the entry is %s', l.attempt, l.status)
            ),
            (
                l.status = 'sent' and l.attempt is not null and l.wamid is distinct from l.accepted_wamid,
                2, 'first_wamid_stays_on_the_entry', format('the accepted attempt %s has another message id than the entry', l.attempt)
            ),
            (
                l.status = 'sent' and l.attempt is not null and l.delivered and not (l.attempt_delivered or second.delivered),
                10, 'delivered_is_charged', 'the entry was delivered, and no attempt was'
            ),
            (
                l.status = 'sent' and not l.delivered and l.attempt_delivered,
                11, 'delivery_reaches_the_entry', format('attempt %s was delivered, and the entry was not', l.attempt)
            )
    ) broken(is_so, invariant, name, detail)
    where broken.is_so;
    _some_lack_one := found;

    -- Every attempt with its entry.
    return query
    select broken.invariant::smallint, broken.name, l.campaign_id, l.id, broken.detail
    from (
        select
            q.id, q.campaign_id, q.status, q.attempt as last_attempt, q.provider_message_id as wamid, q.delivered_at is not null as delivered,
            m.attempt, m.outcome, m.provider_message_id as accepted_wamid, m.is_second_acceptance,
            m.delivered_at is not null as attempt_delivered,
            m.units <> q.units as has_other_units,
            (m.organization_id, m.account_id, coalesce(m.campaign_id, m.account_id))
                <> (q.organization_id, q.account_id, coalesce(q.campaign_id, q.account_id)) as is_foreign
        from public.messages m
        join public.send_queue q on q.id = m.entry_id
        where (_campaign_id is null or q.campaign_id = _campaign_id)
            and (_organization_ids is null or q.organization_id = any (_organization_ids))
            and (
                m.attempt not between 1 and q.attempt
                or m.is_second_acceptance
                or m.units <> q.units
                or m.organization_id <> q.organization_id
                or m.account_id <> q.account_id
                or m.campaign_id is distinct from q.campaign_id
            )
    ) l
    cross join lateral (
        values
            (
                l.attempt not between 1 and l.last_attempt,
                8, 'attempt_was_handed_out', format('it has an attempt %s, and %s were handed out', l.attempt, l.last_attempt)
            ),
            (
                l.status <> 'sent' and l.is_second_acceptance and l.outcome = 'accepted',
                8, 'acceptance_means_sent', format('attempt %s was accepted, and the entry is %s', l.attempt, l.status)
            ),
            (
                l.is_second_acceptance and l.accepted_wamid = l.wamid,
                2, 'first_wamid_stays_on_the_entry', format('the message id of the entry is called the second acceptance of attempt %s', l.attempt)
            ),
            (
                l.status = 'sent' and l.is_second_acceptance and not l.delivered and l.attempt_delivered,
                11, 'delivery_reaches_the_entry', format('attempt %s was delivered, and the entry was not', l.attempt)
            ),
            (l.has_other_units, 10, 'attempt_charges_the_entrys_units', format('attempt %s charges other units than the entry has', l.attempt)),
            (l.is_foreign, 12, 'attempt_stays_in_its_organization', format('attempt %s names another organization, account or campaign', l.attempt))
    ) broken(is_so, invariant, name, detail)
    where broken.is_so;

    -- Where there are as many first acceptances as sent entries, and each has one, none has two.
    if _some_lack_one or (
        select count(*) from public.messages m
        where m.outcome = 'accepted' and not m.is_second_acceptance
            and (_campaign_id is null or m.campaign_id = _campaign_id)
            and (_organization_ids is null or m.organization_id = any (_organization_ids))
    ) > (
        select count(*) from public.send_queue q
        where q.status = 'sent'
            and (_campaign_id is null or q.campaign_id = _campaign_id)
            and (_organization_ids is null or q.organization_id = any (_organization_ids))
    ) then
        return query
        select 8::smallint, 'second_acceptance_is_marked', (array_agg(m.campaign_id))[1], m.entry_id,
            format('%s attempts were accepted, and each calls itself the first', count(*))
        from public.messages m
        where m.outcome = 'accepted' and not m.is_second_acceptance
            and (_campaign_id is null or m.campaign_id = _campaign_id)
            and (_organization_ids is null or m.organization_id = any (_organization_ids))
        group by m.entry_id
        having count(*) > 1;
    end if;

    return query
    select 8::smallint, 'unknown_entry_has_an_unknown_attempt', q.campaign_id, q.id,
        format('no row says that attempt %s may have gone out', q.attempt)
    from public.send_queue q
    where q.status = 'unknown'
        and not exists (select from public.messages m where m.entry_id = q.id and m.attempt = q.attempt and m.outcome = 'unknown')
        and (_campaign_id is null or q.campaign_id = _campaign_id)
        and (_organization_ids is null or q.organization_id = any (_organization_ids));

    return query
    select 3::smallint, 'attempt_has_its_entry', m.campaign_id, m.entry_id, format('attempt %s of an entry that does not exist', m.attempt)
    from public.messages m
    where not exists (select from public.send_queue q where q.id = m.entry_id)
        and (_campaign_id is null or m.campaign_id = _campaign_id)
        and (_organization_ids is null or m.organization_id = any (_organization_ids));

    -- Second acceptances are few.
    return query
    select 2::smallint, 'wamid_belongs_to_one_entry', m.campaign_id, m.entry_id,
        format('the message id of attempt %s belongs to another entry', m.attempt)
    from public.messages m
    where m.is_second_acceptance
        and (
            exists (
                select from public.send_queue q
                where q.account_id = m.account_id and q.provider_message_id = m.provider_message_id and q.id <> m.entry_id
            )
            or exists (
                select from public.messages o
                where o.account_id = m.account_id and o.provider_message_id = m.provider_message_id and o.is_second_acceptance
                    and (o.entry_id, o.attempt) < (m.entry_id, m.attempt)
            )
        )
        and (_campaign_id is null or m.campaign_id = _campaign_id)
        and (_organization_ids is null or m.organization_id = any (_organization_ids));

    return query
    select 8::smallint, 'second_acceptance_is_listed', m.campaign_id, m.entry_id,
        format('attempt %s was a second acceptance, and discrepancies does not list it', m.attempt)
    from public.messages m
    where m.is_second_acceptance
        and not exists (
            select from public.discrepancies d
            where d.kind = 'second_acceptance' and d.entry_id = m.entry_id and d.detail ->> 'attempt' = m.attempt::text
        )
        and (_campaign_id is null or m.campaign_id = _campaign_id)
        and (_organization_ids is null or m.organization_id = any (_organization_ids));

    return query
    select 11::smallint, 'applied_report_is_in_the_entry', q.campaign_id, l.entry_id,
        format('a report said %s, and the entry %s', min(l.status), case when q.id is null then 'does not exist' else 'is ' || q.status || coalesce(', ' || q.delivery_status, '') end)
    from sendonce.report_log l
    left join public.provider_statuses s on s.provider = l.provider and s.status = l.status
    left join public.send_queue q on q.id = l.entry_id
    where l.disposition = 'applied'
        and (
            q.id is null
            or q.status <> 'sent'
            or s.delivery_status > q.delivery_status
            or (s.delivery_status is not null and q.delivery_status is null)
        )
        and (_campaign_id is null or q.campaign_id = _campaign_id)
        and (_organization_ids is null or q.organization_id = any (_organization_ids))
    group by q.id, l.entry_id;
end;
$$;

comment on function sendonce.verify_attempts(uuid, uuid[]) is
    'Called by verify_invariants. Judges the attempts and the reports of one campaign or of these organizations (nulls: all) against the entries.';

create function sendonce.verify_claims(_campaign_id uuid, _organization_ids uuid[])
returns setof sendonce.violation
language plpgsql
stable
set search_path = ''
set plan_cache_mode = force_custom_plan
as $$
begin
    -- A claim that has run out is no violation: expire_claims comes for it. One that nothing comes for is.
    return query
    with held as materialized (
        select k.id as claim_id, e.entry_id
        from public.claims k
        cross join lateral unnest(k.entry_ids) e(entry_id)
    )
    select 9::smallint, 'entry_in_hand_is_in_its_claim', q.campaign_id, q.id,
        format('it is processing in claim %s, which %s', q.claim_id, case when exists (select from public.claims k where k.id = q.claim_id) then 'does not list it' else 'does not exist' end)
    from public.send_queue q
    where q.status = 'processing'
        and not exists (select from held h where h.entry_id = q.id and h.claim_id = q.claim_id)
        and (_campaign_id is null or q.campaign_id = _campaign_id)
        and (_organization_ids is null or q.organization_id = any (_organization_ids));

    return query
    with held as materialized (
        select k.id as claim_id, k.account_id, k.organization_id, e.entry_id
        from public.claims k
        cross join lateral unnest(k.entry_ids) e(entry_id)
        where _organization_ids is null or k.organization_id = any (_organization_ids)
    )
    select 9::smallint, 'claim_holds_its_own_entries', q.campaign_id, h.entry_id,
        format('claim %s lists it, and it %s', h.claim_id, case
            when q.id is null then 'does not exist'
            when q.account_id <> h.account_id then 'is another account''s'
            else format('is %s%s', q.status, ' in claim ' || q.claim_id)
        end)
    from held h
    left join public.send_queue q on q.id = h.entry_id
    -- Sent is no violation: a report can be faster than the worker's own result.
    where (q.id is null or q.account_id <> h.account_id or not (q.status = 'sent' or (q.status = 'processing' and q.claim_id is not distinct from h.claim_id)))
        and (_campaign_id is null or q.campaign_id = _campaign_id);

    return query
    select 9::smallint, 'entry_is_in_one_claim', null::uuid, e.entry_id, format('claims list it %s times', count(*))
    from public.claims k
    cross join lateral unnest(k.entry_ids) e(entry_id)
    where _campaign_id is null and (_organization_ids is null or k.organization_id = any (_organization_ids))
    group by e.entry_id
    having count(*) > 1;

    return query
    select 9::smallint, 'dispatched_is_part_of_the_claim', null::uuid, d.entry_id, format('claim %s dispatched it without holding it', k.id)
    from public.claims k
    cross join lateral unnest(k.dispatched) d(entry_id)
    where _campaign_id is null
        and (_organization_ids is null or k.organization_id = any (_organization_ids))
        and d.entry_id <> all (k.entry_ids);

    return query
    select 12::smallint, 'claim_stays_in_its_organization', null::uuid, null::bigint, format('claim %s is of another organization than its account', k.id)
    from public.claims k
    left join public.provider_accounts a on a.id = k.account_id
    where _campaign_id is null
        and (_organization_ids is null or k.organization_id = any (_organization_ids))
        and a.organization_id is distinct from k.organization_id;
end;
$$;

comment on function sendonce.verify_claims(uuid, uuid[]) is
    'Called by verify_invariants. Judges open claims against the entries they hold.';

create function sendonce.verify_guards()
returns setof sendonce.violation
language plpgsql
stable
set search_path = ''
as $$
begin
    return query
    with expected(invariant, name, on_table, function_name) as (
        values
            (3, 'guard_new_campaign', 'public.campaigns', 'sendonce.guard_campaign'),
            (3, 'guard_campaign', 'public.campaigns', 'sendonce.guard_campaign'),
            (3, 'pause_at_failure_rate', 'public.campaigns', 'sendonce.pause_at_failure_rate'),
            (3, 'log_pause', 'public.campaigns', 'sendonce.log_pause'),
            (3, 'refuse_deletion', 'public.campaigns', 'sendonce.refuse_deletion'),
            (3, 'refuse_deletion', 'public.provider_accounts', 'sendonce.refuse_deletion'),
            (3, 'refuse_deletion', 'public.templates', 'sendonce.refuse_deletion'),
            (3, 'refuse_deletion', 'public.campaign_events', 'sendonce.refuse_deletion'),
            (3, 'guard_entry_identity', 'public.send_queue', 'sendonce.refuse_changed_entry'),
            (3, 'guard_entry_progress', 'public.send_queue', 'sendonce.refuse_changed_progress'),
            (3, 'guard_entry_transition', 'public.send_queue', 'sendonce.guard_entry_transition'),
            (3, 'guard_queue_insert', 'public.send_queue', 'sendonce.guard_queue_insert'),
            (3, 'refuse_deletion', 'public.send_queue', 'sendonce.refuse_deletion'),
            (4, 'count_inserted_entries', 'public.send_queue', 'sendonce.count_inserted_entries'),
            (4, 'count_moved_entries', 'public.send_queue', 'sendonce.count_moved_entries'),
            (8, 'guard_message', 'public.messages', 'sendonce.guard_message'),
            (3, 'refuse_deletion', 'public.messages', 'sendonce.refuse_deletion'),
            (10, 'charge_inserted_messages', 'public.messages', 'sendonce.charge_inserted_messages'),
            (10, 'charge_changed_messages', 'public.messages', 'sendonce.charge_changed_messages')
    )
    select e.invariant::smallint, 'guard_is_in_place', null::uuid, null::bigint,
        format('trigger %s on %s is %s', e.name, e.on_table, case
            when t.oid is null then 'missing'
            when t.tgenabled not in ('O', 'A') then 'disabled'
            else 'another one'
        end)
    from expected e
    left join pg_catalog.pg_trigger t on t.tgrelid = to_regclass(e.on_table) and t.tgname = e.name and not t.tgisinternal
    where t.oid is null or t.tgenabled not in ('O', 'A') or t.tgfoid <> to_regproc(e.function_name);

    return query
    with expected(invariant, name, on_table) as (
        values
            (1, 'idx_send_queue_campaign_recipient', 'public.send_queue'),
            (2, 'idx_send_queue_wamid', 'public.send_queue'),
            (2, 'idx_messages_second_wamid', 'public.messages'),
            (3, 'idx_send_queue_idempotency', 'public.send_queue'),
            (3, 'send_queue_pkey', 'public.send_queue'),
            (3, 'campaigns_pkey', 'public.campaigns'),
            (9, 'claims_pkey', 'public.claims'),
            (10, 'messages_pkey', 'public.messages')
    )
    select e.invariant::smallint, 'guard_is_in_place', null::uuid, null::bigint,
        format('unique index %s on %s is %s', e.name, e.on_table, case when i.indexrelid is null then 'missing' else 'not unique or not valid' end)
    from expected e
    left join (pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid)
        on i.indrelid = to_regclass(e.on_table) and c.relname = e.name
    where i.indexrelid is null or not (i.indisunique and i.indisvalid and i.indisready and i.indimmediate);

    return query
    with expected(invariant, on_table, names) as (
        values
            (
                5, 'public.campaigns',
                array[
                    'counters_are_not_negative', 'settled_stays_within_total', 'delivered_stays_within_sent', 'read_stays_within_delivered',
                    'progress_stays_within_0_and_100'
                ]
            ),
            (6, 'public.campaigns', array['completed_means_all_settled', 'active_means_some_unsettled']),
            (10, 'public.campaigns', array['cost_is_not_negative']),
            (
                3, 'public.campaigns',
                array[
                    'campaign_name_is_not_blank', 'window_is_whole', 'window_is_not_empty', 'failure_rate_is_a_share',
                    'completed_has_its_time', 'cancelled_has_its_time', 'paused_has_its_time_and_reason',
                    'scheduled_has_its_time', 'started_has_its_time'
                ]
            ),
            (1, 'public.send_queue', array['recipient_is_e164']),
            (
                3, 'public.send_queue',
                array[
                    'template_comes_from_campaign_or_entry', 'units_are_sensible', 'processing_is_held_by_a_claim', 'sent_has_a_wamid',
                    'sent_has_its_time', 'only_sent_is_delivered', 'unknown_has_its_time', 'only_ready_is_due', 'failed_has_a_class',
                    'settled_has_its_time'
                ]
            ),
            (8, 'public.messages', array['accepted_has_a_wamid', 'only_accepted_is_delivered']),
            (10, 'public.messages', array['rate_names_its_event']),
            (9, 'public.claims', array['claim_holds_something'])
    )
    select e.invariant::smallint, 'guard_is_in_place', null::uuid, null::bigint,
        format('constraint %s on %s is %s', n.name, e.on_table, case when k.oid is null then 'missing' else 'not validated' end)
    from expected e
    cross join lateral unnest(e.names) n(name)
    left join pg_catalog.pg_constraint k on k.conrelid = to_regclass(e.on_table) and k.conname = n.name and k.contype = 'c'
    where k.oid is null or not k.convalidated;
end;
$$;

comment on function sendonce.verify_guards() is
    'Called by verify_invariants. Names every trigger, unique index and constraint that an invariant rests on and that is missing, disabled or not validated.';

create function sendonce.verify_access()
returns setof sendonce.violation
language plpgsql
stable
set search_path = ''
as $$
begin
    return query
    with tables as (
        select c.oid, format('%s.%s', n.nspname, c.relname) as name, c.relrowsecurity, n.nspname
        from pg_catalog.pg_class c
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'p')
            and (
                n.nspname = 'sendonce'
                or (
                    n.nspname = 'public'
                    and c.relname in (
                        'organizations', 'organization_members', 'limit_groups', 'provider_accounts', 'templates', 'rates', 'error_classes',
                        'provider_errors', 'provider_statuses', 'campaigns', 'send_queue', 'claims', 'messages', 'suppressions',
                        'discrepancies', 'campaign_events', 'daily_summary'
                    )
                )
            )
    ),
    -- Superusers may do anything; there is nothing to find.
    roles as (
        select r.rolname
        from pg_catalog.pg_roles r
        where r.rolname in ('anon', 'authenticated', 'service_role', 'sendonce_worker') and not r.rolsuper
    )
    select 12::smallint, 'rows_are_guarded_by_policies', null::uuid, null::bigint, format('row level security of %s is off', t.name)
    from tables t
    where t.nspname = 'public' and not t.relrowsecurity
    union all
    select 12::smallint, 'rows_are_guarded_by_policies', null::uuid, null::bigint, format('policy %s on %s is not ours', p.polname, t.name)
    from tables t
    join pg_catalog.pg_policy p on p.polrelid = t.oid
    where p.polpermissive
        and p.polname not in (
            'members_see_their_organization', 'members_see_shared_and_own_rates', 'everybody_sees_what_codes_mean', 'service_sees_all'
        )
    union all
    select 12::smallint, 'nobody_writes_tables', null::uuid, null::bigint, format('%s may %s %s', r.rolname, p.privilege, t.name)
    from tables t
    cross join roles r
    cross join (values ('insert'), ('update'), ('delete'), ('truncate')) p(privilege)
    where case
        when p.privilege in ('insert', 'update') then has_any_column_privilege(r.rolname, t.oid, p.privilege)
        else has_table_privilege(r.rolname, t.oid, p.privilege)
    end
    union all
    select 12::smallint, 'only_members_read_tables', null::uuid, null::bigint, format('%s may select from %s', r.rolname, t.name)
    from tables t
    cross join roles r
    where (r.rolname in ('anon', 'sendonce_worker') or t.nspname = 'sendonce')
        and has_any_column_privilege(r.rolname, t.oid, 'select')
    union all
    select 12::smallint, 'only_its_audience_executes_a_function', null::uuid, null::bigint,
        format('%s may execute %s', r.rolname, p.oid::regprocedure)
    from pg_catalog.pg_proc p
    left join sendonce.function_access l on to_regprocedure(l.signature) = p.oid
    cross join roles r
    where (p.pronamespace = 'sendonce'::regnamespace or l.signature is not null)
        and not sendonce.may_execute(coalesce(l.audience, 'nobody'), r.rolname)
        and has_function_privilege(r.rolname, p.oid, 'execute');
end;
$$;

comment on function sendonce.verify_access() is
    'Called by verify_invariants. Names what a role of the API could do beyond its rights: tables without row level security, foreign policies, writes, reads, functions.';

create function sendonce.verify_invariants(_campaign_id uuid default null)
returns setof sendonce.violation
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
    _organization_ids uuid[];
    _campaign_ids uuid[];
begin
    if not sendonce.caller_is_operator_of_all() then
        _organization_ids := array(select o.id from sendonce.caller_organizations() o(id));
    end if;
    if _campaign_id is not null then
        if not exists (
            select from public.campaigns c
            where c.id = _campaign_id and (_organization_ids is null or c.organization_id = any (_organization_ids))
        ) then
            perform sendonce.raise_not_found('campaign', _campaign_id::text);
        end if;
        _campaign_ids := array[_campaign_id];
    elsif _organization_ids is not null then
        _campaign_ids := array(select c.id from public.campaigns c where c.organization_id = any (_organization_ids));
    end if;

    return query select v.* from sendonce.verify_campaigns(_campaign_ids) v;
    return query select v.* from sendonce.verify_entries(_campaign_id, _organization_ids) v;
    return query select v.* from sendonce.verify_attempts(_campaign_id, _organization_ids) v;
    return query select v.* from sendonce.verify_claims(_campaign_id, _organization_ids) v;
    return query select v.* from sendonce.verify_guards() v;
    return query select v.* from sendonce.verify_access() v;
end;
$$;

comment on function sendonce.verify_invariants(uuid) is 'Called through public.verify_invariants, which documents it.';
