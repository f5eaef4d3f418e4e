-- The provider's cap is on distinct people: who was written to within the day takes no more of it.
begin;
select plan(20);

select core.set_clock();
select core.organization() as organization
\gset
select core.template(:'organization') as template
\gset
select core.account(:'organization', '{"limit_group": "portfolio", "daily_recipients": 3}') as account
\gset
select core.campaign(:'account', :'template', 3) as first
\gset
select core.hand_out(:'first') as claim
\gset
select core.result(core.entry(:'first', n), 'accepted') from generate_series(1, 3) n;
select sendonce.now() + interval '24 hours' as room
\gset

-- The people of the second begin with three strangers.
select core.campaign(:'account', :'template', 0, false) as second
\gset
select add_recipients(:'second', core.people(101, 103));
select add_recipients(:'second', core.people(1, 4));
select add_recipients(:'second', core.people(104, 110));
select suppress(:'organization', core.person(3), 'all', 'asked');
select start_campaign(:'second');

create function pg_temp.written_to(_campaign_id uuid)
returns text[]
language sql
volatile
set search_path = ''
as $$
    select array_agg(q.recipient order by q.recipient) from public.send_queue q where q.campaign_id = _campaign_id and q.status in ('processing', 'sent');
$$;

select core.claim(:'second', 100) as claim
\gset
select is(pg_temp.written_to(:'second'), array[core.person(1), core.person(2)], 'those it wrote to already are given out, the others are not');
select is(core.state(core.entry(:'second', 3)), 'skipped', 'nor is who is suppressed');
select is(jsonb_array_length(core.dispatch(:claim) -> 'dispatched'), 2, 'and may go');
select is((campaign_progress(:'second') ->> 'limit_group_full_until')::timestamptz, :'room'::timestamptz, 'the campaign says until when the group is full');
-- One is sent, the other comes back for a while.
select core.result(core.entry(:'second', 1), 'accepted');
select core.result(core.entry(:'second', 2), 'rejected', '{"code": "131056"}');
select is(core.claim(:'second', 100), null, 'then there is nothing for a full group to give');
select core.advance('10 seconds');
select core.claim(:'second', 100) as claim
\gset
select is(core.state(core.entry(:'second', 2)), 'processing', 'what came back goes out again when it is due');
select core.dispatch(:claim);
select core.result(core.entry(:'second', 2), 'rejected', '{"code": "131049"}');

-- A single message to one of them does not wait either; to a stranger it does.
select core.single_message(:'account', :'template', core.person(1)) as known
\gset
select core.single_message(:'account', :'template', core.person(104)) as stranger
\gset
select core.hand_out(:'first') as claim
\gset
select is(core.state(:known), 'processing', 'a single message to one of them goes out');
select is(core.state(:stranger), 'ready', 'to a stranger it waits');
select core.result(:known, 'accepted');

-- Somebody new among the group's people is found by the campaign that had looked already.
select upsert_account(
    :'organization', 'whatsapp', a.sender, a.name, '{"daily_recipients": 4}'
) from provider_accounts a where a.id = :'account';
select is(campaign_progress(:'second') ->> 'limit_group_full_until', null, 'with a higher cap there is room');
select core.hand_out(:'first', 1) as claim
\gset
select is(core.state(:stranger), 'processing', 'with more room the stranger is written to');
select core.result(:stranger, 'accepted');
select core.campaign(:'account', :'template', 0, false) as third
\gset
select add_recipients(:'third', core.people(103, 105));
select start_campaign(:'third');
select core.hand_out(:'third');
select is(pg_temp.written_to(:'third'), array[core.person(104)], 'and is one of those from then on');
select is(core.state(core.entry(:'second', 104)), 'processing', 'also for the campaign that had looked before');
select core.result(core.entry(:'third', 104), 'accepted');
select core.result(core.entry(:'second', 104), 'accepted');
select is(core.claim(:'third'), null, 'the group is full again');

-- A day later the cursor passes over those who went ahead of it, and nobody is lost or written to twice.
select core.advance('23 hours 59 minutes 55 seconds');
select upsert_account(
    :'organization', 'whatsapp', a.sender, a.name, '{"daily_recipients": 100}'
) from provider_accounts a where a.id = :'account';
select core.hand_out(:'second', 1000) as claim
\gset
select is(core.state(core.entry(:'second', 110)), 'processing', 'everybody goes out');
select is(core.state(core.entry(:'second', 2)), 'ready', 'but who is to wait longer');
select core.result(q.id, 'accepted') from send_queue q where q.status = 'processing';
select core.advance('7 hours');
do $$
begin
    while core.hand_out((select c.id from public.campaigns c where c.status = 'running' order by c.created_at, c.id limit 1)) is not null loop
        perform core.result(q.id, 'accepted') from public.send_queue q where q.status = 'processing';
    end loop;
end;
$$;
select is(core.campaign_status(:'second'), 'completed', 'everybody of the second is settled');
select is(core.campaign_status(:'third'), 'completed', 'and of the third');
select is(
    (select max(q.attempt) from send_queue q where q.campaign_id = :'second' and q.recipient <> core.person(2)), 1, 'nobody was given out twice'
);
select is_empty(format('select core.differences(%L)', :'second'), 'the numbers are the rows');
select is_empty('select * from verify_invariants()', 'and nothing is violated');

select * from finish();
rollback;
