begin;
select plan(6);

select core.set_clock();
select core.world(1) as campaign
\gset
select core.become('anon');
select throws_ok(format('select %s', c.call), '42501', null, format('anon may not %s', c.call))
from (
    values
    ('count(*) from public.campaigns'), ('count(*) from public.error_classes'), ('public.claim_messages(''w'')'),
    ('public.schema_version()'), ('public.create_organization(''mine'')'), ('sendonce.now()')
) c (call);

select * from finish();
rollback;
