begin;
select plan(9);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.template_of(:'campaign') as template
\gset
select core.campaign(core.account(core.organization_of(:'campaign')), :'template', 2) as other_account
\gset
select core.campaign(core.account_of(:'campaign'), core.template(core.organization_of(:'campaign')), 2) as other_template
\gset
select core.claim(:'other_account', 1) as in_hand
\gset
select core.claim(:'campaign', 4) as claim
\gset
select core.dispatch(:claim);
select core.result(core.entry(:'campaign', 1), 'rejected', '{"code": "132001", "message": "template name does not exist"}');

select matches((select stop_reason from templates
where id = :'template'), '132001.*does not exist', 'the template is stopped with the reason');
select is(core.state(core.entry(:'campaign', 1)), 'ready', 'the contact keeps its place');
select is(core.column_of(core.entry(:'campaign', 1), 'tries'), '0', 'and its tries');
select is(core.claim(:'other_account'), null, 'the campaign of another account with this template stops');
select is(core.dispatch(:in_hand) #>> '{refused, 0, reason}', 'template stopped', 'what is in hand there may not leave');
select is(core.campaign_status(:'campaign'), 'running', 'the campaigns themselves go on');
select is(core.account_column(:'campaign', 'paused_at'), null, 'so does the account');

select upsert_template(t.organization_id, t.provider, t.name, t.language) from templates t
where t.id = :'template';
select core.advance('1 hour');
select cmp_ok(core.claim(:'other_account'), '>', 0::bigint, 'set again by a person, the template goes out again');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
