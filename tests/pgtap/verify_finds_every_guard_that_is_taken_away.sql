begin;
select no_plan();

create function testing.without(_statement text)
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
    select string_agg(v.detail, '; ') into _found from public.verify_invariants() v;
    raise exception using errcode = 'ZZ000', message = coalesce(_found, '(nothing)');
exception
    when sqlstate 'ZZ000' then
        return sqlerrm;
end;
$$;

select is(testing.without('select'), '(nothing)', 'every guard is in place');

-- Read off the catalog: a guard that somebody adds is tested from the day on which it is there.
select is(testing.without(format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass)), format('trigger %s on public.%s is missing', t.tgname, t.tgrelid::regclass), 'dropped')
from pg_trigger t
where t.tgrelid in ('campaigns'::regclass, 'send_queue'::regclass, 'messages'::regclass, 'provider_accounts'::regclass, 'templates'::regclass, 'campaign_events'::regclass)
    and not t.tgisinternal;
select is(
    testing.without(format('alter table %s disable trigger %I', t.tgrelid::regclass, t.tgname)), format('trigger %s on public.%s is disabled', t.tgname, t.tgrelid::regclass), 'disabled'
)
from pg_trigger t
where t.tgrelid in ('campaigns'::regclass, 'send_queue'::regclass, 'messages'::regclass, 'provider_accounts'::regclass, 'templates'::regclass, 'campaign_events'::regclass)
    and not t.tgisinternal;
select is(
    testing.without(format('alter table %s enable replica trigger %I', t.tgrelid::regclass, t.tgname)), format('trigger %s on public.%s is disabled', t.tgname, t.tgrelid::regclass),
    'enabled for replicas only'
)
from pg_trigger t
where t.tgrelid = 'send_queue'::regclass and not t.tgisinternal;

select is(testing.without(format('alter table %s drop constraint %I', k.conrelid::regclass, k.conname)), format('constraint %s on public.%s is missing', k.conname, k.conrelid::regclass), 'dropped')
from pg_constraint k
where k.conrelid in ('campaigns'::regclass, 'send_queue'::regclass, 'messages'::regclass, 'claims'::regclass) and k.contype = 'c';
select is(
    testing.without(
        format(
            'alter table %1$s drop constraint %2$I; alter table %1$s add constraint %2$I %3$s not valid',
            k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)
        )
    ),
    format('constraint %s on public.%s is not validated', k.conname, k.conrelid::regclass), 'not validated'
)
from pg_constraint k
where k.conrelid = 'send_queue'::regclass and k.contype = 'c';

select is(testing.without(format('drop index %s', i.indexrelid::regclass)), format('unique index %s on public.%s is missing', i.indexrelid::regclass, i.indrelid::regclass), 'dropped')
from pg_index i
where i.indrelid in ('campaigns'::regclass, 'send_queue'::regclass, 'messages'::regclass, 'claims'::regclass) and i.indisunique and not i.indisprimary;
select is(
    testing.without(format('update pg_index set indisvalid = false where indexrelid = %L::regclass', i.indexrelid::regclass)),
    format('unique index %s on public.%s is not unique or not valid', i.indexrelid::regclass, i.indrelid::regclass), 'not valid'
)
from pg_index i
where i.indrelid in ('campaigns'::regclass, 'send_queue'::regclass, 'messages'::regclass, 'claims'::regclass) and i.indisunique and not i.indisprimary;
select is(
    testing.without('alter table messages drop constraint messages_pkey'), 'unique index messages_pkey on public.messages is missing', 'attempts may be charged twice'
);

select is(testing.without(format('alter table %s disable row level security', c.oid::regclass)), format('row level security of public.%s is off', c.oid::regclass), 'open to all')
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind = 'r';

select * from finish();
rollback;
