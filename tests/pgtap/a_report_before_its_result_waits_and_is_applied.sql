begin;
select plan(18);

select core.set_clock('2026-03-02 12:00:00.5+00');
select core.world(4) as campaign
\gset
select core.hand_out(:'campaign');

-- With the reference it needs no waiting.
select is(core.report(core.entry(:'campaign', 1), 'delivered') ->> 'applied', '1', 'a report with the reference is applied before our own result');
select is(core.state(core.entry(:'campaign', 1)), 'sent/delivered', 'and settles the entry');
select is(core.result(core.entry(:'campaign', 1), 'accepted', '{}', (select max(id) from claims)) ->> 'already', '1', 'our own result is no news then');

-- Without it the message id must be known first.
select is(core.report(core.entry(:'campaign', 2), 'delivered', '{"reference": null, "timestamp": "1772452800250"}') ->> 'waiting', '1', 'one without it waits');
select is(core.state(core.entry(:'campaign', 2)), 'processing', 'and moves nothing');
select is(sweep_reports() ->> 'applied', '0', 'nothing to sweep yet');
select core.result(core.entry(:'campaign', 2), 'accepted');
select is(core.state(core.entry(:'campaign', 2)), 'sent', 'our own result comes');
select is(sweep_reports() ->> 'applied', '0', 'just looked at, it is left alone for as long as it has waited');
select core.advance('1 second');
select is(sweep_reports() ->> 'applied', '1', 'then it is applied');
select is(core.state(core.entry(:'campaign', 2)), 'sent/delivered', 'to the entry');
select is(sweep_reports() ->> 'applied', '0', 'once');
select is(
    core.column_of(core.entry(:'campaign', 2), 'delivered_at')::timestamptz, '2026-03-02 12:00:00.25+00', 'with the time that the provider told, to the millisecond'
);

-- Several of one message, repeated.
select core.report(core.entry(:'campaign', 3), s.status, '{"reference": null}')
from unnest(array['read', 'delivered', 'failed', 'read']) s (status);
select core.result(core.entry(:'campaign', 3), 'accepted');
select sweep_reports();
select is(core.state(core.entry(:'campaign', 3)), 'sent/read', 'several that waited end in the highest');
select is(core.counter(:'campaign', 'actual_cost')::numeric, 0.15, 'each message is charged once');

-- One whose message never comes is given up in the end, and listed.
select core.report(core.entry(:'campaign', 4), 'delivered', '{"reference": null, "provider_message_id": "wamid.stranger"}');
select core.advance('8 days');
select is(sweep_reports() ->> 'given_up', '1', 'one that nobody waits for is given up');
select is((select disposition from sendonce.report_log
where provider_message_id = 'wamid.stranger'), 'refused', 'on record');
select is((select count(*) from discrepancies), 1::bigint, 'and listed');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
