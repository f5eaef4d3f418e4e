-- organizations.accounts_at_once: how many accounts of a tenant may hold claims at the same time.
begin;
select plan(6);

select core.set_clock();
select core.organization() as organization
\gset
select core.template(:'organization') as template
\gset
select core.campaign(core.account(:'organization'), :'template', 4) as a
\gset
select core.campaign(core.account(:'organization'), :'template', 4) as b
\gset
select core.campaign(core.account(:'organization'), :'template', 4) as c
\gset
update organizations set accounts_at_once = 2
where id = :'organization';

select core.claim(:'a', 1) as first
\gset
select cmp_ok(:first, '>', 0, 'the first account works');
select cmp_ok(core.claim(:'b', 1), '>', 0::bigint, 'the second too');
select is(core.claim(:'c', 1), null, 'the third has to wait');
select cmp_ok(core.claim(:'a', 1), '>', 0::bigint, 'one that works already may go on');
select release_claim(k.id) from claims k
where k.account_id = core.account_of(:'a');
select cmp_ok(core.claim(:'c', 1), '>', 0::bigint, 'when one has finished the third works');
select is(core.claim(:'a', 1), null, 'and the first has to wait');

select * from finish();
rollback;
