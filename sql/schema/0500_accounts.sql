-- Sender identities at providers, and the groups that share a cap.

create type public.account_unknown_policy as enum ('fail', 'hold');

create table public.limit_groups (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    name text not null,
    -- Distinct people per moving 24 hours over all accounts of the group; null: no cap.
    daily_recipients integer,
    created_at timestamptz not null default sendonce.now(),
    unique (organization_id, name),
    constraint daily_recipients_is_positive check (daily_recipients > 0)
);

comment on table public.limit_groups is 'Accounts that share a provider''s cap, such as a WhatsApp business portfolio.';

create table public.provider_accounts (
    id uuid primary key default gen_random_uuid(),
    organization_id uuid not null references public.organizations (id),
    limit_group_id uuid references public.limit_groups (id),
    provider text not null,
    -- The provider's name for the sender: a WhatsApp phone number id, a Twilio number.
    sender text not null,
    -- The app whose secret signs this account's reports: the last part of the webhook's URL.
    app text not null default 'default',
    name text not null,
    currency text not null default 'USD',

    -- Rates are messages per second; the maximum is the operator's, the current one adapts. Null: unlimited.
    maximum_rate numeric(9, 3) default 80,
    current_rate numeric(9, 3) default 80,
    tokens numeric not null default 0,
    tokens_at timestamptz not null default sendonce.now(),
    -- When the rate was cut last: what was on its way by then tells nothing new.
    rate_cut_at timestamptz,

    -- How long a worker may hold a batch without renewing, and at the very longest.
    lease interval not null default interval '60 seconds',
    longest_claim interval not null default interval '15 minutes',
    -- How long an unknown outcome waits for the provider's report, and what happens then.
    unknown_window interval not null default interval '10 minutes',
    on_unknown public.account_unknown_policy not null default 'fail',

    paused_at timestamptz,
    pause_reason text,
    -- Outcomes in a row that told nothing (ambiguous, never sent, a passing fault), and the rest they earned.
    unsure_in_a_row integer not null default 0,
    rests_in_a_row integer not null default 0,
    resting_until timestamptz,
    rest_reason text,

    created_at timestamptz not null default sendonce.now(),
    unique (provider, sender),
    unique (organization_id, name),
    constraint provider_is_known check (provider in ('whatsapp', 'twilio')),
    constraint account_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$'),
    constraint rates_are_positive check (maximum_rate > 0 and current_rate > 0),
    constraint current_rate_stays_within_the_maximum check (
        (maximum_rate is null) = (current_rate is null) and (maximum_rate is null or current_rate <= maximum_rate)
    ),
    constraint lease_is_sensible check (lease >= interval '1 second' and lease <= longest_claim),
    constraint unknown_window_is_sensible check (unknown_window >= interval '0 seconds'),
    constraint pause_has_a_reason check ((paused_at is null) = (pause_reason is null)),
    constraint rest_has_a_reason check ((resting_until is null) = (rest_reason is null))
) with (fillfactor = 50);

create index idx_provider_accounts_limit_group on public.provider_accounts (limit_group_id);

comment on table public.provider_accounts is 'One sender identity at one provider: its rate, lease, unknown policy and pause state.';

-- Who was written to within 24 hours, for groups with a cap only.
create table sendonce.limit_group_recipients (
    limit_group_id uuid not null references public.limit_groups (id),
    recipient text not null,
    last_dispatched_at timestamptz not null,
    primary key (limit_group_id, recipient)
);

create index idx_limit_group_recipients_age on sendonce.limit_group_recipients (limit_group_id, last_dispatched_at);

comment on table sendonce.limit_group_recipients is 'Distinct people per limit group, with the time of their last message.';

-- The physical database that this data was last known to live in.
create table sendonce.database_identity (
    only_row boolean primary key default true,
    system_identifier bigint not null,
    timeline text not null,
    seen_at timestamptz not null default sendonce.now(),
    constraint there_is_one_identity check (only_row)
);

comment on table sendonce.database_identity is
    'System identifier and WAL timeline at the last look. Another one means a restore or a fail-over: commits may be missing.';

create function sendonce.physical_identity(out system_identifier bigint, out timeline text)
language plpgsql
stable
set search_path = ''
as $$
begin
    system_identifier := (pg_catalog.pg_control_system()).system_identifier;
    timeline := left(pg_catalog.pg_walfile_name(pg_catalog.pg_current_wal_insert_lsn()), 8);
end;
$$;

comment on function sendonce.physical_identity() is
    'Called before every claim. Returns the cluster''s system identifier and the WAL timeline it writes now.';

insert into sendonce.database_identity (system_identifier, timeline)
select i.system_identifier, i.timeline
from sendonce.physical_identity() i;
