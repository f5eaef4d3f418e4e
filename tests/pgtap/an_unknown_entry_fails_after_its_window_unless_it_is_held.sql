begin;
select plan(14);

select core.set_clock();
select core.world(1, '{"account": {"unknown_window": "10 minutes", "on_unknown": "fail"}}') as failing
\gset
select core.world(1, '{"account": {"unknown_window": "10 minutes", "on_unknown": "hold"}}') as holding
\gset
select core.bring(core.entry(:'failing'), 'unknown');
select core.bring(core.entry(:'holding'), 'unknown');
select is(core.campaign_status(:'failing'), 'running', 'an unknown entry is not settled');
select core.advance('9 minutes 59.999 seconds');
select is(settle_overdue_unknown() ->> 'failed', '0', 'within the window it waits for the report');
select core.advance('0.001 seconds');
select is(settle_overdue_unknown() ->> 'failed', '1', 'at its end one is settled');
select is(core.state(core.entry(:'failing')), 'failed', 'as failed');
select is(core.column_of(core.entry(:'failing'), 'error_class'), 'outcome_unknown', 'with the class that says why');
select is(core.campaign_status(:'failing'), 'completed', 'and its campaign completes');
select is(core.counter(:'failing', 'total_unknown'), '0', 'it is not counted as unknown any more');
select is(core.state(core.entry(:'holding')), 'unknown', 'where the account says hold it stays unknown');
select is(core.campaign_status(:'holding'), 'running', 'and its campaign goes on');
select core.advance('30 days');
select is(settle_overdue_unknown() ->> 'failed', '0', 'however long');
select core.report(core.entry(:'holding'), 'sent');
select is(core.campaign_status(:'holding'), 'completed', 'until the provider''s report settles it');
select is(
    (select outcome::text from messages
where entry_id = core.entry(:'failing')), 'unknown', 'the failed one''s attempt stays unknown on record'
);

-- No automatic resend, however long it takes.
select core.advance('30 days');
select is(core.claim(:'failing'), null, 'and it is not sent again by itself');
select is_empty(format('select core.differences(%L)', :'failing'), 'the numbers are the rows');

select * from finish();
rollback;
