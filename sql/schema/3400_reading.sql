-- What a dashboard reads. Invoker functions: row level security decides what is seen, and a campaign of
-- somebody else's is one that does not exist.
--
-- Every number is read off the rows' own counters, so that all pages show the same one. An API cuts sets
-- at 1,000 rows: statistics are one row, lists are paged by key.

create function sendonce.next_window_opening(_start time, _end time, _time_zone text, _at timestamptz)
returns timestamptz
language sql
stable
set search_path = ''
as $$
    -- By the local calendar, and where the clocks change in between, by the quarters of an hour before it: an
    -- opening may be leapt over, so that the hours begin with the leap, and hours that are over may come again.
    with exact as materialized (
        select min(opening.at) as at
        from generate_series(0, 2) day(number)
        cross join lateral (
            select ((_at at time zone _time_zone)::date + day.number + _start) at time zone _time_zone as at
        ) opening
        where opening.at > _at and sendonce.window_is_open(_start, _end, _time_zone, opening.at)
    )
    select case
        when not sendonce.window_is_open(_start, _end, _time_zone, _at) then least(
            e.at,
            (
                select min(quarter.at)
                from generate_series(date_bin('15 minutes', _at, '2000-01-01 00:00+00') + interval '15 minutes', e.at, '15 minutes') quarter(at)
                where sendonce.window_is_open(_start, _end, _time_zone, quarter.at)
            )
        )
    end
    from exact e;
$$;

comment on function sendonce.next_window_opening(time, time, text, timestamptz) is
    'Called by campaign_progress. Returns when the sending hours begin next, null while they last.';

create function sendonce.limit_group_full_until(_limit_group_id uuid, _now timestamptz)
returns timestamptz
language sql
stable
security definer
set search_path = ''
as $$
    -- Of as many people as the cap allows, counted from the last one written to, the first falls out of the day then.
    select counted.last_dispatched_at + interval '24 hours'
    from public.limit_groups g
    cross join lateral (
        select r.last_dispatched_at
        from sendonce.limit_group_recipients r
        where r.limit_group_id = g.id and r.last_dispatched_at > _now - interval '24 hours'
        order by r.last_dispatched_at desc
        offset g.daily_recipients - 1
        limit 1
    ) counted
    where g.id = _limit_group_id and g.daily_recipients is not null;
$$;

comment on function sendonce.limit_group_full_until(uuid, timestamptz) is
    'Called by campaign_progress, whose caller may not read the people of a group. Returns when the group may write to somebody new; null when it may now, or has no cap.';

create function public.campaign_progress(_campaign_id uuid)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
    _now constant timestamptz := sendonce.now();
    _progress jsonb;
begin
    -- Look-ups by primary key, at any size: no entry is touched.
    select jsonb_build_object(
        'campaign_id', c.id,
        'organization_id', c.organization_id,
        'account_id', c.account_id,
        'template_id', c.template_id,
        'name', c.name,
        'status', c.status,
        'progress', c.progress,
        'total_contacts', c.total_contacts,
        'total_sent', c.total_sent,
        'total_failed', c.total_failed,
        'total_skipped', c.total_skipped,
        'total_cancelled', c.total_cancelled,
        'total_unknown', c.total_unknown,
        'total_delivered', c.total_delivered,
        'total_read', c.total_read,
        'total_undelivered', c.total_undelivered,
        'settled', settled.count,
        'unsettled', c.total_contacts - settled.count,
        'estimated_cost', c.estimated_cost,
        'actual_cost', c.actual_cost,
        'currency', c.currency,
        'created_at', c.created_at,
        'scheduled_at', c.scheduled_at,
        'started_at', c.started_at,
        'paused_at', c.paused_at,
        'pause_reason', c.pause_reason,
        'completed_at', c.completed_at,
        'cancelled_at', c.cancelled_at,
        -- Why nothing goes out although the campaign runs.
        'account_paused', a.pause_reason,
        'account_resting_until', case when a.resting_until > _now then a.resting_until end,
        'account_rest_reason', case when a.resting_until > _now then a.rest_reason end,
        'workers_alive', sendonce.workers_alive(),
        'limit_group_full_until', case when c.status = 'running' then sendonce.limit_group_full_until(a.limit_group_id, _now) end,
        'template_stopped', case when t.stopped_at is not null then t.stop_reason when t.status <> 'APPROVED' then 'its status is ' || t.status end,
        'waiting_for_window', c.status = 'running' and opening.at is not null,
        'next_window_opening', opening.at
    )
    into _progress
    from public.campaigns c
    join public.provider_accounts a on a.id = c.account_id
    join public.templates t on t.id = c.template_id
    cross join lateral (
        select c.total_sent + c.total_failed + c.total_skipped + c.total_cancelled as count
    ) settled
    cross join lateral (
        select case
            when c.status in ('draft', 'scheduled', 'running', 'paused')
                then sendonce.next_window_opening(c.window_start, c.window_end, c.window_time_zone, _now)
        end as at
    ) opening
    where c.id = _campaign_id;
    if not found then
        perform sendonce.raise_not_found('campaign', _campaign_id::text);
    end if;
    return _progress;
end;
$$;

comment on function public.campaign_progress(uuid) is
    'Called by members as often as they like. Returns one object: counters, cost, progress (percent of contacts settled), states and times, and what holds the campaign up: account_paused, account_resting_until, account_rest_reason, workers_alive (by name, within 30 s), limit_group_full_until (then there is room for somebody new), template_stopped, waiting_for_window, next_window_opening. Raises SO004.';

create function sendonce.check_page(_limit integer)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    if _limit is null or _limit not between 1 and 1000 then
        perform sendonce.raise_invalid(
            'a page has between 1 and 1,000 rows', format('_limit is %s.', coalesce(_limit::text, 'null')),
            'Ask for the next page with the key of the last row.'
        );
    end if;
end;
$$;

comment on function sendonce.check_page(integer) is 'Called by every list. Raises SO005 for a page that an API would cut.';

create function public.list_campaigns(_organization_id uuid, _after uuid default null, _limit integer default 100)
returns setof public.campaigns
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
    _last public.campaigns;
begin
    perform sendonce.check_page(_limit);
    if _after is not null then
        select c.* into _last from public.campaigns c where c.id = _after and c.organization_id = _organization_id;
        if not found then
            perform sendonce.raise_not_found('campaign', _after::text);
        end if;
    end if;
    return query
    select c.*
    from public.campaigns c
    where c.organization_id = _organization_id
        and (_last.id is null or c.created_at < _last.created_at or (c.created_at = _last.created_at and c.id > _last.id))
    order by c.created_at desc, c.id
    limit _limit;
end;
$$;

comment on function public.list_campaigns(uuid, uuid, integer) is
    'Called by members. Returns a page of campaigns, the newest first; _after is the id of the last one seen. Raises SO004 for an _after that is not there, SO005 for a page beyond 1,000.';

create function sendonce.handed_out_up_to(_campaign_id uuid)
returns bigint
language sql
stable
security definer
set search_path = ''
as $$
    select coalesce((select k.last_entry_id from sendonce.campaign_cursors k where k.campaign_id = _campaign_id), 0);
$$;

comment on function sendonce.handed_out_up_to(uuid) is
    'Called by campaign_entries, whose caller may not read the cursors. Returns the entry up to which the campaign was handed out.';

create function public.campaign_entries(
    _campaign_id uuid, _status public.entry_status default null, _after bigint default 0, _limit integer default 100
)
returns setof public.send_queue
language plpgsql
stable
security invoker
set search_path = ''
-- Each page by its index, whatever the statistics say.
set enable_seqscan = off
set enable_bitmapscan = off
as $$
declare
    _cursor constant bigint := sendonce.handed_out_up_to(_campaign_id);
begin
    perform sendonce.check_page(_limit);
    if not exists (select from public.campaigns c where c.id = _campaign_id) then
        perform sendonce.raise_not_found('campaign', _campaign_id::text);
    end if;

    if _status is null then
        return query
        select q.* from public.send_queue q
        where q.campaign_id = _campaign_id and q.id > _after
        order by q.id
        limit _limit;
    elsif _status in ('failed', 'skipped', 'cancelled') then
        -- Maybe few among many, and each with a class: by the index of the entries in trouble.
        return query
        select q.* from public.send_queue q
        where q.campaign_id = _campaign_id and q.id > _after and q.status = _status and q.error_class is not null
        order by q.id
        limit _limit;
    elsif _status = 'processing' then
        -- A handful among millions: what the open claims hold.
        return query
        select q.* from public.send_queue q
        where q.campaign_id = _campaign_id and q.id > _after and q.status = _status
            and q.id in (
                select held.id
                from public.campaigns c
                join public.claims k on k.account_id = c.account_id
                cross join lateral unnest(k.entry_ids) held(id)
                where c.id = _campaign_id
            )
        order by q.id
        limit _limit;
    elsif _status = 'unknown' then
        return query
        select q.* from public.send_queue q
        where q.account_id = (select c.account_id from public.campaigns c where c.id = _campaign_id)
            and q.unknown_since is not null
            and q.campaign_id = _campaign_id and q.id > _after and q.status = _status
        order by q.id
        limit _limit;
    elsif _status = 'ready' then
        -- Either it came back, and is due at some time, or it lies ahead of the cursor.
        return query
        select r.*
        from (
            (
                select q.* from public.send_queue q
                where q.account_id = (select c.account_id from public.campaigns c where c.id = _campaign_id)
                    and q.campaign_id = _campaign_id and q.due_at is not null
                    and q.id > _after and q.status = _status
                order by q.id
                limit _limit
            )
            union all
            (
                select q.* from public.send_queue q
                where q.campaign_id = _campaign_id and q.id > greatest(_after, _cursor) and q.status = _status and q.due_at is null
                order by q.id
                limit _limit
            )
        ) r
        order by r.id
        limit _limit;
    else
        return query
        select q.* from public.send_queue q
        where q.campaign_id = _campaign_id and q.id > _after and q.status = _status
        order by q.id
        limit _limit;
    end if;
end;
$$;

comment on function public.campaign_entries(uuid, public.entry_status, bigint, integer) is
    'Called by members. Returns a page of the campaign''s entries in id order, of one status or of all; _after is the id of the last one seen. Raises SO004, SO005 for a page beyond 1,000.';

create function public.campaign_timeline(_campaign_id uuid, _bucket interval default interval '1 minute')
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
    _most_buckets constant integer := 1000;
    _origin constant timestamptz := timestamptz '2000-01-01 00:00:00+00';
    _points jsonb;
    _count bigint;
begin
    if not exists (select from public.campaigns c where c.id = _campaign_id) then
        perform sendonce.raise_not_found('campaign', _campaign_id::text);
    end if;
    if _bucket is null or _bucket < interval '1 second' or extract(month from _bucket) <> 0 or extract(year from _bucket) <> 0 then
        perform sendonce.raise_invalid(
            'a bucket is a length of time from 1 second on', format('Got %s.', coalesce(_bucket::text, 'null')),
            'Months and years have no fixed length; use days.'
        );
    end if;

    with happened as (
        select date_bin(_bucket, told.at, _origin) as bucket, told.what, count(*) as entries
        from public.send_queue q
        cross join lateral (
            values
                (case when q.status = 'sent' then q.sent_at else q.settled_at end, q.status::text),
                (q.delivered_at, 'delivered'),
                (q.read_at, 'read')
        ) told(at, what)
        where q.campaign_id = _campaign_id and told.at is not null
        group by 1, 2
    ),
    per_bucket as (
        select
            h.bucket,
            coalesce(sum(h.entries) filter (where h.what = 'sent'), 0) as sent,
            coalesce(sum(h.entries) filter (where h.what = 'failed'), 0) as failed,
            coalesce(sum(h.entries) filter (where h.what = 'skipped'), 0) as skipped,
            coalesce(sum(h.entries) filter (where h.what = 'cancelled'), 0) as cancelled,
            coalesce(sum(h.entries) filter (where h.what = 'delivered'), 0) as delivered,
            coalesce(sum(h.entries) filter (where h.what = 'read'), 0) as read
        from happened h
        group by h.bucket
    )
    select
        count(*),
        coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'at', p.bucket, 'sent', p.sent, 'failed', p.failed, 'skipped', p.skipped, 'cancelled', p.cancelled,
                    'delivered', p.delivered, 'read', p.read
                ) order by p.bucket
            ),
            '[]'
        )
    into _count, _points
    from per_bucket p;
    if _count > _most_buckets then
        perform sendonce.raise_invalid(
            'too many buckets', format('%s of %s each; at most %s.', _count, _bucket, _most_buckets), 'Choose longer ones.'
        );
    end if;
    return jsonb_build_object('campaign_id', _campaign_id, 'bucket_seconds', extract(epoch from _bucket), 'points', _points);
end;
$$;

comment on function public.campaign_timeline(uuid, interval) is
    'Called by members. Returns one object: how many contacts were sent, failed, skipped, cancelled, delivered and read in each bucket in which anything happened, as things stand now. It reads every entry of the campaign. Raises SO004, SO005 for a bucket that is no length of time or for more than 1,000 of them.';

create function public.failure_breakdown(_campaign_id uuid)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
    _breakdown jsonb;
begin
    if not exists (select from public.campaigns c where c.id = _campaign_id) then
        perform sendonce.raise_not_found('campaign', _campaign_id::text);
    end if;
    -- By the index of the entries in trouble: what went well is not read.
    with counted as (
        select q.status, q.error_class, q.error_code, count(*) as contacts, min(q.error_message) as example
        from public.send_queue q
        where q.campaign_id = _campaign_id and q.error_class is not null and q.status in ('failed', 'skipped')
        group by q.status, q.error_class, q.error_code
    ),
    undelivered as (
        select q.delivery_error_code as code, count(*) as contacts
        from public.send_queue q
        where q.campaign_id = _campaign_id and q.delivery_error_code is not null
        group by q.delivery_error_code
    )
    select jsonb_build_object(
        'campaign_id', _campaign_id,
        'failed', coalesce(
            (
                select jsonb_agg(
                    jsonb_build_object(
                        'class', n.error_class, 'code', n.error_code, 'contacts', n.contacts, 'meaning', e.meaning, 'example', n.example
                    ) order by n.contacts desc, n.error_class, n.error_code
                )
                from counted n
                left join public.error_classes e on e.class = n.error_class
                where n.status = 'failed'
            ),
            '[]'
        ),
        'skipped', coalesce(
            (
                select jsonb_agg(jsonb_build_object('class', n.error_class, 'contacts', n.contacts) order by n.contacts desc, n.error_class)
                from counted n
                where n.status = 'skipped'
            ),
            '[]'
        ),
        'undelivered', coalesce(
            (
                select jsonb_agg(
                    jsonb_build_object('class', p.class, 'code', u.code, 'contacts', u.contacts, 'meaning', e.meaning)
                    order by u.contacts desc, u.code
                )
                from undelivered u
                cross join (
                    select a.provider
                    from public.campaigns c
                    join public.provider_accounts a on a.id = c.account_id
                    where c.id = _campaign_id
                ) via
                left join public.provider_errors p on p.provider = via.provider and p.code = u.code
                left join public.error_classes e on e.class = p.class
            ),
            '[]'
        )
    )
    into _breakdown;
    return _breakdown;
end;
$$;

comment on function public.failure_breakdown(uuid) is
    'Called by members. Returns one object: failed by class and code, skipped by class, undelivered by the code in the report, each with contacts and meaning. Raises SO004.';

create function public.queue_stats(_organization_id uuid)
returns jsonb
language plpgsql
stable
security invoker
set search_path = ''
as $$
declare
    _now constant timestamptz := sendonce.now();
    _stats jsonb;
begin
    if not exists (select from public.organizations o where o.id = _organization_id) then
        perform sendonce.raise_not_found('organization', _organization_id::text);
    end if;
    -- From counters and claims, which are few; of the entries only single messages are counted, by index.
    with active as (
        select
            c.account_id,
            count(*) as campaigns,
            count(*) filter (where c.status = 'running') as running,
            sum(c.total_contacts - c.total_sent - c.total_failed - c.total_skipped - c.total_cancelled) as unsettled,
            sum(c.total_unknown) as unknown
        from public.campaigns c
        where c.organization_id = _organization_id and c.status in ('running', 'paused')
        group by c.account_id
    ),
    in_hand as (
        select
            k.account_id, count(*) as claims, count(distinct k.worker) as workers,
            sum(cardinality(k.entry_ids)) as entries, sum(cardinality(k.dispatched)) as dispatched
        from public.claims k
        where k.organization_id = _organization_id
        group by k.account_id
    ),
    per_account as (
        select
            a.id, a.name, a.provider, a.sender, a.paused_at, a.pause_reason, a.current_rate, a.maximum_rate,
            case when a.resting_until > _now then a.resting_until end as resting_until,
            case when a.resting_until > _now then a.rest_reason end as rest_reason,
            coalesce(n.campaigns, 0) as campaigns,
            coalesce(n.running, 0) as running,
            coalesce(n.unsettled, 0) as unsettled,
            coalesce(n.unknown, 0) as unknown,
            coalesce(h.claims, 0) as claims,
            coalesce(h.workers, 0) as workers,
            coalesce(h.entries, 0) as in_hand,
            coalesce(h.dispatched, 0) as dispatched,
            (
                select count(*) from public.send_queue q
                where q.account_id = a.id and q.campaign_id is null and q.due_at is not null
            ) as single_waiting,
            (
                select count(*) from public.send_queue q
                where q.account_id = a.id and q.campaign_id is null and q.unknown_since is not null
            ) as single_unknown
        from public.provider_accounts a
        left join active n on n.account_id = a.id
        left join in_hand h on h.account_id = a.id
        where a.organization_id = _organization_id
    )
    select jsonb_build_object(
        'organization_id', _organization_id,
        'active_campaigns', coalesce(sum(p.campaigns), 0),
        'running_campaigns', coalesce(sum(p.running), 0),
        'unsettled', coalesce(sum(p.unsettled), 0),
        'unknown', coalesce(sum(p.unknown + p.single_unknown), 0),
        'in_hand', coalesce(sum(p.in_hand), 0),
        'single_waiting', coalesce(sum(p.single_waiting), 0),
        'accounts', coalesce(
            jsonb_agg(
                jsonb_build_object(
                    'account_id', p.id, 'name', p.name, 'provider', p.provider, 'sender', p.sender,
                    'paused_at', p.paused_at, 'pause_reason', p.pause_reason, 'resting_until', p.resting_until,
                    'rest_reason', p.rest_reason,
                    'current_rate', p.current_rate, 'maximum_rate', p.maximum_rate,
                    'active_campaigns', p.campaigns, 'running_campaigns', p.running, 'unsettled', p.unsettled,
                    'unknown', p.unknown + p.single_unknown,
                    'claims', p.claims, 'workers', p.workers, 'in_hand', p.in_hand, 'dispatched', p.dispatched,
                    'single_waiting', p.single_waiting
                ) order by p.name
            ),
            '[]'
        )
    )
    into _stats
    from per_account p;
    return _stats;
end;
$$;

comment on function public.queue_stats(uuid) is
    'Called by members. Returns one object with the organization''s queue and that of each account: active campaigns, unsettled contacts, unknown ones, what workers hold (in_hand, dispatched of it), single messages waiting, rate and pause. Raises SO004.';

create function public.unknown_entries(
    _organization_id uuid, _campaign_id uuid default null, _after bigint default 0, _limit integer default 100
)
returns table (
    entry_id bigint, campaign_id uuid, account_id uuid, recipient text, attempt integer, worker text, claimed_at timestamptz,
    unknown_since timestamptz, settles_at timestamptz, why text
)
language plpgsql
stable
security invoker
set search_path = ''
as $$
begin
    perform sendonce.check_page(_limit);
    if not exists (select from public.organizations o where o.id = _organization_id) then
        perform sendonce.raise_not_found('organization', _organization_id::text);
    end if;
    return query
    select
        q.id, q.campaign_id, q.account_id, q.recipient, q.attempt, m.worker, m.claimed_at, q.unknown_since,
        case when a.on_unknown = 'fail' then q.unknown_since + a.unknown_window end,
        coalesce(q.error_message, m.error_message)
    from public.provider_accounts a
    join public.send_queue q on q.account_id = a.id and q.unknown_since is not null
    left join public.messages m on m.entry_id = q.id and m.attempt = q.attempt
    where a.organization_id = _organization_id
        and (_campaign_id is null or q.campaign_id = _campaign_id)
        and q.id > _after
    order by q.id
    limit _limit;
end;
$$;

comment on function public.unknown_entries(uuid, uuid, bigint, integer) is
    'Called by members. Returns a page of the entries that may have gone out or not: since when, in which attempt, claimed when by which worker, and when they end as failed by themselves (settles_at; null where the account holds them for a person, see resolve_unknown). Raises SO004, SO005 for a page beyond 1,000.';
