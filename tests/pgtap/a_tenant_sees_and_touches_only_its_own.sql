begin;
select plan(44);

select core.set_clock();
select core.world(2) as ours
\gset
select core.world(2) as theirs
\gset
select core.hand_out(c.id::uuid) from (values (:'ours'), (:'theirs')) c (id);
select core.result(core.entry(c.id::uuid, 1), 'accepted', '{"code": "999"}') from (values (:'ours'), (:'theirs')) c (id);
select core.result(core.entry(c.id::uuid, 2), 'rejected', '{"code": "131050"}') from (values (:'ours'), (:'theirs')) c (id);
select core.account(core.organization_of(c.id::uuid), '{"limit_group": "g"}') from (values (:'ours'), (:'theirs')) c (id);
insert into discrepancies (organization_id, kind, fingerprint) select c.organization_id, 'test', c.id::text from campaigns c;
select core.campaign(core.account_of(c.id::uuid), core.template_of(c.id::uuid), 1) as more from (values (:'ours'), (:'theirs')) c (id);
select core.claim(c.id::uuid) from (values (:'ours'), (:'theirs')) c (id);
select core.member(core.organization_of(:'ours'), 'admin') as admin, core.member(core.organization_of(:'ours'), 'operator') as operator,
    core.member(core.organization_of(:'ours'), 'viewer') as viewer, gen_random_uuid() as stranger
\gset
select core.organization_of(:'ours') as organization, core.organization_of(:'theirs') as their_organization, core.account_of(:'theirs') as their_account,
    core.template_of(:'theirs') as their_template, core.account_of(:'ours') as account, core.template_of(:'ours') as template,
    core.entry(:'theirs', 1) as their_entry
\gset

-- Reading.
create temporary table visible (who text, relation text, rows bigint, foreign_rows bigint) on commit drop;
grant all on pg_temp.visible to public;
create function pg_temp.look(_who text, _organization_id uuid)
returns void
language plpgsql
volatile
set search_path = ''
as $$
declare
    _table text;
begin
    foreach _table in array array[
        'organization_members', 'limit_groups', 'provider_accounts', 'templates', 'campaigns', 'send_queue', 'claims', 'messages', 'suppressions',
        'discrepancies', 'campaign_events', 'rates'
    ] loop
        execute format(
            'insert into pg_temp.visible select %L, %L, count(*), count(*) filter (where organization_id is distinct from %L) from public.%I',
            _who, _table, _organization_id, _table
        );
    end loop;
    execute format(
        'insert into pg_temp.visible select %L, ''organizations'', count(*), count(*) filter (where id is distinct from %L) from public.organizations',
        _who, _organization_id
    );
end;
$$;
select core.become('authenticated', :'viewer');
select pg_temp.look('viewer', :'organization');
select core.become('authenticated', :'stranger');
select pg_temp.look('stranger', :'organization');
select core.become('authenticated', null);
select pg_temp.look('without a user', :'organization');
select core.become_owner();

select cmp_ok(rows, '>', 0::bigint, format('a viewer sees rows of %s', relation)) from visible
where who = 'viewer';
select is(foreign_rows, 0::bigint, format('but no other tenant''s rows of %s', relation)) from visible
where who = 'viewer';
select is_empty('select * from visible where who = ''stranger'' and rows > 0', 'who is member of nothing sees nothing');
select is_empty('select * from visible where who = ''without a user'' and rows > 0', 'nor does a token without a user');

-- Touching: refused alike whether it exists or not.
select core.become('authenticated', :'admin');
select throws_ok(format('select public.%s', c.call), 'SO003', null, format('an admin elsewhere is refused %s', c.call))
from (
    values
    (format('start_campaign(%L)', :'theirs')), (format('pause_campaign(%L, %L)', :'theirs', 'r')), (format('cancel_campaign(%L)', :'theirs')),
    (format('resume_campaign(%L)', :'theirs')), (format('add_recipients(%L, %L)', :'theirs', '[]')),
    (format('create_campaign(%L, %L, %L, %L)', :'their_organization', 'n', :'their_account', :'their_template')),
    (format('pause_account(%L, %L)', :'their_account', 'r')), (format('resume_account(%L)', :'their_account')),
    (format('set_member(%L, %L, %L)', :'their_organization', :'stranger', 'admin')),
    (format('upsert_template(%L, %L, %L)', :'their_organization', 'whatsapp', 'n')),
    (format('upsert_account(%L, %L, %L, %L)', :'their_organization', 'whatsapp', 's', 'n')),
    (format('start_campaign(%L)', gen_random_uuid()))
) c (call);
select throws_ok(
    format('select public.create_campaign(%L, %L, %L, %L)', :'organization', 'n', :'their_account', :'template'), 'SO004', null,
    'another tenant''s account does not exist for us'
);
select throws_ok(
    format('select public.create_campaign(%L, %L, %L, %L)', :'organization', 'n', :'account', :'their_template'), 'SO004', null,
    'nor does another tenant''s template'
);

-- Roles within the organization.
select core.become('authenticated', :'viewer');
select throws_ok(format('select public.pause_campaign(%L, %L)', :'ours', 'r'), 'SO003', null, 'a viewer runs nothing');
select core.become('authenticated', :'operator');
select throws_ok(
    format('select public.upsert_account(%L, %L, %L, %L)', :'organization', 'whatsapp', 's', 'n'), 'SO003', null, 'an operator administers nothing'
);

select * from finish();
rollback;
