begin;
select plan(10);

select testing.make_campaign(4, null, '{"priority": 3, "window_start": "00:00", "window_end": "23:59:59", "window_time_zone": "Europe/Rome"}')
    as campaign \gset
select public.clone_campaign(:'campaign') as bare \gset
select is(:'bare'::jsonb - 'campaign_id', '{"added": 0, "suppressed": 0, "rejected": 0, "after": 0, "more": false}', 'by default without recipients');
select is(
    (
        select concat_ws(' ', c.status, c.total_contacts, c.priority, c.window_start, c.window_time_zone, c.cloned_from)
        from public.campaigns c
        where c.id = (:'bare'::jsonb ->> 'campaign_id')::uuid
    ),
    'draft 0 3 00:00:00 Europe/Rome ' || :'campaign',
    'a draft with the original''s settings'
);

select public.suppress(testing.organization(:'campaign'), testing.recipient(2), 'all', 'asked for it');
select public.clone_campaign(:'campaign', 'all') as full_clone \gset
select is(
    :'full_clone'::jsonb - 'campaign_id' - 'after', '{"added": 4, "suppressed": 1, "rejected": 0, "more": false}',
    'with all of them, those suppressed since as skipped'
);
select is(
    (select c.total_skipped from public.campaigns c where c.id = (:'full_clone'::jsonb ->> 'campaign_id')::uuid), 1, 'counted as such'
);
select is(
    public.clone_recipients((:'full_clone'::jsonb ->> 'campaign_id')::uuid, 'all') - 'after',
    '{"added": 0, "suppressed": 0, "rejected": 0, "more": false}', 'the same step again adds nothing'
);

select public.upsert_template(c.organization_id, 'whatsapp', t.name, 'en', '{"variables": ["name"]}')
from public.campaigns c
join public.templates t on t.id = c.template_id
where c.id = :'campaign';
select is(
    public.clone_campaign(:'campaign', 'all') - 'campaign_id' - 'after', '{"added": 0, "suppressed": 0, "rejected": 4, "more": false}',
    'recipients whose variables no longer fit the template are left out, and said to be'
);

select public.start_campaign((:'full_clone'::jsonb ->> 'campaign_id')::uuid);
select throws_ok(
    format($$select public.clone_recipients(%L, 'all')$$, :'full_clone'::jsonb ->> 'campaign_id'), 'SO006', null, 'a clone that has started is frozen'
);
select throws_ok(format($$select public.clone_recipients(%L, 'all')$$, :'campaign'), 'SO005', null, 'a campaign that is no clone has no original');
select throws_ok(format($$select public.clone_campaign(%L, 'some')$$, :'campaign'), 'SO005', null, 'there is no fourth choice');
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
