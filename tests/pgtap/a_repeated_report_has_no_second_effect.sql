-- The provider repeats its reports for up to a week. What a person has set right meanwhile (account
-- resumed, template set again, suppression lifted) is not undone by a repetition.
begin;
select plan(9);

select core.set_clock();
select core.world(4, '{"account": {"maximum_rate": 100}}') as campaign
\gset
select core.advance('1 second');
select core.hand_out(:'campaign');

create temporary table told on commit drop as
select c.number, c.code, core.entry(:'campaign', c.number) as entry_id
from (values (1, '190'), (2, '132015'), (3, '131050'), (4, '130429')) c (number, code);
select core.report(entry_id, 'failed', jsonb_build_object('code', code)) from told
order by number;
select isnt(core.account_column(:'campaign', 'paused_at'), null, 'the account is paused');
select isnt((select stopped_at from templates
where id = core.template_of(:'campaign')), null, 'the template is stopped');
select is((select count(*) from suppressions), 1::bigint, 'the person is suppressed');
select is(core.account_column(:'campaign', 'current_rate')::numeric, 50::numeric, 'the rate is halved');

select resume_account(core.account_of(:'campaign'));
select upsert_template(t.organization_id, t.provider, t.name, t.language) from templates t
where t.id = core.template_of(:'campaign');
select unsuppress(core.organization_of(:'campaign'), core.person(3));
select core.advance('1 hour');
select core.report(entry_id, 'failed', jsonb_build_object('code', code)) from told
order by number;
select is(core.account_column(:'campaign', 'paused_at'), null, 'told again: the account stays resumed');
select is((select stopped_at from templates
where id = core.template_of(:'campaign')), null, 'the template stays free');
select is((select count(*) from suppressions), 0::bigint, 'the person stays unsuppressed');
select is(core.account_column(:'campaign', 'current_rate')::numeric, 50::numeric, 'the rate is not halved again');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
