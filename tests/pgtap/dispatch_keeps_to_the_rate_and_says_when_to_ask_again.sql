-- The token bucket: a twentieth of a second's worth, refilled at the rate. What must wait stays in the claim.
begin;
select plan(15);

select core.set_clock();
select core.world(40, '{"account": {"maximum_rate": 100}}') as campaign
\gset
select core.advance('1 second');
select core.claim(:'campaign') as claim
\gset
select core.dispatch(:claim) as answer
\gset
select is(jsonb_array_length(:'answer'::jsonb -> 'dispatched'), 5, 'at 100 messages a second five may leave at once');
select is(jsonb_array_length(:'answer'::jsonb -> 'later'), 35, 'thirty-five have to wait');
select is(:'answer'::jsonb -> 'refused', '[]', 'and are not refused');
select is((:'answer'::jsonb ->> 'later_seconds')::numeric, 0.01, 'for a hundredth of a second, the time of one token');
select is((select count(*) from send_queue
where campaign_id = :'campaign' and status = 'processing'), 40::bigint, 'all stay in the claim');
select is((select cardinality(dispatched) from claims
where id = :claim), 5, 'five of them dispatched');

select core.dispatch(:claim) as answer
\gset
select is(
    (select count(*) from jsonb_array_elements(:'answer'::jsonb -> 'dispatched')), 5::bigint, 'at the same instant none may follow: only the first five are told again'
);
select core.advance('0.03 seconds');
select core.dispatch(:claim) as answer
\gset
select is(jsonb_array_length(:'answer'::jsonb -> 'dispatched'), 8, '30 ms later three more');
select core.advance('1 hour');
select is(core.account_column(:'campaign', 'tokens')::numeric, 0::numeric, 'the bucket is empty');

-- A second worker of the same account shares the bucket.
select core.world(40, '{"account": {"maximum_rate": 100}}') as shared
\gset
select core.advance('1 second');
select core.claim(:'shared', 20, 'worker-1') as first
\gset
select core.claim(:'shared', 20, 'worker-2') as second
\gset
select is(jsonb_array_length(core.dispatch(:first) -> 'dispatched'), 5, 'one worker takes the five');
select is(jsonb_array_length(core.dispatch(:second) -> 'dispatched'), 0, 'the other has to wait');

-- Slower than one a second.
select core.world(3, '{"account": {"maximum_rate": 0.1}}') as slow
\gset
select core.advance('1 minute');
select core.claim(:'slow', 3) as claim
\gset
select core.dispatch(:claim) as answer
\gset
select is(jsonb_array_length(:'answer'::jsonb -> 'dispatched'), 1, 'at one message in ten seconds one may leave');
select is(
    case when jsonb_array_length(:'answer'::jsonb -> 'later') > 0 then (:'answer'::jsonb ->> 'later_seconds')::numeric else 10 end, 10::numeric,
    'and the next one in ten seconds'
);

-- Without a rate.
select core.world(1000) as free
\gset
select is(jsonb_array_length(core.dispatch(core.claim(:'free')) -> 'dispatched'), 1000, 'without a rate all may leave');
select is(core.account_column(:'free', 'current_rate'), null, 'and there is none');

select * from finish();
rollback;
