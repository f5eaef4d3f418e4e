-- Suppressed after it was added: the claim skips it, at any turn, and hands out the others.
begin;
select plan(18);

select core.set_clock();
select core.world(4) as campaign
\gset
select core.organization_of(:'campaign') as organization
\gset
insert into suppressions (organization_id, recipient, scope, reason)
values
(:'organization', core.person(1), 'marketing', 'test'),
(:'organization', core.person(2), 'all', 'test');
-- Somebody else's suppression is nothing to us.
insert into suppressions (organization_id, recipient, scope, reason) values (core.organization(), core.person(3), 'all', 'test');

select claim_messages('worker-1', core.account_of(:'campaign'), 3) as claimed
\gset
select is(
    array(select e.value ->> 'entry_id' from jsonb_array_elements(:'claimed'::jsonb -> 'entries') e),
    array[core.entry(:'campaign', 3)::text], 'of three examined one is handed out'
);
select is(core.state(core.entry(:'campaign', 1)), 'skipped', 'suppressed for marketing: skipped');
select is(core.state(core.entry(:'campaign', 2)), 'skipped', 'suppressed for all: skipped');
select is(core.column_of(core.entry(:'campaign', 1), 'error_class'), 'suppressed', 'with the reason');
select is(core.column_of(core.entry(:'campaign', 1), 'attempt'), '0', 'and without an attempt');
select is(core.counter(:'campaign', 'total_skipped'), '2', 'and counted');
select is(core.state(core.entry(:'campaign', 4)), 'ready', 'the fourth was not examined');

-- On the second path.
select core.dispatch((:'claimed'::jsonb ->> 'claim_id')::bigint);
select core.result(core.entry(:'campaign', 3), 'not_sent');
insert into suppressions (organization_id, recipient, scope, reason) values (:'organization', core.person(3), 'all', 'test');
select core.advance('1 hour');
select core.claim(:'campaign', 1);
select is(core.state(core.entry(:'campaign', 3)), 'skipped', 'one that came back and was suppressed meanwhile is skipped');

-- The last one: the campaign completes by the claim.
insert into suppressions (organization_id, recipient, scope, reason) values (:'organization', core.person(4), 'all', 'test');
select is(
    claim_messages('worker-1', core.account_of(:'campaign'), 3) ->> 'claim_id', null, 'a claim that finds only suppressed contacts is none'
);
select is(core.campaign_status(:'campaign'), 'completed', 'and settles the campaign');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

-- Other categories: marketing alone withholds marketing alone.
select core.world(2, '{"template": {"category": "UTILITY"}}') as utility
\gset
insert into suppressions (organization_id, recipient, scope, reason)
values
(core.organization_of(:'utility'), core.person(1), 'marketing', 'test'),
(core.organization_of(:'utility'), core.person(2), 'all', 'test');
select core.claim(:'utility');
select is(core.state(core.entry(:'utility', 1)), 'processing', 'a utility message goes to whom wants no marketing');
select is(core.state(core.entry(:'utility', 2)), 'skipped', 'and not to whom wants nothing');

-- Skipped when it was added, and unsuppressed since: skipped is final.
insert into suppressions (organization_id, recipient, scope, reason) values (core.organization_of(:'utility'), core.person(4), 'all', 'test');
select core.campaign(core.account_of(:'utility'), core.template_of(:'utility'), 4) as skipped_before
\gset
delete from suppressions
where recipient = core.person(4) and organization_id = core.organization_of(:'utility');
select lives_ok(format('select core.claim(%L)', :'skipped_before'), 'a claim passes over one that was skipped when it was added');
select is(core.state(core.entry(:'skipped_before', 4)), 'skipped', 'and leaves it skipped');

-- Single messages.
select core.single_message(core.account_of(:'utility'), core.template_of(:'utility'), core.person(2)) as single
\gset
select core.single_message(core.account_of(:'utility'), core.template_of(:'utility'), core.person(3)) as other
\gset
select core.claim(:'utility');
select is(core.state(:single), 'skipped', 'a single message to whom wants nothing is skipped');
select is(core.state(:other), 'processing', 'another goes out');
select is(
    (select count(*) from send_queue q join suppressions s using (organization_id, recipient)
where q.status = 'processing' and s.scope = 'all'),
    0::bigint, 'nobody who wants nothing is in hand'
);

select * from finish();
rollback;
