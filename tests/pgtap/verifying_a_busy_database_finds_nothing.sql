begin;
select plan(3);

-- Everything that happens to entries, seen at a moment when much is unfinished.
insert into public.rates (provider, category, rate, charge_on) values ('whatsapp', 'MARKETING', 0.05, 'delivered');
select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_campaign(60, :'account') as campaign \gset
select testing.make_campaign(0, :'account');
select testing.make_draft(3, :'account');
select public.start_campaign(testing.make_draft(3, :'account'), sendonce.now() + interval '1 day');
select public.send_message(:'organization', :'account', c.template_id, '+99900000099') from public.campaigns c where c.id = :'campaign';
select testing.send(2, 'rejected', '131016');
select testing.send(10);
select testing.send(3, 'rejected', '135000');
select testing.send(3, 'ambiguous');
select testing.send(2, 'not_sent', 'not_started');
select testing.report(q.id, s.status)
from public.send_queue q
cross join unnest(array['sent', 'failed', 'delivered', 'read']) s(status)
where q.campaign_id = :'campaign' and q.status = 'sent' and q.id % 3 = 0;
-- A report that is faster than the worker's result, in a claim that is still open.
select testing.claim(4) as claim \gset
select testing.dispatch(:claim);
select testing.report((select min(q.id) from public.send_queue q where q.claim_id = :claim), 'delivered');
-- An entry accepted twice: given up as unknown, sent again, and then the first answer came after all.
select testing.claim(1, 'worker-2') as claim \gset
select testing.dispatch(:claim);
select q.id as twice from public.send_queue q where q.claim_id = :claim \gset
select testing.record(:claim, 'ambiguous');
select public.resolve_unknown(:twice, 'retry');
select testing.pass_time('1 second');
select testing.send(10);
select testing.report(:twice, 'delivered', null, 1);
select public.suppress(:'organization', testing.recipient(45), 'all', 'asked for it');
select testing.send(20);
select testing.claim(3);
select testing.make_campaign(5, :'account') as stopped \gset
select testing.send(1);
select testing.claim(1);
select public.cancel_campaign(:'stopped');
select public.sweep_cancelled(1);

select is_empty('select v.* from public.verify_invariants() v', 'no row');
select is_empty(format('select v.* from public.verify_invariants(%L) v', :'campaign'), 'nor for one campaign');
select ok(
    (select count(distinct q.status) = 7 from public.send_queue q) and exists (select from public.messages m where m.is_second_acceptance),
    'though there are entries in every state, and one accepted twice'
);

select * from finish();
rollback;
