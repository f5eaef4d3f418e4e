-- One bad row among good ones: it is kept out and listed, the others are recorded.
begin;
select plan(13);

select core.set_clock();
select core.world(6) as campaign
\gset
select core.hand_out(:'campaign') as claim
\gset
select record_results(:claim, jsonb_build_array(
    jsonb_build_object('entry_id', core.entry(:'campaign', 1), 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', 'wamid.a'),
    jsonb_build_object('entry_id', core.entry(:'campaign', 2), 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', 'wamid.a'),
    jsonb_build_object('entry_id', core.entry(:'campaign', 3), 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', 'wamid.b'),
    jsonb_build_object('entry_id', core.entry(:'campaign', 4), 'attempt', 1, 'outcome', 'accepted'),
    jsonb_build_object('entry_id', 'seven', 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', 'wamid.c'),
    jsonb_build_object('entry_id', 999999999, 'attempt', 1, 'outcome', 'accepted', 'provider_message_id', 'wamid.d'),
    jsonb_build_object('entry_id', core.entry(:'campaign', 5), 'attempt', 1, 'outcome', 'perhaps'),
    jsonb_build_object('entry_id', core.entry(:'campaign', 6), 'attempt', 'one', 'outcome', 'accepted', 'provider_message_id', 'wamid.e')
)) as answer
\gset
select is(core.state(core.entry(:'campaign', 1)), 'sent', 'the first to claim a message id has it');
select is(core.state(core.entry(:'campaign', 2)), 'unknown', 'the second is unknown');
select is(core.state(core.entry(:'campaign', 3)), 'sent', 'another one is recorded');
select is(core.state(core.entry(:'campaign', 4)), 'processing', 'accepted without an id is not taken');
select is(core.state(core.entry(:'campaign', 5)), 'processing', 'nor is a word that is no outcome');
select is(core.state(core.entry(:'campaign', 6)), 'processing', 'nor an attempt that is no number');
select is(jsonb_array_length(:'answer'::jsonb -> 'refused'), 5, 'five are refused, with the reason');
select is((:'answer'::jsonb ->> 'recorded')::integer, 3, 'three recorded');
select is(:'answer'::jsonb ->> 'claim_open', 'true', 'the claim holds those that were refused');
select is((select count(*) from discrepancies
where kind = 'wamid_conflict'), 1::bigint, 'the conflict is listed');

-- Told with texts as long as a provider's whim.
select lives_ok(
    format(
        'select record_results(%s, %L::jsonb)', :'claim',
        jsonb_build_array(
            jsonb_build_object(
                'entry_id', core.entry(:'campaign', 4), 'attempt', 1, 'outcome', 'accepted',
                'provider_message_id', (select string_agg(md5(n::text), '') from generate_series(1, 400) n)
            ),
            jsonb_build_object(
                'entry_id', core.entry(:'campaign', 5), 'attempt', 1, 'outcome', 'rejected', 'code', repeat('9', 5000), 'message', repeat('x', 5000)
            )
        )
    ), 'a message id of 12,800 characters fails no batch'
);
select is(core.state(core.entry(:'campaign', 5)), 'failed', 'whose other rows are recorded');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
