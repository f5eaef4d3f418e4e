-- A row cannot be born in a state that it has to be brought to, or in a campaign that has started.
begin;
select plan(11);

select core.set_clock();
select core.world(1, '{"start": false}') as draft
\gset
select core.world(1) as running
\gset
select core.world(1, '{"start": false}') as other
\gset

prepare born (uuid, uuid, uuid, text, text, integer) as
insert into public.send_queue (organization_id, account_id, campaign_id, recipient, status, attempt, claim_id, provider_message_id, sent_at,
    settled_at, unknown_since, error_class)
values (
    $1, $2, $3, $4, $5::public.entry_status, $6,
    case when $5 = 'processing' then 1 end, case when $5 = 'sent' then 'wamid.born' end, case when $5 = 'sent' then now() end,
    case when $5 in ('sent', 'failed', 'skipped', 'cancelled') then now() end, case when $5 = 'unknown' then now() end,
    case when $5 in ('failed', 'skipped') then 'suppressed' end
);

select throws_ok(
    format('execute born (%L, %L, %L, %L, %L, 0)', core.organization_of(:'draft'), core.account_of(:'draft'), :'draft', '+99912345678', s.status),
    'SO010', null, format('no entry is born %s', s.status)
)
from unnest(array['processing', 'unknown', 'sent', 'failed', 'cancelled']) s (status);

select throws_ok(
    format('execute born (%L, %L, %L, %L, %L, 1)', core.organization_of(:'draft'), core.account_of(:'draft'), :'draft', '+99912345678', 'ready'),
    'SO010', null, 'none is born with an attempt'
);
select throws_ok(
    format('execute born (%L, %L, %L, %L, %L, 0)', core.organization_of(:'running'), core.account_of(:'running'), :'running', '+99912345678', 'ready'),
    'SO010', null, 'none in a campaign that has started'
);
select throws_ok(
    format('execute born (%L, %L, %L, %L, %L, 0)', core.organization_of(:'draft'), core.account_of(:'other'), :'draft', '+99912345678', 'ready'),
    'SO010', null, 'none with an account that is not its campaign''s'
);
select throws_ok(
    format('execute born (%L, %L, %L, %L, %L, 0)', core.organization_of(:'draft'), core.account_of(:'draft'), gen_random_uuid(), '+99912345678', 'ready'),
    'SO010', null, 'none in a campaign that does not exist'
);
select throws_ok(
    format('execute born (%L, %L, %L, %L, %L, 0)', core.organization_of(:'draft'), core.account_of(:'draft'), :'draft', '0151 23456', 'ready'),
    '23514', null, 'none for what is no E.164 number'
);
select lives_ok(
    format('execute born (%L, %L, %L, %L, %L, 0)', core.organization_of(:'draft'), core.account_of(:'draft'), :'draft', '+99912345678', 'ready'),
    'a ready one in a draft is born'
);

select * from finish();
rollback;
