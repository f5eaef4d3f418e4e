begin;
select plan(14);

select testing.make_campaign(9) as campaign \gset
select testing.send(5);
select testing.send(1, 'rejected', '135000');
select testing.send(1, 'ambiguous');
select testing.report(testing.entry(:'campaign', 1), 'read');
select testing.report(testing.entry(:'campaign', 2), 'delivered');
select testing.report(testing.entry(:'campaign', 3), 'failed', '131026');
select testing.make_campaign(9) as another \gset

create function testing.counted(_campaign_id uuid, _columns text)
returns text
language plpgsql
volatile
set search_path = ''
as $$
declare
    _found text;
begin
    perform testing.plant('public.campaigns', format('update public.campaigns set %s where id = %L', _columns, _campaign_id));
    select string_agg(distinct v.invariant || ' ' || v.name || ' ' || (v.campaign_id = _campaign_id), ', ') into _found
    from public.verify_invariants() v;
    raise exception using errcode = 'ZZ000', message = coalesce(_found, '(nothing)');
exception
    when sqlstate 'ZZ000' then
        return sqlerrm;
end;
$$;

select is(testing.counted(:'campaign', 'name = name'), '(nothing)', 'nothing is wrong at first');
select is(testing.counted(:'campaign', format('%1$s = %1$s + 1', counter)), '4 counters_equal_rows true', counter || ' one too high')
from unnest(array[
    'total_contacts', 'total_sent', 'total_failed', 'total_skipped', 'total_cancelled', 'total_unknown', 'total_delivered', 'total_undelivered'
]) counter;
select is(testing.counted(:'campaign', 'total_read = total_read - 1'), '4 counters_equal_rows true', 'total_read one too low');
select is(testing.counted(:'campaign', 'actual_cost = 104.55'), '10 cost_equals_attempts true', 'a cost that no attempt had');

-- Rows that moved while nobody counted.
savepoint honest;
select testing.plant(
    'public.send_queue',
    format($$update public.send_queue set status = 'skipped', error_class = 'x', settled_at = sendonce.now() where id = %s$$, testing.entry(:'campaign', 8))
);
select results_eq('select testing.violations()', array['4 counters_equal_rows'], 'a row moved past the counting trigger');
rollback to honest;
select testing.plant('public.send_queue', format('delete from public.send_queue where id = %s', testing.entry(:'campaign', 9)));
select results_eq('select testing.violations()', array['4 counters_equal_rows'], 'a row that was deleted');
rollback to honest;
select testing.plant('public.send_queue', format('delete from public.send_queue where id = %s', testing.entry(:'campaign', 6)));
select results_eq('select testing.violations()', array['3 attempt_has_its_entry', '4 counters_equal_rows'], 'one that had been handed out leaves its attempt');

select * from finish();
rollback;
