-- Written by hand they are refused, by the owner too.
begin;
select plan(13);

select core.set_clock();
select core.world(3) as campaign
\gset
select core.bring(core.entry(:'campaign'), 'sent');
select throws_ok(
    format('update public.campaigns set %I = %I + 1 where id = %L', c.name, c.name, :'campaign'), 'SO011', null, format('not %s', c.name)
)
from unnest(array[
    'total_contacts', 'total_sent', 'total_failed', 'total_skipped', 'total_cancelled', 'total_unknown', 'total_delivered', 'total_read',
    'total_undelivered', 'actual_cost'
]) c (name);
select throws_ok(
    format('select sendonce.increment_campaign_counters(%L, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0)', :'campaign'), 'SO011', null, 'nor by the function of the triggers'
);
select throws_ok(
    format('select public.increment_campaign_sent(%L, 1)', :'campaign'), 'SO011', null, 'nor by its named forms'
);
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
