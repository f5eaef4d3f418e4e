-- The core path in small moves: a schema `core`, loaded once like fixtures.sql, for the files that
-- look at one entry at a time, at a clock that stands still, or at an account or price of their own.
-- It goes through the public functions wherever there is one, so that what it sets up is what
-- programs and people can reach; nothing here switches a guard off.
--
--     select core.set_clock();                              -- stands still from here on
--     select core.advance('1 hour');
--     select core.world(3) as campaign                      -- organization, account, template, price 0.05
--     \gset                                                 -- on delivery, running campaign of 3 contacts
--     select core.hand_out(:'campaign');                    -- claims and dispatches all of it
--     select core.result(core.entry(:'campaign', 1), 'accepted');
--     select core.report(core.entry(:'campaign', 1), 'delivered');
--     select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');
--
--   core.organization(), .account(org, options), .template(org, options), .price(org, rate, charge_on)
--   core.world(contacts, options): options may hold "account", "template", "campaign" (the options of
--     upsert_account, upsert_template, create_campaign), "start": false for a draft, "organization": uuid
--   core.campaign(account, template, contacts, start, options)      one more campaign
--   core.single_message(account, template, recipient)               an entry without campaign
--   core.person(n) is the number of the n-th contact, core.entry(campaign, n) its entry
--   core.claim(campaign, limit, worker), .dispatch(claim), .hand_out(campaign, limit): claim ids
--   core.result(entry, outcome, extra, claim, attempt)              record_results for one entry
--   core.report(entry, status, extra, attempt)                      ingest_delivery_reports for one entry
--   core.bring(entry, state): ready, processing, dispatched, unknown, returned, sent, failed,
--     outcome_unknown, skipped, cancelled (needs the standing clock for outcome_unknown)
--   core.differences(campaign): what differs between its counters and its rows; no row when all is well
--   core.member(org, role) makes a user; core.become(role, user) and core.become_owner()
--   core.walk(steps, organization, campaigns), core.drain(campaigns): a long walk by chance, and its end
--   core.keep(name, value), core.kept(name): values for `do` blocks, where psql has no variables

create schema core;
grant usage on schema core to public;

create function core.keep(_name text, _value text)
returns text
language sql
volatile
set search_path = ''
as $$
    select set_config('core.' || _name, coalesce(_value, ''), true);
$$;

create function core.kept(_name text)
returns text
language sql
stable
set search_path = ''
as $$
    select nullif(current_setting('core.' || _name, true), '');
$$;

-- Replaces the only clock, within the transaction that is rolled back.
create function core.set_clock(_at timestamptz default '2026-03-02 12:00:00+00')
returns timestamptz
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform set_config('core.clock', _at::text, true);
    create or replace function sendonce.now()
    returns timestamptz
    language sql
    volatile
    set search_path = ''
    as $clock$
        select current_setting('core.clock')::timestamptz;
    $clock$;
    return _at;
end;
$$;

create function core.advance(_by interval)
returns timestamptz
language sql
volatile
set search_path = ''
as $$
    select set_config('core.clock', (current_setting('core.clock')::timestamptz + _by)::text, true)::timestamptz;
$$;

create function core.person(_number integer)
returns text
language sql
immutable
set search_path = ''
as $$
    select '+999' || lpad(_number::text, 8, '0');
$$;

create function core.people(_from integer, _to integer)
returns jsonb
language sql
immutable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object('recipient', core.person(n.number)) order by n.number), '[]')
    from generate_series(_from, _to) n(number);
$$;

create function core.organization()
returns uuid
language sql
volatile
set search_path = ''
as $$
    select public.create_organization('organization ' || gen_random_uuid());
$$;

create function core.account(_organization_id uuid, _options jsonb default '{}')
returns uuid
language sql
volatile
set search_path = ''
as $$
    -- Without a rate, so that tokens matter only where a test is about them.
    select public.upsert_account(
        _organization_id, coalesce(_options ->> 'provider', 'whatsapp'),
        coalesce(_options ->> 'sender', gen_random_uuid()::text), 'account ' || gen_random_uuid(),
        '{"maximum_rate": null}'::jsonb || (_options - 'provider' - 'sender')
    );
$$;

create function core.template(_organization_id uuid, _options jsonb default '{}')
returns uuid
language sql
volatile
set search_path = ''
as $$
    select public.upsert_template(
        _organization_id, coalesce(_options ->> 'provider', 'whatsapp'), 'template_' || gen_random_uuid(), 'en',
        _options - 'provider'
    );
$$;

create function core.price(
    _organization_id uuid, _rate numeric, _charge_on public.charge_event default 'delivered',
    _valid_from timestamptz default '-infinity'
)
returns void
language sql
volatile
set search_path = ''
as $$
    insert into public.rates (organization_id, provider, category, rate, charge_on, valid_from)
    select _organization_id, p.provider, c.category, _rate, _charge_on, _valid_from
    from unnest(array['whatsapp', 'twilio']) p(provider), unnest(array['MARKETING', 'UTILITY', 'AUTHENTICATION']) c(category);
$$;

create function core.campaign(
    _account_id uuid, _template_id uuid, _contacts integer default 1, _start boolean default true, _options jsonb default '{}'
)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id uuid;
    _from integer;
begin
    _campaign_id := public.create_campaign(
        (select a.organization_id from public.provider_accounts a where a.id = _account_id),
        'campaign ' || gen_random_uuid(), _account_id, _template_id, _options
    );
    for _from in select generate_series(1, _contacts, 20000) loop
        perform public.add_recipients(_campaign_id, core.people(_from, least(_contacts, _from + 19999)));
    end loop;
    if _start then
        perform public.start_campaign(_campaign_id);
    end if;
    return _campaign_id;
end;
$$;

create function core.world(_contacts integer default 1, _options jsonb default '{}')
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _organization_id uuid := (_options ->> 'organization')::uuid;
begin
    if _organization_id is null then
        _organization_id := core.organization();
        perform core.price(_organization_id, 0.05);
    end if;
    return core.campaign(
        core.account(_organization_id, coalesce(_options -> 'account', '{}')),
        core.template(_organization_id, coalesce(_options -> 'template', '{}')),
        _contacts, coalesce((_options ->> 'start')::boolean, true), coalesce(_options -> 'campaign', '{}')
    );
end;
$$;

create function core.organization_of(_campaign_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select c.organization_id from public.campaigns c where c.id = _campaign_id;
$$;

create function core.account_of(_campaign_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select c.account_id from public.campaigns c where c.id = _campaign_id;
$$;

create function core.template_of(_campaign_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select c.template_id from public.campaigns c where c.id = _campaign_id;
$$;

create function core.single_message(_account_id uuid, _template_id uuid, _recipient text default '+99977777777')
returns bigint
language sql
volatile
set search_path = ''
as $$
    insert into public.send_queue (organization_id, account_id, template_id, recipient, due_at)
    select a.organization_id, a.id, _template_id, _recipient, sendonce.now()
    from public.provider_accounts a
    where a.id = _account_id
    returning id;
$$;

create function core.entry(_campaign_id uuid, _number integer default 1)
returns bigint
language sql
stable
set search_path = ''
as $$
    select q.id from public.send_queue q where q.campaign_id = _campaign_id and q.recipient = core.person(_number);
$$;

-- What became of an entry, in one word to compare: its status, and after a slash what was reported.
create function core.state(_entry_id bigint)
returns text
language sql
volatile
set search_path = ''
as $$
    select concat_ws('/', q.status, q.delivery_status) from public.send_queue q where q.id = _entry_id;
$$;

create function core.campaign_status(_campaign_id uuid)
returns text
language sql
volatile
set search_path = ''
as $$
    select c.status::text from public.campaigns c where c.id = _campaign_id;
$$;

create function core.claim(_campaign_id uuid, _limit integer default 1000, _worker text default 'worker-1')
returns bigint
language sql
volatile
set search_path = ''
as $$
    select (public.claim_messages(_worker, core.account_of(_campaign_id), _limit) ->> 'claim_id')::bigint;
$$;

create function core.dispatch(_claim_id bigint, _entry_ids bigint[] default null)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select public.begin_dispatch(_claim_id, coalesce(_entry_ids, (select k.entry_ids from public.claims k where k.id = _claim_id)));
$$;

create function core.hand_out(_campaign_id uuid, _limit integer default 1000, _worker text default 'worker-1')
returns bigint
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim_id constant bigint := core.claim(_campaign_id, _limit, _worker);
begin
    if _claim_id is not null then
        perform core.dispatch(_claim_id);
    end if;
    return _claim_id;
end;
$$;

create function core.wamid(_entry_id bigint, _attempt integer)
returns text
language sql
immutable
set search_path = ''
as $$
    select 'wamid.' || _entry_id || '.' || _attempt;
$$;

create function core.result(
    _entry_id bigint, _outcome text, _extra jsonb default '{}', _claim_id bigint default null, _attempt integer default null
)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select public.record_results(
        coalesce(_claim_id, q.claim_id),
        jsonb_build_array(
            jsonb_build_object('entry_id', q.id, 'attempt', coalesce(_attempt, q.attempt), 'outcome', _outcome)
            || case
                when _outcome = 'accepted'
                    then jsonb_build_object('provider_message_id', core.wamid(q.id, coalesce(_attempt, q.attempt)))
                else '{}'::jsonb
            end
            || _extra
        )
    )
    from public.send_queue q
    where q.id = _entry_id;
$$;

create function core.report(_entry_id bigint, _status text, _extra jsonb default '{}', _attempt integer default null)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select public.ingest_delivery_reports(
        a.provider,
        jsonb_build_array(
            jsonb_build_object(
                'app', a.app,
                'sender', a.sender,
                'provider_message_id', core.wamid(q.id, coalesce(_attempt, q.attempt)),
                'status', _status,
                'timestamp', floor(extract(epoch from sendonce.now()))::bigint::text,
                'reference', 'so1:' || coalesce(q.campaign_id, q.account_id) || ':' || q.id || ':' || coalesce(_attempt, q.attempt)
            ) || _extra
        )
    )
    from public.send_queue q
    join public.provider_accounts a on a.id = q.account_id
    where q.id = _entry_id;
$$;

-- Brings a ready entry of a running campaign into a state, by the calls that lead there.
create function core.bring(_entry_id bigint, _state text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _entry public.send_queue;
    _claim_id bigint;
begin
    select q.* into _entry from public.send_queue q where q.id = _entry_id;
    if _state = 'skipped' then
        insert into public.suppressions (organization_id, recipient, scope, reason)
        values (_entry.organization_id, _entry.recipient, 'all', 'test');
        perform core.claim(_entry.campaign_id);
    elsif _state = 'cancelled' then
        perform public.cancel_campaign(_entry.campaign_id);
        perform public.sweep_cancelled();
    elsif _state <> 'ready' then
        _claim_id := core.claim(_entry.campaign_id);
        if _state <> 'processing' then
            perform core.dispatch(_claim_id);
        end if;
        case _state
            when 'processing' then null;
            when 'dispatched' then null;
            when 'unknown' then perform core.result(_entry_id, 'ambiguous');
            when 'sent' then perform core.result(_entry_id, 'accepted');
            when 'failed' then perform core.result(_entry_id, 'rejected', '{"code": "135000"}');
            when 'returned' then perform core.result(_entry_id, 'rejected', '{"code": "131016"}');
            when 'outcome_unknown' then
                perform core.result(_entry_id, 'ambiguous');
                perform core.advance('1 day');
                -- One account at a time.
                while (public.settle_overdue_unknown() ->> 'more')::boolean loop
                end loop;
        end case;
    end if;
    return core.state(_entry_id);
end;
$$;

-- What differs between the counters of a campaign and its rows. Written apart from the counting
-- triggers and from verify_invariants, so that neither can hide the other's mistake.
create function core.differences(_campaign_id uuid)
returns setof text
language sql
volatile
set search_path = ''
as $$
    with counted as (
        select
            count(*) as contacts,
            count(*) filter (where q.status = 'sent') as sent,
            count(*) filter (where q.status = 'failed') as failed,
            count(*) filter (where q.status = 'skipped') as skipped,
            count(*) filter (where q.status = 'cancelled') as cancelled,
            count(*) filter (where q.status = 'unknown') as unknown,
            count(*) filter (where q.delivery_status in ('delivered', 'read')) as delivered,
            count(*) filter (where q.delivery_status = 'read') as read,
            count(*) filter (where q.delivery_status = 'undelivered') as undelivered
        from public.send_queue q
        where q.campaign_id = _campaign_id
    ),
    charged as (
        select coalesce(sum(
            case
                when m.charge_on = 'accepted' and m.outcome = 'accepted' then m.rate * m.units
                when m.charge_on = 'delivered' and m.delivered_at is not null then m.rate * m.units
                else 0
            end
        ), 0) as cost
        from public.messages m
        where m.campaign_id = _campaign_id
    )
    select found.difference
    from public.campaigns c
    cross join counted r
    cross join charged k
    cross join lateral (
        values
            (case when c.total_contacts <> r.contacts then format('contacts: %s counted, %s rows', c.total_contacts, r.contacts) end),
            (case when c.total_sent <> r.sent then format('sent: %s counted, %s rows', c.total_sent, r.sent) end),
            (case when c.total_failed <> r.failed then format('failed: %s counted, %s rows', c.total_failed, r.failed) end),
            (case when c.total_skipped <> r.skipped then format('skipped: %s counted, %s rows', c.total_skipped, r.skipped) end),
            (case when c.total_cancelled <> r.cancelled then format('cancelled: %s counted, %s rows', c.total_cancelled, r.cancelled) end),
            (case when c.total_unknown <> r.unknown then format('unknown: %s counted, %s rows', c.total_unknown, r.unknown) end),
            (case when c.total_delivered <> r.delivered then format('delivered: %s counted, %s rows', c.total_delivered, r.delivered) end),
            (case when c.total_read <> r.read then format('read: %s counted, %s rows', c.total_read, r.read) end),
            (
                case
                    when c.total_undelivered <> r.undelivered
                        then format('undelivered: %s counted, %s rows', c.total_undelivered, r.undelivered)
                end
            ),
            (case when c.actual_cost <> k.cost then format('cost: %s counted, %s in the attempts', c.actual_cost, k.cost) end),
            (
                case
                    when c.status in ('running', 'paused') and r.contacts = r.sent + r.failed + r.skipped + r.cancelled
                        then format('%s, although all entries are settled', c.status)
                    when c.status = 'completed' and r.contacts <> r.sent + r.failed + r.skipped + r.cancelled
                        then 'completed, although entries are not settled'
                end
            )
    ) found(difference)
    where c.id = _campaign_id and found.difference is not null;
$$;

create function core.member(_organization_id uuid, _role public.member_role)
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _user_id constant uuid := gen_random_uuid();
begin
    perform public.set_member(_organization_id, _user_id, _role);
    return _user_id;
end;
$$;

-- From here on the transaction acts as the API does for this token.
create function core.become(_role text, _user_id uuid default null)
returns text
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform set_config('request.jwt.claims', jsonb_strip_nulls(jsonb_build_object('role', _role, 'sub', _user_id))::text, true);
    return set_config('role', _role, true);
end;
$$;

create function core.become_owner()
returns text
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform set_config('request.jwt.claims', '', true);
    return set_config('role', 'none', true);
end;
$$;

-- One column of a campaign, an entry or an account, as text.
create function core.counter(_campaign_id uuid, _column text)
returns text
language sql
volatile
set search_path = ''
as $$
    select to_jsonb(c) ->> _column from public.campaigns c where c.id = _campaign_id;
$$;

create function core.column_of(_entry_id bigint, _column text)
returns text
language sql
volatile
set search_path = ''
as $$
    select to_jsonb(q) ->> _column from public.send_queue q where q.id = _entry_id;
$$;

create function core.account_column(_campaign_id uuid, _column text)
returns text
language sql
volatile
set search_path = ''
as $$
    select to_jsonb(a) ->> _column
    from public.campaigns c
    join public.provider_accounts a on a.id = c.account_id
    where c.id = _campaign_id;
$$;

-- A walk by chance through everything that can happen to the entries of these campaigns, for as many
-- steps; setseed() decides which walk. Returns what differs between counters and rows after any step.
-- Where the file has a table `seen (status)`, the statuses met on the way are noted there.
create function core.walk(_steps integer, _organization_id uuid, _campaigns uuid[])
returns table (step integer, did text, difference text)
language plpgsql
volatile
set search_path = ''
as $$
declare
    _dice double precision;
    _entry public.send_queue;
    _campaign_id uuid;
begin
    for _step in 1.._steps loop
        _dice := random();
        _campaign_id := _campaigns[1 + floor(random() * cardinality(_campaigns))::integer];
        select q.* into _entry from public.send_queue q where q.campaign_id = _campaign_id order by random() limit 1;
        did := null;
        case
            when _dice < 0.15 then
                did := 'claim';
                perform core.claim(_campaign_id, 1 + floor(random() * 8)::integer);
            when _dice < 0.35 then
                did := 'dispatch';
                perform core.dispatch(k.id)
                from public.claims k
                where k.account_id = _entry.account_id and k.expires_at > sendonce.now()
                order by random()
                limit 1;
            when _dice < 0.65 then
                did := 'result';
                perform core.result(
                    q.id, (array['accepted', 'accepted', 'rejected', 'not_sent', 'ambiguous'])[1 + floor(random() * 5)::integer],
                    jsonb_build_object('code', (array['135000', '131016', '131049', '131050', null])[1 + floor(random() * 5)::integer]),
                    coalesce(q.claim_id, 987654321), greatest(1, q.attempt - floor(random() * 1.2)::integer)
                )
                from public.send_queue q
                where q.campaign_id = _campaign_id and q.attempt > 0
                order by random()
                limit 3;
            when _dice < 0.85 then
                did := 'report';
                perform core.report(
                    q.id, (array['sent', 'delivered', 'read', 'failed'])[1 + floor(random() * 4)::integer], '{}', greatest(1, q.attempt - floor(random() * 1.2)::integer)
                )
                from public.send_queue q
                where q.campaign_id = _campaign_id and q.attempt > 0
                order by random()
                limit 2;
            when _dice < 0.88 then
                did := 'time';
                perform core.advance(interval '30 seconds' * random() * 10);
                perform public.expire_claims(2);
            when _dice < 0.90 then
                did := 'settle';
                perform core.advance('11 minutes');
                perform public.settle_overdue_unknown(2);
            when _dice < 0.93 then
                did := 'release';
                perform public.release_claim(k.id) from public.claims k where k.account_id = _entry.account_id order by random() limit 1;
            when _dice < 0.95 then
                did := 'suppress';
                insert into public.suppressions (organization_id, recipient, scope, reason)
                values (_organization_id, _entry.recipient, 'all', 'walk')
                on conflict do nothing;
            when _dice < 0.97 then
                did := 'pause or resume';
                if core.campaign_status(_campaign_id) = 'running' then
                    perform public.pause_campaign(_campaign_id, 'walk');
                elsif core.campaign_status(_campaign_id) = 'paused' then
                    perform public.resume_campaign(_campaign_id);
                end if;
            when _dice < 0.98 then
                did := 'resume account';
                perform public.resume_account(_entry.account_id);
            when _dice < 0.981 then
                did := 'cancel';
                if core.campaign_status(_campaign_id) in ('running', 'paused') then
                    perform public.cancel_campaign(_campaign_id);
                end if;
            else
                did := 'sweep';
                perform public.sweep_cancelled(3);
                perform public.sweep_reports(3);
        end case;
        step := _step;
        if to_regclass('pg_temp.seen') is not null then
            insert into pg_temp.seen select distinct q.status from public.send_queue q on conflict do nothing;
        end if;
        for difference in select core.differences(c.id) from unnest(_campaigns) c (id) loop
            return next;
        end loop;
    end loop;
end;
$$;

-- What workers do in the end, until nothing moves any more: every claim runs out, every unknown outcome
-- is given up, everything that may go goes and is accepted.
create function core.drain(_campaigns uuid[])
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign record;
    _claim_id bigint;
    _moved integer;
    _rounds integer := 0;
begin
    loop
        _rounds := _rounds + 1;
        _moved := 0;
        perform core.advance('3 days');
        while (public.expire_claims() ->> 'more')::boolean loop
        end loop;
        perform core.advance('1 day');
        while (public.settle_overdue_unknown() ->> 'more')::boolean loop
        end loop;
        while (public.sweep_cancelled() ->> 'more')::boolean loop
        end loop;
        for _campaign in select c.id, c.status, c.account_id from public.campaigns c where c.id = any (_campaigns) order by c.id loop
            perform public.resume_account(_campaign.account_id);
            if _campaign.status = 'paused' then
                perform public.resume_campaign(_campaign.id);
            end if;
            _claim_id := core.hand_out(_campaign.id);
            continue when _claim_id is null;
            _moved := _moved + 1;
            perform public.record_results(k.id, (
                select jsonb_agg(jsonb_build_object(
                    'entry_id', q.id, 'attempt', q.attempt, 'outcome', 'accepted', 'provider_message_id', core.wamid(q.id, q.attempt)
                ))
                from public.send_queue q
                where q.id = any (k.dispatched)
            ))
            from public.claims k
            where k.id = _claim_id and cardinality(k.dispatched) > 0;
        end loop;
        exit when _moved = 0 or _rounds > 100;
    end loop;
    return _rounds;
end;
$$;
