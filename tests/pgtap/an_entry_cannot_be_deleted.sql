-- Nor truncated, nor any row that the record is made of; by nobody, the owner included.
begin;
select plan(15);

set local client_min_messages = warning;
select core.set_clock();
select core.world(1) as campaign
\gset
select core.bring(core.entry(:'campaign'), 'sent');
select throws_ok(format('delete from public.%I', t.name), 'SO009', null, format('no row of %s is deleted', t.name))
from unnest(array['send_queue', 'messages', 'campaigns', 'provider_accounts', 'templates', 'campaign_events']) t (name);
select throws_ok(format('truncate public.%I cascade', t.name), 'SO009', null, format('%s is not truncated', t.name))
from unnest(array['send_queue', 'messages', 'campaigns', 'provider_accounts', 'templates', 'campaign_events']) t (name);
select is((select count(*) from send_queue), 1::bigint, 'the entry is there');
select is((select count(*) from messages), 1::bigint, 'and its attempt');
select throws_ok(format('delete from public.organizations where id = %L', core.organization_of(:'campaign')), '23503', null, 'an organization with campaigns stays too');

select * from finish();
rollback;
