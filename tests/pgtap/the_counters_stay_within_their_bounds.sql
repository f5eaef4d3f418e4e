-- The CHECKs behind the triggers: not even repair, the one exception, can write a number out of bounds.
begin;
select plan(12);

select core.set_clock();
select core.world(4) as campaign
\gset
select core.bring(core.entry(:'campaign', 1), 'sent');
select set_config('sendonce.repairing_campaign', :'campaign', true);

select throws_ok(format('update public.campaigns set %s where id = %L', c.change, :'campaign'), '23514', null, c.what)
from (
    values
    ('settled stays within total', 'total_failed = 4'),
    ('not below zero', 'total_failed = -1'),
    ('delivered stays within sent', 'total_delivered = 2'),
    ('delivered and undelivered together stay within sent', 'total_delivered = 1, total_undelivered = 1'),
    ('read stays within delivered', 'total_read = 1'),
    ('cost is not negative', 'actual_cost = -1'),
    ('unknown is not negative', 'total_unknown = -1'),
    ('running means that some are unsettled', 'total_failed = 3'),
    ('completed means that all are settled', 'status = ''completed'', completed_at = now()'),
    ('a pause has its reason', 'status = ''paused'', paused_at = now()')
) c (what, change);
select is(core.counter(:'campaign', 'progress')::numeric, 25::numeric, 'progress follows the counters');
select throws_ok(format('update public.campaigns set progress = 50 where id = %L', :'campaign'), '428C9', null, 'and cannot be written');

select * from finish();
rollback;
