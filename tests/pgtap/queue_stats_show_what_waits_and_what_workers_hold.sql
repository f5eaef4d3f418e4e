begin;
select plan(6);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_account(:'organization') as idle \gset
select testing.make_campaign(10, :'account') as campaign \gset
select testing.make_campaign(5, :'account') as paused \gset
select public.pause_campaign(:'paused', 'not yet');
select testing.send(2);
select testing.send(1, 'ambiguous');
select testing.claim(3, 'worker-1') as claim \gset
select public.begin_dispatch(:claim, (select k.entry_ids[:1] from public.claims k where k.id = :claim));
select testing.claim(1, 'worker-2');
select public.send_message(:'organization', :'account', (select c.template_id from public.campaigns c where c.id = :'campaign'), '+99900000001');

select public.queue_stats(:'organization') as stats \gset
select is(
    :'stats'::jsonb - 'accounts' - 'organization_id',
    '{"active_campaigns": 2, "running_campaigns": 1, "unsettled": 13, "unknown": 1, "in_hand": 4, "single_waiting": 1}', 'the organization as a whole'
);
select is(
    (
        select a.value - array['account_id', 'name', 'provider', 'sender', 'paused_at', 'pause_reason', 'resting_until', 'rest_reason', 'current_rate', 'maximum_rate']
        from jsonb_array_elements(:'stats'::jsonb -> 'accounts') a
        where a.value ->> 'account_id' = :'account'
    ),
    '{
        "active_campaigns": 2, "running_campaigns": 1, "unsettled": 13, "unknown": 1, "claims": 2, "workers": 2, "in_hand": 4,
        "dispatched": 1, "single_waiting": 1
    }',
    'the account that works'
);
select is(
    (select a.value ->> 'claims' from jsonb_array_elements(:'stats'::jsonb -> 'accounts') a where a.value ->> 'account_id' = :'idle'), '0',
    'the one that does not'
);
select public.pause_account(:'account', 'quality rating');
select is(
    (
        select a.value ->> 'pause_reason' from jsonb_array_elements(public.queue_stats(:'organization') -> 'accounts') a
        where a.value ->> 'account_id' = :'account'
    ),
    'quality rating', 'why an account stands still'
);
select testing.make_organization('New') as new \gset
select is(public.queue_stats(:'new') -> 'accounts', '[]', 'an organization without accounts');
select throws_ok('select public.queue_stats(gen_random_uuid())', 'SO004', null, 'an organization that does not exist');

select * from finish();
rollback;
