-- The entries: one contact in one campaign, or a single message. What may happen to one, and nothing else.

create type public.entry_status as enum ('ready', 'processing', 'unknown', 'sent', 'failed', 'skipped', 'cancelled');

create function sendonce.recipient_problem(_recipient text)
returns text
language plpgsql
immutable
set search_path = ''
as $$
begin
    return case
        when coalesce(_recipient, '') !~ '^\+[1-9][0-9]{6,14}$' then 'not an E.164 number: it needs + and 7 to 15 digits, no spaces'
    end;
end;
$$;

comment on function sendonce.recipient_problem(text) is
    'Called for every recipient that is given to us. Returns what is wrong with the number, null when nothing.';

create table public.send_queue (
    id bigint generated always as identity primary key,
    organization_id uuid not null,
    account_id uuid not null,
    -- Null: a single message, which then names its template itself.
    campaign_id uuid,
    template_id uuid,
    recipient text not null,
    variables jsonb not null default '{}',
    -- What the provider charges by: 1, or the segments of a text message.
    units smallint not null default 1,
    idempotency_key text,

    status public.entry_status not null default 'ready',
    attempt integer not null default 0,
    tries smallint not null default 0,
    claim_id bigint,
    -- Null: handed out by the campaign's cursor. Otherwise: by the second path, not before this time.
    due_at timestamptz,
    -- Claims that ran out before the entry was dispatched.
    lost_claims smallint not null default 0,
    unknown_since timestamptz,

    provider_message_id text,
    delivery_status public.delivery_status,
    -- Why it failed, was skipped, or is on its way again.
    error_class text,
    error_code text,
    error_message text,
    -- Why it was not delivered after the provider had accepted it.
    delivery_error_code text,

    created_at timestamptz not null default sendonce.now(),
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    settled_at timestamptz,

    constraint recipient_is_e164 check (recipient ~ '^\+[1-9][0-9]{6,14}$'),
    constraint template_comes_from_campaign_or_entry check ((campaign_id is null) = (template_id is not null)),
    constraint units_are_sensible check (units between 1 and 100),
    constraint processing_is_held_by_a_claim check ((status = 'processing') = (claim_id is not null)),
    constraint sent_has_a_wamid check ((status = 'sent') = (provider_message_id is not null)),
    constraint sent_has_its_time check ((status = 'sent') = (sent_at is not null)),
    constraint only_sent_is_delivered check (delivery_status is null or status = 'sent'),
    constraint unknown_has_its_time check ((status = 'unknown') = (unknown_since is not null)),
    constraint only_ready_is_due check (due_at is null or status = 'ready'),
    constraint failed_has_a_class check (status not in ('failed', 'skipped') or error_class is not null),
    constraint settled_has_its_time check ((status in ('sent', 'failed', 'skipped', 'cancelled')) = (settled_at is not null))
) with (fillfactor = 50);

-- Foreign keys are replaced by guard_queue_insert (one set-based look per statement instead of three
-- look-ups per row): the referenced rows can neither be deleted nor change their identity.

create unique index idx_send_queue_campaign_recipient on public.send_queue (campaign_id, recipient) where campaign_id is not null;
create unique index idx_send_queue_wamid on public.send_queue (account_id, provider_message_id) where provider_message_id is not null;
-- No predicate names status: a column in a predicate makes every change of it a new index entry.
create index idx_send_queue_campaign on public.send_queue (campaign_id, id) where campaign_id is not null;
create index idx_send_queue_due on public.send_queue (account_id, campaign_id, due_at, id) where due_at is not null;
create index idx_send_queue_unknown on public.send_queue (account_id, unknown_since, id) where unknown_since is not null;
create unique index idx_send_queue_idempotency on public.send_queue (organization_id, idempotency_key) where idempotency_key is not null;

comment on table public.send_queue is 'One row per contact and campaign, or per single message, from its birth to its one final state.';
comment on column public.send_queue.provider_message_id is 'The WAMID (WhatsApp message id, Twilio sid). Set once, unique per account.';
comment on column public.send_queue.attempt is 'How often it was handed out. Rises at every claim and is never reused.';
comment on column public.send_queue.tries is 'Attempts that count against the limit of 3: transient and recipient_later ones.';

create function sendonce.raise_illegal_transition(_entry_id bigint, _from text, _to text, _why text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'SO007',
        message = format('an entry cannot go from %s to %s', _from, _to),
        detail = format('Entry %s: %s', _entry_id, _why),
        hint = 'Call the functions in schema public; a failed entry is sent again by retry_failed only.';
end;
$$;

comment on function sendonce.raise_illegal_transition(bigint, text, text, text) is 'Called by the entry guard. Always raises SO007.';

create function sendonce.refuse_changed_entry()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if old.provider_message_id is not null and new.provider_message_id is distinct from old.provider_message_id then
        raise exception using
            errcode = 'SO008',
            message = 'the WAMID of an entry is set once',
            detail = format('Entry %s has %s.', old.id, old.provider_message_id),
            hint = 'A second acceptance is kept in messages and listed in discrepancies.';
    end if;
    raise exception using
        errcode = 'SO008',
        message = 'campaign, account, template, recipient and units of an entry never change',
        detail = format('Entry %s.', old.id),
        hint = 'Add another recipient to another campaign instead.';
end;
$$;

comment on function sendonce.refuse_changed_entry() is
    'Trigger before update of send_queue, for every role, when an identity or a WAMID changes. Always raises SO008.';

-- The conditions stand in the triggers and not in their functions: an update that changes nothing of the
-- kind pays a comparison and no call.
create trigger guard_entry_identity
    before update on public.send_queue
    for each row
    when (
        new.id <> old.id
        or new.organization_id <> old.organization_id
        or new.account_id <> old.account_id
        or new.campaign_id is distinct from old.campaign_id
        or new.template_id is distinct from old.template_id
        or new.recipient <> old.recipient
        or new.units <> old.units
        or new.idempotency_key is distinct from old.idempotency_key
        or (old.provider_message_id is not null and new.provider_message_id is distinct from old.provider_message_id)
    )
    execute function sendonce.refuse_changed_entry();

create function sendonce.refuse_changed_progress()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    perform sendonce.raise_illegal_transition(
        old.id, concat_ws('/', old.status, old.delivery_status), concat_ws('/', new.status, new.delivery_status),
        'without a change of status neither claim nor attempt change, and a delivery status only rises.'
    );
    return null;
end;
$$;

comment on function sendonce.refuse_changed_progress() is
    'Trigger before update of send_queue, for every role, when claim or attempt change without the status, or the delivery status falls. Always raises SO007.';

create trigger guard_entry_progress
    before update on public.send_queue
    for each row
    when (
        new.status = old.status
        and (
            new.claim_id is distinct from old.claim_id
            or new.attempt <> old.attempt
            or (old.delivery_status is not null and (new.delivery_status is null or new.delivery_status < old.delivery_status))
        )
    )
    execute function sendonce.refuse_changed_progress();

create function sendonce.guard_entry_transition()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if not (case old.status
        when 'ready' then new.status in ('processing', 'sent', 'skipped', 'cancelled')
        when 'processing' then new.status in ('sent', 'ready', 'failed', 'skipped', 'unknown')
        when 'unknown' then new.status in ('sent', 'ready', 'failed')
        when 'failed' then new.status in ('sent', 'ready')
        -- Evidence of acceptance moves any state to sent, and sent is the only absorbing one.
        when 'sent' then false
        else new.status = 'sent'
    end) then
        perform sendonce.raise_illegal_transition(old.id, old.status::text, new.status::text, 'no rule allows it.');
    end if;

    -- What follows from the status is written here, once, for everybody who moves an entry.
    if new.status = 'processing' then
        if new.attempt <> old.attempt + 1 then
            perform sendonce.raise_illegal_transition(old.id, old.status::text, new.status::text, 'a claim starts a new attempt.');
        end if;
        new.due_at := null;
        return new;
    end if;

    if new.attempt <> old.attempt then
        perform sendonce.raise_illegal_transition(
            old.id, old.status::text, new.status::text,
            format('attempt would go from %s to %s, and rises by one at a claim only.', old.attempt, new.attempt)
        );
    end if;
    new.claim_id := null;
    case new.status
        when 'ready' then
            -- The cursor has passed it: from now on the second path hands it out.
            new.due_at := coalesce(new.due_at, sendonce.now());
            new.unknown_since := null;
            new.settled_at := null;
        when 'unknown' then
            new.unknown_since := sendonce.now();
        else
            new.due_at := null;
            new.unknown_since := null;
            new.settled_at := sendonce.now();
            if new.status = 'sent' then
                new.sent_at := coalesce(new.sent_at, new.settled_at);
            end if;
    end case;
    return new;
end;
$$;

comment on function sendonce.guard_entry_transition() is
    'Trigger before update of send_queue, for every role, when the status changes. Raises SO007 for an illegal transition; sets what follows from the status (claim, due time, times).';

-- The two moves that every message makes, handed out and sent, pass without a call when they are written whole.
create trigger guard_entry_transition
    before update on public.send_queue
    for each row
    when (
        new.status <> old.status
        and not (
            old.status = 'ready' and new.status = 'processing' and new.attempt = old.attempt + 1 and new.due_at is null
        )
        and not (
            new.status = 'sent' and new.attempt = old.attempt and new.claim_id is null and new.due_at is null
            and new.unknown_since is null and new.sent_at is not null and new.settled_at is not null
        )
    )
    execute function sendonce.guard_entry_transition();

create trigger refuse_deletion
    before delete or truncate on public.send_queue
    for each statement execute function sendonce.refuse_deletion();

create function sendonce.guard_queue_insert()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _bad record;
begin
    select n.id, n.status, n.campaign_id, n.recipient
    into _bad
    from new_rows n
    left join public.campaigns c on c.id = n.campaign_id
    left join public.provider_accounts a on a.id = n.account_id
    left join public.templates t on t.id = n.template_id
    where n.status not in ('ready', 'skipped')
        or n.attempt <> 0 or n.tries <> 0 or n.lost_claims <> 0
        or a.id is null or a.organization_id <> n.organization_id
        or (
            n.campaign_id is not null
            and (
                c.id is null or c.account_id <> n.account_id or c.organization_id <> n.organization_id
                or c.status not in ('draft', 'scheduled') or n.due_at is not null
            )
        )
        or (
            n.campaign_id is null
            and (t.id is null or t.organization_id <> n.organization_id or (n.status = 'ready' and n.due_at is null))
        )
    limit 1;

    if found then
        raise exception using
            errcode = 'SO010',
            message = 'an entry starts as ready or skipped, in a draft or scheduled campaign of its own account',
            detail = format('Entry %s, campaign %s, status %s.', _bad.id, coalesce(_bad.campaign_id::text, '(none)'), _bad.status),
            hint = 'Use add_recipients before the start, clone_campaign afterwards, send_message for single messages.';
    end if;
    return null;
end;
$$;

comment on function sendonce.guard_queue_insert() is
    'Trigger after insert into send_queue, for every role. Raises SO010 for an entry that starts in an illegal state or does not belong to its campaign''s account.';

create trigger guard_queue_insert
    after insert on public.send_queue
    referencing new table as new_rows
    for each statement execute function sendonce.guard_queue_insert();
