-- What a message costs: dated rows, so that a price change never rewrites the past.

create type public.charge_event as enum ('accepted', 'delivered');

create table public.rates (
    id bigint generated always as identity primary key,
    -- Null: the price list shared by all organizations.
    organization_id uuid references public.organizations (id),
    provider text not null,
    category text not null,
    -- The country as the beginning of the E.164 number; the longest that fits wins, '+' fits all.
    prefix text not null default '+',
    currency text not null default 'USD',
    rate numeric(12, 6) not null,
    charge_on public.charge_event not null,
    valid_from timestamptz not null default '-infinity',
    constraint rate_is_not_negative check (rate >= 0),
    constraint rate_prefix_is_the_start_of_a_number check (prefix ~ '^\+[0-9]{0,7}$'),
    constraint rate_currency_is_iso_4217 check (currency ~ '^[A-Z]{3}$')
);

create unique index idx_rates_lookup
    on public.rates (provider, category, currency, prefix, valid_from, coalesce(organization_id, '00000000-0000-0000-0000-000000000000'));

create index idx_rates_organization on public.rates (organization_id);

comment on table public.rates is
    'Price per unit by provider, template category and the beginning of the number, from a date on. An organization''s own row beats the shared one.';

create function sendonce.rate_in_force(
    _organization_id uuid, _provider text, _category text, _currency text, _recipient text, _at timestamptz,
    out rate numeric, out charge_on public.charge_event
)
language sql
stable
set search_path = ''
as $$
    -- Equality on each possible prefix instead of a pattern, so that the index serves a list of any length.
    select r.rate, r.charge_on
    from public.rates r
    where r.provider = _provider
        and r.category = _category
        and r.currency = _currency
        and r.prefix in (
            '+', left(_recipient, 2), left(_recipient, 3), left(_recipient, 4),
            left(_recipient, 5), left(_recipient, 6), left(_recipient, 7), left(_recipient, 8)
        )
        and r.valid_from <= _at
        and (r.organization_id is null or r.organization_id = _organization_id)
    order by r.organization_id is null, length(r.prefix) desc, r.valid_from desc
    limit 1;
$$;

comment on function sendonce.rate_in_force(uuid, text, text, text, text, timestamptz) is
    'Called when an attempt is first recorded and when a cost is estimated. Returns the rate per unit and the event that charges it; nulls where no rate is set.';
