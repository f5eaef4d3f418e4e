-- The schema no API exposes, and the roles that may call into it.
-- Roles belong to the whole cluster: another database, or this one before a reset, may have made
-- them already, so they are created where missing, never dropped and never given settings.

create schema sendonce;

comment on schema sendonce is
    'Sendonce: definer functions and internal tables. Not exposed by any API; the functions in public call into it.';

do $roles$
declare
    _role text;
begin
    foreach _role in array array['anon', 'authenticated', 'service_role', 'sendonce_worker'] loop
        begin
            if not exists (select from pg_catalog.pg_roles where rolname = _role) then
                execute format('create role %I nologin', _role);
            end if;
        exception
            -- Another session created it between our look and our create.
            when duplicate_object or unique_violation then null;
        end;
    end loop;
end;
$roles$;

revoke all on schema sendonce from public;
grant usage on schema sendonce to authenticated, service_role, sendonce_worker;
grant usage on schema public to authenticated, service_role, sendonce_worker;
