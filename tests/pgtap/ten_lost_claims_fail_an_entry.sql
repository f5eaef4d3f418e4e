-- Something in it may kill every worker that takes it: after ten claims that ran out it goes no further.
begin;
select plan(8);

select core.set_clock();
select core.world(2) as campaign
\gset

create function pg_temp.lose_a_claim(_campaign_id uuid)
returns text
language plpgsql
volatile
set search_path = ''
as $$
begin
    if core.claim(_campaign_id) is null then
        return 'nothing to claim';
    end if;
    perform core.advance('1 hour');
    perform public.expire_claims();
    return core.state(core.entry(_campaign_id, 1));
end;
$$;

select is(array_agg(pg_temp.lose_a_claim(:'campaign')), array_fill('ready'::text, array[9]), 'nine lost claims return it')
from generate_series(1, 9);
select is(core.column_of(core.entry(:'campaign', 1), 'tries'), '0', 'and are no tries');
select is(pg_temp.lose_a_claim(:'campaign'), 'failed', 'the tenth fails it');
select is(core.column_of(core.entry(:'campaign', 1), 'error_class'), 'claim_lost', 'as claim_lost');
select is(core.column_of(core.entry(:'campaign', 1), 'attempt'), '10', 'after ten attempts that never left');
select is(core.campaign_status(:'campaign'), 'completed', 'the campaign completes with it');
select is_empty('select from messages', 'nothing was sent');
select is_empty(format('select core.differences(%L)', :'campaign'), 'the numbers are the rows');

select * from finish();
rollback;
