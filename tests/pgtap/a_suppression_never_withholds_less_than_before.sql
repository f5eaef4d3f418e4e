begin;
select plan(11);

select testing.make_organization() as organization \gset
select public.suppress(:'organization', '+99900000001', 'all', 'a letter');
select public.suppress(:'organization', '+99900000001', 'marketing', 'the provider said so');
select is((select s.scope from public.suppressions s), 'all', 'marketing after all is still all');
select is((select s.reason from public.suppressions s), 'the provider said so', 'with the latest reason');

select throws_ok(format($$select public.suppress(%L, '12', 'all', 'x')$$, :'organization'), 'SO005', null, 'a number that is none');
select throws_ok(format($$select public.suppress(%L, '+99900000001', 'some', 'x')$$, :'organization'), 'SO005', null, 'a scope that is none');
select throws_ok(format($$select public.suppress(%L, '+99900000001', 'all', ' ')$$, :'organization'), 'SO005', null, 'a reason that is none');

select testing.make_member(:'organization', 'operator') as operator \gset
select testing.make_member(:'organization', 'admin') as admin \gset
select testing.become(:'operator');
select lives_ok(format($$select public.suppress(%L, '+99900000002', 'marketing', 'x')$$, :'organization'), 'an operator may suppress');
select throws_ok(format($$select public.unsuppress(%L, '+99900000002')$$, :'organization'), 'SO003', null, 'but not undo it');
select testing.become(:'admin');
select lives_ok(format($$select public.unsuppress(%L, '+99900000002')$$, :'organization'), 'an admin may');
select throws_ok(format($$select public.unsuppress(%L, '+99900000002')$$, :'organization'), 'SO004', null, 'what is not there cannot be undone');
select testing.become_owner();

select results_eq(
    'select e.event from public.campaign_events e where e.event like ''recipient%'' order by e.id',
    array['recipient.suppressed', 'recipient.suppressed', 'recipient.suppressed', 'recipient.unsuppressed'], 'all of it is on record'
);
select is(
    (select e.detail ->> 'reason' from public.campaign_events e where e.event = 'recipient.unsuppressed'), 'x', 'with the reason that was undone'
);

select * from finish();
rollback;
