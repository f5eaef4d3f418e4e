begin;
select plan(3);

insert into public.rates (provider, category, currency, rate, charge_on)
values ('whatsapp', 'MARKETING', 'USD', 0.05, 'accepted'), ('whatsapp', 'MARKETING', 'BRL', 0.30, 'accepted');
select testing.make_campaign(2) as campaign \gset
select testing.send(1);
select public.upsert_account(a.organization_id, a.provider, a.sender, a.name, '{"currency": "BRL"}') from public.provider_accounts a;
select testing.send(1);
select is(
    (select concat_ws(' ', c.actual_cost, c.currency) from public.campaigns c where c.id = :'campaign'), '0.100000 USD',
    'its account has changed its currency meanwhile, the campaign has not'
);
select public.clone_campaign(:'campaign', 'all') ->> 'campaign_id' as clone \gset
select is(
    (select concat_ws(' ', c.estimated_cost, c.currency) from public.campaigns c where c.id = :'clone'), '0.600000 BRL', 'a clone is a campaign of today'
);
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
