begin;
select plan(8);

select testing.make_organization() as organization \gset
select testing.make_account(:'organization') as account \gset
select testing.make_template(:'organization') as template \gset
select public.send_message(:'organization', :'account', :'template', '+99900000001') ->> 'entry_id' as entry \gset

select is((select q.campaign_id from public.send_queue q where q.id = :entry), null, 'it belongs to no campaign');
select is((select q.template_id from public.send_queue q where q.id = :entry), :'template', 'it names its template itself');
select is((testing.send() ->> 'sent')::integer, 1, 'a worker sends it');
select is((testing.report(:entry, 'read') ->> 'applied')::integer, 1, 'a report finds it by its reference');
select is((select q.delivery_status::text from public.send_queue q where q.id = :entry), 'read', 'and is applied');

select public.suppress(:'organization', '+99900000002', 'marketing', 'asked for it by letter');
select is(
    public.send_message(:'organization', :'account', :'template', '+99900000002') ->> 'status', 'skipped',
    'one to a suppressed person is skipped at once'
);
select is(testing.claim(), null, 'and given to nobody');
select is_empty('select testing.violations()', 'every invariant holds');

select * from finish();
rollback;
