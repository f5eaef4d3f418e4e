-- The daily cap is the group's: an account that belongs to none has none to set.
begin;
select plan(9);

select core.organization() as organization
\gset
create function core.group_of_the_account() returns text language sql set search_path = '' as $$
    select g.name || ' ' || coalesce(g.daily_recipients::text, 'no cap')
    from public.provider_accounts a
    join public.limit_groups g on g.id = a.limit_group_id
$$;
prepare set_account (jsonb) as select upsert_account(:'organization', 'whatsapp', 'sender-1', 'shop', $1);

select throws_ok(
    $$execute set_account('{"daily_recipients": 5}')$$, 'SO005', 'daily_recipients is the cap of a limit group', 'a cap without a group is refused'
);
select is((select count(*) from provider_accounts), 0::bigint, 'before anything is made');
execute set_account('{"limit_group": "portfolio"}');
select is(core.group_of_the_account(), 'portfolio no cap', 'a group starts without a cap');
select lives_ok($$execute set_account('{"daily_recipients": 5}')$$, 'a cap alone is the cap of the group that the account has');
select is(core.group_of_the_account(), 'portfolio 5', 'from then on');
select lives_ok($$execute set_account('{"app": "shop"}')$$, 'what is not named');
select is(core.group_of_the_account(), 'portfolio 5', 'stays as it is');
select lives_ok($$execute set_account('{"limit_group": null}')$$, 'a group of null');
select is(core.group_of_the_account(), null, 'takes the account out of its group');

select * from finish();
rollback;
