-- No row of campaigns is born running or with numbers of its own.
begin;
select plan(4);

select core.world(0, '{"start": false}') as model
\gset

prepare born (text, integer, integer) as
insert into public.campaigns (organization_id, account_id, template_id, name, currency, status, total_contacts, total_sent, started_at)
select organization_id, account_id, template_id, 'born', currency, $1::public.campaign_status, $2, $3, now()
from public.campaigns
limit 1;

select throws_ok('execute born (''running'', 1, 0)', 'SO010', null, 'none is born running');
select throws_ok('execute born (''draft'', 1, 0)', 'SO010', null, 'none with contacts that no row stands for');
select throws_ok('execute born (''draft'', 1, 1)', 'SO010', null, 'none with messages that nobody sent');
select lives_ok('execute born (''draft'', 0, 0)', 'an empty draft is');

select * from finish();
rollback;
