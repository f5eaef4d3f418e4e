begin;
select plan(18);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_campaign(8, :'account') as campaign \gset
prepare progress(text) as select public.campaign_progress(:'campaign') ->> $1;

select testing.send(4);
select testing.send(2, 'rejected', '135000');
select testing.report(testing.entry(:'campaign', 1), 'read');
select is(
    public.campaign_progress(:'campaign') - array[
        'campaign_id', 'organization_id', 'account_id', 'template_id', 'name', 'created_at', 'started_at', 'currency',
        'scheduled_at', 'paused_at', 'pause_reason', 'completed_at', 'cancelled_at'
    ],
    '{
        "status": "running", "progress": 75.00, "total_contacts": 8, "total_sent": 4, "total_failed": 2, "total_skipped": 0,
        "total_cancelled": 0, "total_unknown": 0, "total_delivered": 1, "total_read": 1, "total_undelivered": 0,
        "settled": 6, "unsettled": 2, "estimated_cost": 0.000000, "actual_cost": 0.000000, "account_paused": null,
        "account_resting_until": null, "template_stopped": null, "waiting_for_window": false, "account_rest_reason": null, "limit_group_full_until": null, "workers_alive": 0, "next_window_opening": null
    }'::jsonb,
    'the counters of the row, and nothing that holds it up'
);
select is(
    (public.campaign_progress(:'campaign') ->> 'progress')::numeric, (select c.progress from public.campaigns c where c.id = :'campaign'),
    'progress is the row''s own'
);

select public.worker_heartbeat('worker-1');
select is(public.campaign_progress(:'campaign') ->> 'workers_alive', '1', 'that a worker lives');
select testing.pass_time('31 seconds');
select is(public.campaign_progress(:'campaign') ->> 'workers_alive', '0', 'or has not been heard of for three heartbeats');
select public.pause_campaign(:'campaign', 'the text is wrong');
select results_eq($$execute progress('pause_reason')$$, array['the text is wrong'], 'why it was paused');
select public.resume_campaign(:'campaign');
select public.pause_account(:'account', 'quality rating');
select results_eq($$execute progress('account_paused')$$, array['quality rating'], 'why its account was paused');
select public.resume_account(:'account');

select testing.send(1, 'rejected', '132015');
select matches(public.campaign_progress(:'campaign') ->> 'template_stopped', '132015', 'why its template was stopped');
select public.upsert_template(:'organization', 'whatsapp', t.name, 'en', '{"status": "PAUSED"}') from public.templates t;
select matches(public.campaign_progress(:'campaign') ->> 'template_stopped', 'PAUSED', 'what its template''s status is');
select public.upsert_template(:'organization', 'whatsapp', t.name, 'en', '{"status": "APPROVED"}') from public.templates t;

update public.provider_accounts set resting_until = sendonce.now() + interval '1 minute', rest_reason = 'it answers nothing' where id = :'account';
select isnt(public.campaign_progress(:'campaign') ->> 'account_resting_until', null, 'until when its account rests');
select results_eq($$execute progress('account_rest_reason')$$, array['it answers nothing'], 'and why');
select testing.pass_time('2 minutes');
select is(public.campaign_progress(:'campaign') ->> 'account_resting_until', null, 'a rest that is over is none');

-- Sending hours that began two hours ago and end in one, and others that begin in two.
select (sendonce.now() at time zone 'UTC')::time as clock \gset
select testing.make_campaign(
    1, :'account', jsonb_build_object('window_start', :'clock'::time - interval '2 hours', 'window_end', :'clock'::time + interval '1 hour')
) as inside \gset
select testing.make_campaign(
    1, :'account', jsonb_build_object('window_start', :'clock'::time + interval '2 hours', 'window_end', :'clock'::time + interval '3 hours')
) as outside \gset
select is(public.campaign_progress(:'inside') ->> 'waiting_for_window', 'false', 'inside its hours it waits for nothing');
select is(public.campaign_progress(:'outside') ->> 'waiting_for_window', 'true', 'outside them it waits');
select ok(
    (public.campaign_progress(:'outside') ->> 'next_window_opening')::timestamptz - sendonce.now()
        between interval '119 minutes' and interval '120 minutes',
    'and says until when'
);

select is(
    sendonce.next_window_opening('08:00', '20:00', 'Europe/Rome', timestamptz '2026-03-28 22:00+00'), timestamptz '2026-03-29 06:00+00',
    'across a change of the clocks the hours open by the local clock'
);
select is(
    sendonce.next_window_opening('20:00', '08:00', 'UTC', timestamptz '2026-03-28 12:00+00'), timestamptz '2026-03-28 20:00+00',
    'hours across midnight open in the evening'
);
select is(
    sendonce.next_window_opening('20:00', '08:00', 'UTC', timestamptz '2026-03-28 07:59+00'), null, 'and are open in the early morning'
);
select throws_ok($$select public.campaign_progress(gen_random_uuid())$$, 'SO004', null, 'a campaign that does not exist');

select * from finish();
rollback;
