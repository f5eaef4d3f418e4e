-- Providers invent codes; whoever runs the system gives them a class without waiting for a release.
begin;
select plan(14);

select core.set_clock();
select core.world(3) as campaign
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign', 1), 'rejected', '{"code": "131999"}');
select is(core.column_of(core.entry(:'campaign', 1), 'error_class'), 'unlisted', 'a new code is unlisted');
select lives_ok($$select set_provider_error('whatsapp', '131999', 'pair_throttle')$$, 'the owner lists it');
select core.result(core.entry(:'campaign', 2), 'rejected', '{"code": "131999"}');
select is(core.state(core.entry(:'campaign', 2)), 'ready', 'from then on it does what its class says');
select results_eq(
    $$select e.detail from campaign_events e where e.event = 'provider_error.set'$$,
    array['{"code": "131999", "class": "pair_throttle", "before": null, "provider": "whatsapp"}'::jsonb], 'it is logged'
);
select set_provider_error('whatsapp', '131999', 'pair_throttle');
select is((select count(*) from campaign_events where event = 'provider_error.set'), 1::bigint, 'what changes nothing is not');
select lives_ok($$select set_provider_error('whatsapp', '131999', null)$$, 'and takes it off the list');
select core.result(core.entry(:'campaign', 3), 'rejected', '{"code": "131999"}');
select is(core.column_of(core.entry(:'campaign', 3), 'error_class'), 'unlisted', 'where it was');

select throws_ok($$select set_provider_error('pigeon', '1', 'content')$$, 'SO005', null, 'no such provider');
select throws_ok($$select set_provider_error('whatsapp', 'a code', 'content')$$, 'SO005', null, 'no such code');
select throws_ok($$select set_provider_error('whatsapp', '1', 'bad luck')$$, 'SO005', null, 'no such class');
select throws_ok($$select set_provider_error('whatsapp', '1', 'claim_lost')$$, 'SO005', null, 'a class that is no code''s');
set local role service_role;
select lives_ok($$select set_provider_error('whatsapp', '131999', 'content')$$, 'the service may');
reset role;
select core.become('authenticated', core.member(core.organization_of(:'campaign'), 'admin'));
select throws_ok($$select set_provider_error('whatsapp', '1', 'content')$$, '42501', null, 'an organization''s admin may not call it');
select core.become_owner();
grant execute on function public.set_provider_error(text, text, text), sendonce.set_provider_error(text, text, text) to authenticated;
select core.become('authenticated', core.member(core.organization_of(:'campaign'), 'admin'));
select throws_ok($$select set_provider_error('whatsapp', '1', 'content')$$, 'SO003', null, 'nor would it let him');

select * from finish();
rollback;
