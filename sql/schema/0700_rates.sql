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

create function sendonce.price_recipients(
    _organization_id uuid, _provider text, _category text, _currency text, _recipients text[], _at timestamptz[]
)
returns table (place bigint, rate numeric, charge_on public.charge_event)
language plpgsql
stable
set search_path = ''
set enable_hashjoin = on
set jit = off
as $$
begin
    return query
    with given as materialized (
        select g.recipient, g.at, g.place from unnest(_recipients, _at) with ordinality g(recipient, at, place)
    ),
    -- Equality on each possible beginning instead of a pattern per recipient: one look at the list for all.
    beginnings as (
        select distinct left(g.recipient, length.of_prefix) as prefix
        from given g
        cross join generate_series(1, 8) length(of_prefix)
    ),
    candidates as materialized (
        select r.organization_id, r.prefix, r.valid_from, r.rate, r.charge_on
        from public.rates r
        join beginnings b on b.prefix = r.prefix
        where r.provider = _provider
            and r.category = _category
            and r.currency = _currency
            and (r.organization_id is null or r.organization_id = _organization_id)
    )
    select distinct on (g.place) g.place, c.rate, c.charge_on
    from given g
    left join candidates c on starts_with(g.recipient, c.prefix) and c.valid_from <= g.at
    order by g.place, c.organization_id is null, length(c.prefix) desc, c.valid_from desc;
end;
$$;

comment on function sendonce.price_recipients(uuid, text, text, text, text[], timestamptz[]) is
    'Called when attempts are first recorded and when a cost is estimated. Returns, for each place in the arrays, the rate per unit in force at that time and the event that charges it; nulls where no rate is set.';
