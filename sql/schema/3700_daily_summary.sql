-- One row per account and day, for the pages that look back over months. Made from the rows, and made anew
-- as often as one likes: reports still come in weeks later.

create table public.daily_summary (
    organization_id uuid not null references public.organizations (id),
    account_id uuid not null references public.provider_accounts (id),
    -- In UTC.
    day date not null,
    sent integer not null,
    failed integer not null,
    skipped integer not null,
    cancelled integer not null,
    -- Of those sent on that day, as things stand at the refresh.
    delivered integer not null,
    read integer not null,
    undelivered integer not null,
    -- Attempts charged on that day.
    cost numeric(14, 6) not null,
    currency text not null,
    refreshed_at timestamptz not null default sendonce.now(),
    primary key (account_id, day)
);

create index idx_daily_summary_organization on public.daily_summary (organization_id, day desc);

comment on table public.daily_summary is 'What each account sent on each day (UTC) and what became of it. Made by refresh_daily_summary from the rows.';

create function sendonce.refresh_daily_summary(_day date)
returns jsonb
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
    _from constant timestamptz := _day::timestamp at time zone 'UTC';
    _until constant timestamptz := (_day + 1)::timestamp at time zone 'UTC';
    _rows integer;
begin
    if _day is null or _day > (sendonce.now() at time zone 'UTC')::date then
        perform sendonce.raise_invalid('a summary is of a day that has begun', format('Got %s.', coalesce(_day::text, 'null')), 'Pass today or a day before it (UTC).');
    end if;

    -- No index by time: it would be written at every report, for one reading a day.
    with settled as (
        select
            q.account_id,
            count(*) filter (where q.status = 'sent') as sent,
            count(*) filter (where q.status = 'failed') as failed,
            count(*) filter (where q.status = 'skipped') as skipped,
            count(*) filter (where q.status = 'cancelled') as cancelled,
            count(*) filter (where q.delivery_status >= 'delivered') as delivered,
            count(*) filter (where q.delivery_status = 'read') as read,
            count(*) filter (where q.delivery_status = 'undelivered') as undelivered
        from public.send_queue q
        where case when q.status = 'sent' then q.sent_at else q.settled_at end >= _from
            and case when q.status = 'sent' then q.sent_at else q.settled_at end < _until
        group by q.account_id
    ),
    charged as (
        select m.account_id, sum(m.cost) as cost
        from public.messages m
        where m.cost > 0
            and case m.charge_on when 'delivered' then m.delivered_at else m.claimed_at end >= _from
            and case m.charge_on when 'delivered' then m.delivered_at else m.claimed_at end < _until
        group by m.account_id
    )
    insert into public.daily_summary as d (
        organization_id, account_id, day, sent, failed, skipped, cancelled, delivered, read, undelivered, cost, currency
    )
    select
        a.organization_id, a.id, _day, coalesce(s.sent, 0), coalesce(s.failed, 0), coalesce(s.skipped, 0), coalesce(s.cancelled, 0),
        coalesce(s.delivered, 0), coalesce(s.read, 0), coalesce(s.undelivered, 0), coalesce(charged.cost, 0), a.currency
    from public.provider_accounts a
    left join settled s on s.account_id = a.id
    left join charged on charged.account_id = a.id
    left join public.daily_summary before on before.account_id = a.id and before.day = _day
    -- Late evidence moves a contact to another day: a row that is there already may go back to zero.
    where s.account_id is not null or charged.account_id is not null or before.account_id is not null
    order by a.id
    on conflict (account_id, day) do update
    set sent = excluded.sent, failed = excluded.failed, skipped = excluded.skipped, cancelled = excluded.cancelled,
        delivered = excluded.delivered, read = excluded.read, undelivered = excluded.undelivered, cost = excluded.cost,
        refreshed_at = excluded.refreshed_at;
    get diagnostics _rows = row_count;
    return jsonb_build_object('day', _day, 'accounts', _rows);
end;
$$;

comment on function sendonce.refresh_daily_summary(date) is 'Called through public.refresh_daily_summary, which documents it.';
