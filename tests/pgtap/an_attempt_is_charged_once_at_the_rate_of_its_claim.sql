begin;
select plan(20);

select core.set_clock();
select core.organization() as organization
\gset
select core.account(:'organization') as account, core.template(:'organization') as template
\gset

-- Charged on delivery, first told by delivered or read.
select core.price(:'organization', 0.05, 'delivered');
select core.campaign(:'account', :'template', 4) as delivered
\gset
select is(core.counter(:'delivered', 'estimated_cost')::numeric, 0.20, 'the estimate is rate times contacts');
select core.hand_out(:'delivered');
select core.result(core.entry(:'delivered', n), 'accepted') from generate_series(1, 4) n;
select is(core.counter(:'delivered', 'actual_cost')::numeric, 0::numeric, 'acceptance costs nothing');
select core.report(core.entry(:'delivered', 1), 'sent');
select core.report(core.entry(:'delivered', 1), 'delivered');
select core.report(core.entry(:'delivered', 1), 'read');
select core.report(core.entry(:'delivered', 1), 'delivered');
select is(core.counter(:'delivered', 'actual_cost')::numeric, 0.05, 'sent, delivered, read and delivered again cost once');
select core.report(core.entry(:'delivered', 2), 'read');
select is(core.counter(:'delivered', 'actual_cost')::numeric, 0.10, 'read without delivered costs too');
select core.report(core.entry(:'delivered', 2), 'delivered');
select is(core.counter(:'delivered', 'actual_cost')::numeric, 0.10, 'and the delivered after it nothing');
select core.report(core.entry(:'delivered', 3), 'failed', '{"code": "131026"}');
select is(core.counter(:'delivered', 'actual_cost')::numeric, 0.10, 'undelivered costs nothing');
select core.report(core.entry(:'delivered', 3), 'delivered');
select is(core.counter(:'delivered', 'actual_cost')::numeric, 0.15, 'until another device has it');

-- A price change between the claim and what charges it.
select core.price(:'organization', 0.09, 'delivered', sendonce.now() + interval '1 hour');
select core.campaign(:'account', :'template', 2) as changing
\gset
select core.hand_out(:'changing', 1);
select core.advance('2 hours');
select core.hand_out(:'changing', 1);
select core.report(core.entry(:'changing', n), 'delivered') from generate_series(1, 2) n;
select is((select rate from messages
where entry_id = core.entry(:'changing', 1)), 0.05, 'claimed before the change: the old rate');
select is((select rate from messages
where entry_id = core.entry(:'changing', 2)), 0.09, 'claimed after it: the new one');
select is(core.counter(:'changing', 'actual_cost')::numeric, 0.14, 'whenever the delivery came');
select core.report(core.entry(:'delivered', 4), 'delivered');
select is(core.counter(:'delivered', 'actual_cost')::numeric, 0.20, 'an old campaign is charged at its old rate to the end');

-- Claimed before, recorded after the change: the first row of the attempt is written late.
select core.price(:'organization', 0.20, 'accepted', sendonce.now() + interval '30 seconds');
select core.campaign(:'account', :'template', 1) as late
\gset
select core.hand_out(:'late');
select core.advance('40 seconds');
select core.result(core.entry(:'late'), 'accepted');
select is(core.counter(:'late', 'actual_cost')::numeric, 0::numeric, 'claimed before the change it is charged on delivery, not on acceptance');
select core.report(core.entry(:'late'), 'delivered');
select is(core.counter(:'late', 'actual_cost')::numeric, 0.09, 'at the rate of its claim');

-- Charged on acceptance.
select core.campaign(:'account', :'template', 3) as accepted
\gset
select core.hand_out(:'accepted');
select core.result(core.entry(:'accepted', 1), 'accepted');
select core.result(core.entry(:'accepted', 2), 'rejected', '{"code": "135000"}');
select core.result(core.entry(:'accepted', 3), 'ambiguous');
select is(core.counter(:'accepted', 'actual_cost')::numeric, 0.20, 'only what was accepted costs');
select core.report(core.entry(:'accepted', 1), 'delivered');
select core.result(core.entry(:'accepted', 1), 'accepted', '{}', 987654321);
select is(core.counter(:'accepted', 'actual_cost')::numeric, 0.20, 'once');
select core.report(core.entry(:'accepted', 2), 'sent');
select core.report(core.entry(:'accepted', 3), 'failed');
select is(core.counter(:'accepted', 'actual_cost')::numeric, 0.60, 'late evidence of acceptance costs as well');

-- Units.
insert into send_queue (organization_id, account_id, template_id, recipient, due_at, units)
values (:'organization', :'account', :'template', core.person(9), sendonce.now(), 3)
returning id as single
\gset
select core.hand_out(:'accepted');
select core.result(:single, 'accepted');
select is((select cost from messages
where entry_id = :single), 0.60, 'three segments cost three times the rate');

-- The organization's own rate beats the shared one, the longer prefix the shorter.
insert into rates (organization_id, provider, category, prefix, rate, charge_on)
values (null, 'whatsapp', 'MARKETING', '+', 7, 'accepted'), (:'organization', 'whatsapp', 'MARKETING', '+999', 0.30, 'accepted');
select core.campaign(:'account', :'template', 1) as own
\gset
select core.hand_out(:'own');
select core.result(core.entry(:'own'), 'accepted');
select is(core.counter(:'own', 'actual_cost')::numeric, 0.30, 'the rate of its own for the longest beginning of the number');
select is_empty(format('select core.differences(%L)', c.id), 'the numbers are the rows')
from (values (:'delivered')) c (id);
select is(
    (select sum(m.cost) from messages m
where m.campaign_id is not null), (select sum(c.actual_cost) from campaigns c), 'all campaigns together cost what their attempts cost'
);

select * from finish();
rollback;
