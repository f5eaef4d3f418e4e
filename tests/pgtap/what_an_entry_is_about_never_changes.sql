begin;
select plan(14);

select core.set_clock();
select core.world(2) as campaign
\gset
select core.world(1) as other
\gset
select core.entry(:'campaign') as entry
\gset

select throws_ok(format('update public.send_queue set %s where id = %s', c.change, :'entry'), 'SO008', null, format('not %s', c.what))
from (
    values
    ('its organization', format('organization_id = %L', core.organization_of(:'other'))),
    ('its account', format('account_id = %L', core.account_of(:'other'))),
    ('its campaign', format('campaign_id = %L', :'other')),
    ('its recipient', 'recipient = ''+99988888888'''),
    ('its units', 'units = 2')
) c (what, change);
select throws_ok(
    format('update public.send_queue set campaign_id = null, template_id = %L where id = %s', core.template_of(:'campaign'), :'entry'), 'SO008', null, 'nor is it taken out of its campaign'
);
select throws_ok(
    format('update public.campaigns set %s where id = %L', c.change, :'campaign'), 'SO008', null, format('nor the %s of a campaign', c.what)
)
from (
    values
    ('organization', format('organization_id = %L', core.organization_of(:'other'))),
    ('account', format('account_id = %L', core.account_of(:'other'))),
    ('template', format('template_id = %L', core.template_of(:'other'))),
    ('currency', 'currency = ''EUR''')
) c (what, change);
select throws_ok(format('update public.send_queue set attempt = 5 where id = %s', :'entry'), 'SO007', null, 'an attempt is not counted without a claim');
select throws_ok(
    format('update public.send_queue set status = %L, claim_id = 1 where id = %s', 'processing', :'entry'), 'SO007', null, 'nor is a claim made without an attempt'
);
select throws_ok(
    format('update public.send_queue set status = %L, attempt = 1, error_class = %L where id = %s', 'skipped', 'suppressed', :'entry'), 'SO007', null,
    'nor an attempt counted by another move'
);
select lives_ok(format('update public.campaigns set name = %L where id = %L', 'renamed', :'campaign'), 'a name may change');

select * from finish();
rollback;
