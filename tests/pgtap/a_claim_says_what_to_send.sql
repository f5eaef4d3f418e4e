-- The answer of claim_messages holds all that a worker needs, and the reference that finds its way back.
begin;
select plan(14);

select core.set_clock();
select core.world(0, '{"template": {"category": "UTILITY", "variables": ["1", "name"]}, "account": {"lease": "45 seconds", "maximum_rate": 20}}') as ended
\gset
select core.campaign(core.account_of(:'ended'), core.template_of(:'ended'), 0, false) as campaign
\gset
select is(
    add_recipients(:'campaign', '[{"recipient": "+5511900000001", "variables": {"1": "a", "name": "Zoë"}}]') ->> 'added', '1', 'one contact with variables'
);
select start_campaign(:'campaign');
select claim_messages('worker-7', core.account_of(:'ended'), 10) as claimed
\gset
select q.id as entry
from send_queue q
where q.campaign_id = :'campaign'
\gset

select is((:'claimed'::jsonb ->> 'lease_seconds')::numeric, 45::numeric, 'the lease in seconds');
select is((:'claimed'::jsonb ->> 'rate')::numeric, 20::numeric, 'the rate in messages per second');
select is(:'claimed'::jsonb #>> '{account, id}', core.account_of(:'campaign')::text, 'the account');
select is(:'claimed'::jsonb #>> '{account, provider}', 'whatsapp', 'its provider');
select is(:'claimed'::jsonb #>> '{account, sender}', core.account_column(:'campaign', 'sender'), 'its sender');
select is(:'claimed'::jsonb #>> '{entries, 0, entry_id}', :'entry', 'the entry');
select is(:'claimed'::jsonb #>> '{entries, 0, attempt}', '1', 'its attempt');
select is(:'claimed'::jsonb #>> '{entries, 0, recipient}', '+5511900000001', 'its recipient');
select is(:'claimed'::jsonb #> '{entries, 0, variables}', '{"1": "a", "name": "Zoë"}'::jsonb, 'its variables');
select is(
    :'claimed'::jsonb #>> '{entries, 0, reference}', format('so1:%s:%s:1', :'campaign', :'entry'), 'its reference: campaign, entry, attempt'
);
select is(
    :'claimed'::jsonb #> array['templates', :'claimed'::jsonb #>> '{entries, 0, template_id}', 'variables'], '["1", "name"]'::jsonb,
    'the template by the id that the entry names'
);

select core.single_message(core.account_of(:'campaign'), core.template_of(:'campaign'), core.person(1)) as single
\gset
select is(
    claim_messages('worker-7', core.account_of(:'campaign'), 10) #>> '{entries, 0, reference}',
    format('so1:%s:%s:1', core.account_of(:'campaign'), :'single'), 'a single message''s reference names the account instead of a campaign'
);
select is((select worker from claims
where :single = any(entry_ids)), 'worker-7', 'the claim names its worker');

select * from finish();
rollback;
