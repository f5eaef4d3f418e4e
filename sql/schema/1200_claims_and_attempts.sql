-- Claims: batches in a worker's hands. Messages: what became of each attempt, and what it cost.

create sequence sendonce.claim_ids as bigint;

-- Emptied by the server itself whenever it recovers from a crash, and empty on a standby that takes over:
-- just then the sequence may have fallen back behind ids that workers hold in memory.
create unlogged table sendonce.no_crash_since (
    only_row boolean primary key default true,
    constraint there_is_one_mark check (only_row)
);

comment on table sendonce.no_crash_since is
    'Has a row as long as the server has not crashed: claims need not reach the disk before their ids are given out, so a crash may lose both.';

insert into sendonce.no_crash_since default values;

comment on sequence sendonce.claim_ids is 'Ids of claims: drawn before the entries are moved, never used again.';

create table public.claims (
    id bigint primary key default nextval('sendonce.claim_ids'),
    organization_id uuid not null references public.organizations (id),
    account_id uuid not null references public.provider_accounts (id),
    worker text not null,
    claimed_at timestamptz not null default sendonce.now(),
    expires_at timestamptz not null,
    -- In the worker's hands and without an outcome, by id; a claim with none is deleted.
    entry_ids bigint[] not null,
    -- Those of them that may have left for the provider.
    dispatched bigint[] not null default '{}',
    constraint claim_holds_something check (cardinality(entry_ids) > 0)
) with (fillfactor = 50);

create index idx_claims_expires on public.claims (expires_at);
create index idx_claims_account on public.claims (account_id);
create index idx_claims_organization on public.claims (organization_id);

comment on table public.claims is 'One batch of entries in one worker''s hands: the lease, and what was dispatched. Deleted when closed.';

create type public.message_outcome as enum ('unknown', 'not_sent', 'rejected', 'accepted');

create table public.messages (
    entry_id bigint not null,
    attempt integer not null,
    organization_id uuid not null,
    account_id uuid not null,
    campaign_id uuid,
    worker text,
    claimed_at timestamptz not null,
    outcome public.message_outcome not null,
    provider_message_id text,
    -- The entry has the WAMID of another attempt: two acceptances for one contact.
    is_second_acceptance boolean not null default false,
    error_class text,
    error_code text,
    error_message text,
    delivered_at timestamptz,
    units smallint not null,
    -- The rate in force when the attempt was claimed; null where no rate was set.
    rate numeric(12, 6),
    charge_on public.charge_event,
    -- By construction charged once, whatever comes how often and in which order.
    cost numeric(14, 6) generated always as (
        case
            when charge_on = 'accepted' and outcome = 'accepted' then rate * units
            when charge_on = 'delivered' and delivered_at is not null then rate * units
            else 0
        end
    ) stored,
    recorded_at timestamptz not null default sendonce.now(),
    primary key (entry_id, attempt),
    constraint accepted_has_a_wamid check ((outcome = 'accepted') = (provider_message_id is not null)),
    constraint only_accepted_is_delivered check (delivered_at is null or outcome = 'accepted'),
    constraint rate_names_its_event check ((rate is null) = (charge_on is null))
) with (fillfactor = 80);

-- The WAMID of the entry itself is found in send_queue; only those of second acceptances live here alone.
create unique index idx_messages_second_wamid on public.messages (account_id, provider_message_id) where is_second_acceptance;

comment on table public.messages is 'One row per attempt that may have reached the provider: claimed when, by which worker, what came of it, what it cost.';

create function sendonce.guard_message()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
begin
    if (new.entry_id, new.attempt, new.organization_id, new.account_id, new.claimed_at, new.units)
        is distinct from (old.entry_id, old.attempt, old.organization_id, old.account_id, old.claimed_at, old.units)
        or (new.campaign_id, new.worker, new.rate, new.charge_on) is distinct from (old.campaign_id, old.worker, old.rate, old.charge_on)
        or (old.provider_message_id is not null and new.provider_message_id is distinct from old.provider_message_id)
        or (old.delivered_at is not null and new.delivered_at is null)
    then
        raise exception using
            errcode = 'SO008',
            message = 'an attempt''s claim, rate and WAMID never change',
            detail = format('Entry %s, attempt %s.', old.entry_id, old.attempt),
            hint = 'Another attempt is another row.';
    end if;
    -- unknown → not_sent, rejected, accepted; not_sent, rejected → accepted.
    if new.outcome <> old.outcome and not (old.outcome = 'unknown' or (new.outcome = 'accepted' and old.outcome in ('not_sent', 'rejected'))) then
        raise exception using
            errcode = 'SO007',
            message = format('an attempt cannot go from %s to %s', old.outcome, new.outcome),
            detail = format('Entry %s, attempt %s.', old.entry_id, old.attempt),
            hint = 'An outcome only becomes more certain.';
    end if;
    return new;
end;
$$;

comment on function sendonce.guard_message() is
    'Trigger before update of messages, for every role. Raises SO008 for a changed identity, rate or WAMID, SO007 for an outcome that becomes less certain.';

create trigger guard_message
    before update on public.messages
    for each row execute function sendonce.guard_message();

create trigger refuse_deletion
    before delete or truncate on public.messages
    for each statement execute function sendonce.refuse_deletion();

create function sendonce.charge_inserted_messages()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _charge record;
begin
    for _charge in
        select n.campaign_id, sum(n.cost) as cost
        from new_rows n
        where n.campaign_id is not null and n.cost <> 0
        group by n.campaign_id
        order by n.campaign_id
    loop
        perform sendonce.increment_campaign_counters(_charge.campaign_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, _charge.cost);
    end loop;
    return null;
end;
$$;

comment on function sendonce.charge_inserted_messages() is
    'Trigger after insert into messages, for every role. Adds what the new attempts cost to their campaigns.';

create trigger charge_inserted_messages
    after insert on public.messages
    referencing new table as new_rows
    for each statement execute function sendonce.charge_inserted_messages();

create function sendonce.charge_changed_messages()
returns trigger
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _charge record;
begin
    for _charge in
        select moved.campaign_id, sum(moved.cost) as cost
        from (
            select n.campaign_id, n.cost from new_rows n
            union all
            select o.campaign_id, -o.cost from old_rows o
        ) moved
        where moved.campaign_id is not null and moved.cost <> 0
        group by moved.campaign_id
        having sum(moved.cost) <> 0
        order by moved.campaign_id
    loop
        perform sendonce.increment_campaign_counters(_charge.campaign_id, 0, 0, 0, 0, 0, 0, 0, 0, 0, _charge.cost);
    end loop;
    return null;
end;
$$;

comment on function sendonce.charge_changed_messages() is
    'Trigger after update of messages, for every role. Moves the cost of each campaign by what the statement charged.';

create trigger charge_changed_messages
    after update on public.messages
    referencing old table as old_rows new table as new_rows
    for each statement execute function sendonce.charge_changed_messages();

-- An attempt as record_results, ingest_delivery_reports and expire_claims hand it to write_attempts.
create type sendonce.attempt as (
    entry_id bigint,
    attempt integer,
    organization_id uuid,
    account_id uuid,
    campaign_id uuid,
    template_id uuid,
    recipient text,
    units smallint,
    outcome public.message_outcome,
    provider_message_id text,
    is_second_acceptance boolean,
    error_class text,
    error_code text,
    error_message text,
    delivered_at timestamptz,
    worker text,
    claimed_at timestamptz
);

create function sendonce.write_attempts(_attempts sendonce.attempt[])
returns void
language plpgsql
volatile
set search_path = ''
set jit = off
as $$
declare
    _now constant timestamptz := sendonce.now();
    _rates numeric[];
    _events public.charge_event[];
begin
    if exists (select from public.rates) then
        -- One look at the price list per campaign, not per attempt; the answers in the order of _attempts.
        select array_agg(price.rate order by source.ordinals[price.place]), array_agg(price.charge_on order by source.ordinals[price.place])
        into _rates, _events
        from (
            select
                told.organization_id, told.account_id, told.campaign_id, told.template_id,
                array_agg(told.ordinal) as ordinals, array_agg(told.recipient) as recipients, array_agg(told.claimed_at) as claimed_ats
            from (select a.*, row_number() over () as ordinal from unnest(_attempts) a) told
            group by told.organization_id, told.account_id, told.campaign_id, told.template_id
        ) source
        join public.provider_accounts account on account.id = source.account_id
        left join public.campaigns c on c.id = source.campaign_id
        join public.templates t on t.id = coalesce(c.template_id, source.template_id)
        cross join lateral sendonce.price_recipients(
            source.organization_id, account.provider, t.category, coalesce(c.currency, account.currency), source.recipients, source.claimed_ats
        ) price;
    end if;

    insert into public.messages as m (
        entry_id, attempt, organization_id, account_id, campaign_id, worker, claimed_at, outcome, provider_message_id,
        is_second_acceptance, error_class, error_code, error_message, delivered_at, units, rate, charge_on, recorded_at
    )
    select
        a.entry_id, a.attempt, a.organization_id, a.account_id, a.campaign_id, a.worker, a.claimed_at, a.outcome,
        a.provider_message_id, a.is_second_acceptance, a.error_class, a.error_code, a.error_message, a.delivered_at,
        a.units, a.rate, a.charge_on, _now
    from unnest(_attempts, _rates, _events) a(
        entry_id, attempt, organization_id, account_id, campaign_id, template_id, recipient, units, outcome, provider_message_id,
        is_second_acceptance, error_class, error_code, error_message, delivered_at, worker, claimed_at, rate, charge_on
    )
    on conflict (entry_id, attempt) do update
    set outcome = case
            when m.outcome = 'unknown' or excluded.outcome = 'accepted' then excluded.outcome
            else m.outcome
        end,
        provider_message_id = coalesce(m.provider_message_id, excluded.provider_message_id),
        is_second_acceptance = case when m.provider_message_id is null then excluded.is_second_acceptance else m.is_second_acceptance end,
        error_class = case when excluded.outcome = 'accepted' then null when m.outcome = 'unknown' then excluded.error_class else m.error_class end,
        error_code = case when excluded.outcome = 'accepted' then null when m.outcome = 'unknown' then excluded.error_code else m.error_code end,
        error_message = case when excluded.outcome = 'accepted' then null when m.outcome = 'unknown' then excluded.error_message else m.error_message end,
        delivered_at = least(m.delivered_at, excluded.delivered_at)
    where (m.outcome = 'unknown' and excluded.outcome <> 'unknown')
        or (m.outcome <> 'accepted' and excluded.outcome = 'accepted')
        or (excluded.delivered_at is not null and excluded.delivered_at < coalesce(m.delivered_at, 'infinity'));
end;
$$;

comment on function sendonce.write_attempts(sendonce.attempt[]) is
    'Called by record_results, ingest_delivery_reports and expire_claims, with attempts in entry order and the entries locked. Inserts or completes their rows of messages; an outcome only becomes more certain.';

create table public.suppressions (
    organization_id uuid not null references public.organizations (id),
    recipient text not null,
    -- marketing: only MARKETING templates are withheld; all: every message.
    scope text not null default 'marketing',
    reason text not null,
    created_at timestamptz not null default sendonce.now(),
    created_by text not null default sendonce.actor(),
    primary key (organization_id, recipient),
    constraint suppressed_recipient_is_e164 check (recipient ~ '^\+[1-9][0-9]{6,14}$'),
    constraint suppression_scope_is_known check (scope in ('marketing', 'all'))
);

comment on table public.suppressions is 'Who must not be written to. Looked at when a recipient is added, claimed and dispatched.';

create function sendonce.scopes_covering(_category text)
returns text[]
language plpgsql
immutable
set search_path = ''
as $$
begin
    return case when _category = 'MARKETING' then array['all', 'marketing'] else array['all'] end;
end;
$$;

comment on function sendonce.scopes_covering(text) is
    'Called where recipients are added, claimed and dispatched. Returns the scopes of suppressions that withhold a template of this category.';

create table public.discrepancies (
    id bigint generated always as identity primary key,
    organization_id uuid references public.organizations (id),
    account_id uuid references public.provider_accounts (id),
    campaign_id uuid references public.campaigns (id),
    entry_id bigint,
    kind text not null,
    -- What makes two of a kind the same one, so that a repetition is not listed twice.
    fingerprint text not null,
    detail jsonb not null default '{}',
    seen_at timestamptz not null default sendonce.now(),
    unique (kind, fingerprint)
);

create index idx_discrepancies_organization on public.discrepancies (organization_id, id desc);
create index idx_discrepancies_account on public.discrepancies (account_id);
create index idx_discrepancies_campaign on public.discrepancies (campaign_id);

comment on table public.discrepancies is 'What did not fit and was kept out of the numbers, or was let in and should be looked at: second acceptances, conflicting WAMIDs, unlisted codes, impossible reports.';
