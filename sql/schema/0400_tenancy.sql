-- Organizations (tenants), their members, and who the caller is.

create type public.member_role as enum ('viewer', 'operator', 'admin');

create table public.organizations (
    id uuid primary key default gen_random_uuid(),
    name text not null,
    -- How many accounts of this organization may hold claims at once; null: any number.
    accounts_at_once integer,
    created_at timestamptz not null default sendonce.now(),
    constraint organization_name_is_not_blank check (btrim(name) <> ''),
    constraint accounts_at_once_is_positive check (accounts_at_once > 0)
);

comment on table public.organizations is 'Tenants. Everything else belongs to exactly one.';

create table public.organization_members (
    organization_id uuid not null references public.organizations (id),
    user_id uuid not null,
    role public.member_role not null,
    created_at timestamptz not null default sendonce.now(),
    primary key (organization_id, user_id)
);

create index idx_organization_members_user on public.organization_members (user_id);

comment on table public.organization_members is
    'Who may see (viewer), run (operator) or administer (admin) an organization. user_id is the "sub" of the caller''s token.';

create function sendonce.caller_role()
returns text
language sql
stable
set search_path = ''
as $$
    -- Inside a definer function current_user is the owner, so that one cannot be asked.
    select case current_setting('role')
        when 'none' then session_user::text
        else current_setting('role')
    end;
$$;

comment on function sendonce.caller_role() is
    'Called by the access checks. Returns the role that the session acts as, also inside definer functions.';

create function sendonce.caller_user_id()
returns uuid
language plpgsql
stable
set search_path = ''
as $$
begin
    return nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid;
exception
    -- A token whose claims cannot be read belongs to nobody.
    when invalid_text_representation then
        return null;
end;
$$;

comment on function sendonce.caller_user_id() is
    'Called by the access checks and RLS policies. Returns the user of the request''s verified token, null without one.';

create function sendonce.caller_is_operator_of_all()
returns boolean
language sql
stable
set search_path = ''
as $$
    select sendonce.caller_role() = 'service_role'
        or pg_catalog.pg_has_role(
            sendonce.caller_role()::name,
            (select n.nspowner from pg_catalog.pg_namespace n where n.nspname = 'sendonce'),
            'member'
        );
$$;

comment on function sendonce.caller_is_operator_of_all() is
    'Called by the access checks. True for the owner, superusers and service_role: they act as operator in every organization, and are logged.';

create function sendonce.caller_organizations()
returns setof uuid
language sql
stable
security definer
set search_path = ''
as $$
    select m.organization_id
    from public.organization_members m
    where m.user_id = sendonce.caller_user_id();
$$;

comment on function sendonce.caller_organizations() is
    'Called by RLS policies. Returns the organizations of which the caller''s token is a member.';

create function sendonce.actor()
returns text
language sql
stable
set search_path = ''
as $$
    select case
        when sendonce.caller_role() = 'authenticated' then 'user:' || coalesce(sendonce.caller_user_id()::text, 'none')
        else 'role:' || sendonce.caller_role()
    end;
$$;

comment on function sendonce.actor() is 'Called when an event is logged. Returns who acts: user:<id> or role:<name>.';

create function sendonce.require_role(_organization_id uuid, _minimum public.member_role)
returns void
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    if sendonce.caller_is_operator_of_all() then
        return;
    end if;

    if not exists (
        select
        from public.organization_members m
        where m.organization_id = _organization_id
            and m.user_id = sendonce.caller_user_id()
            and m.role >= _minimum
    ) then
        -- One answer for "no such organization" and "not yours": the difference is nobody's business.
        raise exception using
            errcode = 'SO003',
            message = 'not allowed in this organization',
            detail = format('%s needs the role %s or above in organization %s.', sendonce.actor(), _minimum, coalesce(_organization_id::text, '(null)')),
            hint = 'Ask an admin of the organization to call set_member for you.';
    end if;
end;
$$;

comment on function sendonce.require_role(uuid, public.member_role) is
    'Called first by every function that acts for a tenant. Returns nothing. Raises SO003 when the caller is no member with at least that role.';

create function sendonce.raise_not_found(_what text, _id text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    raise exception using
        errcode = 'SO004',
        message = format('no such %s', _what),
        detail = format('%s %s does not exist, or is not visible to you.', initcap(_what), coalesce(_id, '(null)')),
        hint = 'Check the id, and that you are signed in to the organization that owns it.';
end;
$$;

comment on function sendonce.raise_not_found(text, text) is 'Called where a row by id is missing. Always raises SO004.';

create function sendonce.raise_invalid(_message text, _detail text, _hint text)
returns void
language plpgsql
stable
set search_path = ''
as $$
begin
    -- format() keeps this function stable: an immutable one with constant arguments would raise
    -- while its caller is only being planned.
    raise exception using
        errcode = 'SO005', message = format('%s', _message), detail = coalesce(_detail, ''), hint = coalesce(_hint, '');
end;
$$;

comment on function sendonce.raise_invalid(text, text, text) is 'Called where an argument cannot be accepted. Always raises SO005 with the given words.';
