-- What many files need first: an organization with an account and a template, a campaign with
-- contacts, and the moves of a worker. Loaded once, before any file, into a schema of its own;
-- everything goes through the public functions, so that a fixture can do nothing a caller cannot.

create schema testing;
grant usage on schema testing to public;

create function testing.make_organization(_name text default 'Fixture & Sons')
returns uuid
language sql
volatile
set search_path = ''
as $$
    select public.create_organization(_name);
$$;

comment on function testing.make_organization(text) is 'Returns the id of a new organization.';

-- Senders differ within a file, and are the same in every run of it.
create sequence testing.sender_numbers;

create function testing.make_account(_organization_id uuid, _options jsonb default '{}')
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _number constant bigint := nextval('testing.sender_numbers');
begin
    -- Without a rate, so that a test meets the token bucket only when it asks for it.
    return public.upsert_account(
        _organization_id, 'whatsapp', 'sender-' || _number, 'Account ' || _number, '{"maximum_rate": null}'::jsonb || _options
    );
end;
$$;

comment on function testing.make_account(uuid, jsonb) is 'Returns the id of a new WhatsApp account, without a rate unless _options says otherwise.';

create function testing.make_template(_organization_id uuid, _options jsonb default '{}')
returns uuid
language sql
volatile
set search_path = ''
as $$
    select public.upsert_template(
        _organization_id, 'whatsapp', 'template_' || (select count(*) + 1 from public.templates), 'en', _options
    );
$$;

comment on function testing.make_template(uuid, jsonb) is 'Returns the id of a new template: MARKETING and without variables unless _options says otherwise.';

create function testing.recipients(_count integer, _first integer default 1)
returns jsonb
language sql
immutable
set search_path = ''
as $$
    select coalesce(jsonb_agg(jsonb_build_object('recipient', '+9990' || lpad(n::text, 8, '0')) order by n), '[]')
    from generate_series(_first, _first + _count - 1) n;
$$;

comment on function testing.recipients(integer, integer) is 'Returns an array of made-up recipients for add_recipients: +999000000001 and following.';

create function testing.recipient(_number integer)
returns text
language sql
immutable
set search_path = ''
as $$
    select '+9990' || lpad(_number::text, 8, '0');
$$;

comment on function testing.recipient(integer) is 'Returns the made-up recipient with this number.';

create function testing.make_draft(_contacts integer, _account_id uuid default null, _options jsonb default '{}')
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _account uuid := _account_id;
    _organization_id uuid;
    _campaign_id uuid;
begin
    if _account is null then
        _account := testing.make_account(testing.make_organization());
    end if;
    select a.organization_id into _organization_id from public.provider_accounts a where a.id = _account;
    _campaign_id := public.create_campaign(
        _organization_id, 'Campaign ' || (select count(*) + 1 from public.campaigns), _account,
        testing.make_template(_organization_id), _options
    );
    for _chunk in 0..(_contacts - 1) / 20000 loop
        perform public.add_recipients(_campaign_id, testing.recipients(least(20000, _contacts - _chunk * 20000), _chunk * 20000 + 1));
    end loop;
    return _campaign_id;
end;
$$;

comment on function testing.make_draft(integer, uuid, jsonb) is
    'Returns the id of a new draft with so many contacts, of the given account or of a new one in a new organization.';

create function testing.make_campaign(_contacts integer, _account_id uuid default null, _options jsonb default '{}')
returns uuid
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := testing.make_draft(_contacts, _account_id, _options);
begin
    perform public.start_campaign(_campaign_id);
    return _campaign_id;
end;
$$;

comment on function testing.make_campaign(integer, uuid, jsonb) is 'As make_draft, and started.';

create function testing.claim(_limit integer default 1000, _worker text default 'worker-1', _account_id uuid default null)
returns bigint
language sql
volatile
set search_path = ''
as $$
    select (public.claim_messages(_worker, _account_id, _limit) ->> 'claim_id')::bigint;
$$;

comment on function testing.claim(integer, text, uuid) is 'Returns the id of a new claim, null when nothing is handed out.';

create function testing.dispatch(_claim_id bigint)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select public.begin_dispatch(_claim_id, (select k.entry_ids from public.claims k where k.id = _claim_id));
$$;

comment on function testing.dispatch(bigint) is 'Dispatches all that the claim holds; returns what begin_dispatch says.';

create function testing.wamid(_entry_id bigint, _attempt integer)
returns text
language sql
immutable
set search_path = ''
as $$
    select format('wamid.%s.%s', _entry_id, _attempt);
$$;

comment on function testing.wamid(bigint, integer) is 'Returns the message id that the fixtures'' provider gives to this attempt.';

create function testing.record(_claim_id bigint, _outcome text default 'accepted', _code text default null)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select public.record_results(_claim_id, coalesce(
        jsonb_agg(
            jsonb_build_object(
                'entry_id', q.id, 'attempt', q.attempt, 'outcome', _outcome, 'code', _code,
                'provider_message_id', case when _outcome = 'accepted' then testing.wamid(q.id, q.attempt) end
            ) order by q.id
        ), '[]'
    ))
    from public.claims k
    cross join lateral unnest(k.dispatched) d(id)
    join public.send_queue q on q.id = d.id
    where k.id = _claim_id;
$$;

comment on function testing.record(bigint, text, text) is 'Records one outcome for all that the claim has dispatched; returns what record_results says.';

create function testing.send(
    _limit integer default 1000, _outcome text default 'accepted', _code text default null, _account_id uuid default null
)
returns jsonb
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim_id constant bigint := testing.claim(_limit, 'worker-1', _account_id);
begin
    perform testing.dispatch(_claim_id);
    return testing.record(_claim_id, _outcome, _code);
end;
$$;

comment on function testing.send(integer, text, text, uuid) is 'One claim, dispatched and recorded with one outcome; returns what record_results says.';

create function testing.send_all(_outcome text default 'accepted', _code text default null)
returns integer
language plpgsql
volatile
set search_path = ''
as $$
declare
    _claim_id bigint;
    _claims integer := 0;
begin
    loop
        _claim_id := testing.claim();
        exit when _claim_id is null;
        perform testing.dispatch(_claim_id);
        perform testing.record(_claim_id, _outcome, _code);
        _claims := _claims + 1;
    end loop;
    return _claims;
end;
$$;

comment on function testing.send_all(text, text) is 'Claims, dispatches and records until nothing is handed out; returns the number of claims.';

create function testing.report(
    _entry_id bigint, _status text, _code text default null, _attempt integer default null, _wamid text default null
)
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select public.ingest_delivery_reports(a.provider, jsonb_build_array(jsonb_build_object(
        'app', a.app, 'sender', a.sender, 'status', _status, 'code', _code,
        'provider_message_id', coalesce(_wamid, testing.wamid(q.id, coalesce(_attempt, q.attempt))),
        'timestamp', floor(extract(epoch from sendonce.now()))::bigint::text,
        'reference', format('so1:%s:%s:%s', coalesce(q.campaign_id, q.account_id), q.id, coalesce(_attempt, q.attempt))
    )))
    from public.send_queue q
    join public.provider_accounts a on a.id = q.account_id
    where q.id = _entry_id;
$$;

comment on function testing.report(bigint, text, text, integer, text) is
    'The provider reports a status of an entry''s attempt (by default its last) with the reference; returns what ingest_delivery_reports says.';

create function testing.entry(_campaign_id uuid, _number integer default 1)
returns bigint
language sql
stable
set search_path = ''
as $$
    select q.id from public.send_queue q where q.campaign_id = _campaign_id order by q.id offset _number - 1 limit 1;
$$;

comment on function testing.entry(uuid, integer) is 'Returns the id of the campaign''s entry with this number, from 1.';

create function testing.pass_time(_by interval)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    perform set_config(
        'testing.time_passed', (coalesce(nullif(current_setting('testing.time_passed', true), ''), '0')::interval + _by)::text, true
    );
    -- The only clock. The file's rollback brings the real one back.
    create or replace function sendonce.now()
    returns timestamptz
    language sql
    volatile
    set search_path = ''
    as $clock$
        select clock_timestamp() + current_setting('testing.time_passed')::interval;
    $clock$;
end;
$$;

comment on function testing.pass_time(interval) is 'Sets the database''s only clock forward, until the transaction ends. Called by the owner.';

create function testing.become(_user_id uuid)
returns void
language sql
volatile
set search_path = ''
as $$
    select set_config('request.jwt.claims', jsonb_build_object('sub', _user_id, 'role', 'authenticated')::text, true);
    select set_config('role', 'authenticated', true);
$$;

comment on function testing.become(uuid) is 'Goes on as a signed-in user, as the API does it; "reset role" ends it.';

create function testing.become_owner()
returns void
language sql
volatile
set search_path = ''
as $$
    select set_config('role', 'none', true);
    select set_config('request.jwt.claims', '', true);
$$;

comment on function testing.become_owner() is 'Goes on as the owner again.';

create function testing.make_member(_organization_id uuid, _role public.member_role)
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

comment on function testing.make_member(uuid, public.member_role) is 'Returns a new user who has this role in the organization.';

create function testing.organization(_campaign_id uuid)
returns uuid
language sql
stable
set search_path = ''
as $$
    select c.organization_id from public.campaigns c where c.id = _campaign_id;
$$;

comment on function testing.organization(uuid) is 'Returns the organization of the campaign.';

create function testing.violations(_campaign_id uuid default null)
returns setof text
language sql
stable
set search_path = ''
as $$
    select distinct format('%s %s', v.invariant, v.name) from public.verify_invariants(_campaign_id) v order by 1;
$$;

comment on function testing.violations(uuid) is 'Returns the rules that verify_invariants sees broken, each once: "4 counters_equal_rows".';

create function testing.plant(_table regclass, _statement text)
returns void
language plpgsql
volatile
set search_path = ''
as $$
begin
    -- What an owner can do, and no other: for this one statement the table has no guard.
    execute format('alter table %s disable trigger user', _table);
    execute _statement;
    execute format('alter table %s enable trigger user', _table);
end;
$$;

comment on function testing.plant(regclass, text) is 'Runs the statement as an owner who has disabled the table''s triggers, and enables them again.';
