begin;
select no_plan();

create function testing.granted(_statement text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _found text;
begin
    perform set_config('search_path', 'public', true);
    execute _statement;
    select string_agg(v.invariant || ' ' || v.detail, '; ' order by v.detail) into _found from public.verify_invariants() v;
    raise exception using errcode = 'ZZ000', message = coalesce(_found, '(nothing)');
exception
    when sqlstate 'ZZ000' then
        return sqlerrm;
end;
$$;

select is(testing.granted('select'), '(nothing)', 'nobody may do more than the list says');
select is(testing.granted(format('grant update on send_queue to %I', r.name)), format('12 %s may update public.send_queue', r.name), 'no update')
from unnest(array['anon', 'authenticated', 'service_role', 'sendonce_worker']) r(name);
select is(testing.granted('grant update (status) on send_queue to authenticated'), '12 authenticated may update public.send_queue', 'not of one column either');
select is(testing.granted('grant insert on messages to authenticated'), '12 authenticated may insert public.messages', 'no insert');
select is(testing.granted('grant delete on campaigns to service_role'), '12 service_role may delete public.campaigns', 'no delete');
select is(testing.granted('grant truncate on claims to authenticated'), '12 authenticated may truncate public.claims', 'no truncate');
select is(testing.granted('grant select on campaigns to anon'), '12 anon may select from public.campaigns', 'the public key reads nothing');
select is(testing.granted('grant select on campaigns to sendonce_worker'), '12 sendonce_worker may select from public.campaigns', 'a worker reads no table');
select is(testing.granted('grant select on sendonce.report_log to authenticated'), '12 authenticated may select from sendonce.report_log', 'nobody reads the internal ones');
select is(
    testing.granted('create policy everything on send_queue for select to authenticated using (true)'), '12 policy everything on public.send_queue is not ours',
    'no policy that lets tenants see one another'
);

-- Every function of ours, for everybody by a careless grant to PUBLIC, and for each role it is not meant for.
set local search_path = tap;
select is(
    strpos(testing.granted(format('grant execute on function %s to public', p.oid::regprocedure)), format('12 anon may execute %s', p.oid::regprocedure)),
    1, 'not for the public key'
)
from pg_proc p
where p.pronamespace = 'sendonce'::regnamespace
    or p.oid in (select to_regprocedure(l.signature) from sendonce.function_access l);
set local search_path = public, tap;

select is(
    testing.granted(format('grant execute on function increment_campaign_sent(uuid, integer) to %I', r.name)),
    format('12 %s may execute public.increment_campaign_sent(uuid,integer)', r.name), 'nobody counts by hand'
)
from unnest(array['anon', 'authenticated', 'service_role', 'sendonce_worker']) r(name);
select is(
    testing.granted('grant execute on function claim_messages(text, uuid, integer) to authenticated'),
    '12 authenticated may execute public.claim_messages(text,uuid,integer)', 'a user is no worker'
);
select is(
    testing.granted('grant execute on function create_campaign(uuid, text, uuid, uuid, jsonb) to sendonce_worker'),
    '12 sendonce_worker may execute public.create_campaign(uuid,text,uuid,uuid,jsonb)', 'a worker is no user'
);

select * from finish();
rollback;
