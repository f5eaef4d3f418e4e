begin;
select plan(2);

select testing.make_campaign(3) as campaign \gset
alter table public.send_queue drop constraint recipient_is_e164;
select testing.plant('public.send_queue', format($$update public.send_queue set recipient = '0170 123' where id = %s$$, testing.entry(:'campaign', 2)));
select results_eq('select testing.violations()', array['1 guard_is_in_place', '1 recipient_is_e164'], 'where the constraint is gone, each number is looked at');
alter table public.send_queue add constraint recipient_is_e164 check (recipient ~ '^\+[1-9][0-9]{6,14}$') not valid;
select results_eq(
    'select testing.violations()', array['1 guard_is_in_place', '1 recipient_is_e164'], 'also where it came back without having looked itself'
);

select * from finish();
rollback;
