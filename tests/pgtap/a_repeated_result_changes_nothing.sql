-- record_results again with the same words, once the answer to the first call was lost: no row, no
-- counter, no cost, and no effect on account, template or suppressions a second time.
begin;
select plan(33);

select core.set_clock();

create function pg_temp.everything()
returns jsonb
language sql
volatile
set search_path = ''
as $$
    select jsonb_build_object(
        'entries', (select jsonb_agg(to_jsonb(q) order by q.id) from public.send_queue q),
        'attempts', (select jsonb_agg(to_jsonb(m) order by m.entry_id, m.attempt) from public.messages m),
        'campaigns', (select jsonb_agg(to_jsonb(c) order by c.id) from public.campaigns c),
        'accounts', (select jsonb_agg(to_jsonb(a) order by a.id) from public.provider_accounts a),
        'templates', (select jsonb_agg(to_jsonb(t) order by t.id) from public.templates t),
        'suppressions', (select jsonb_agg(to_jsonb(s) order by s.recipient) from public.suppressions s),
        'discrepancies', (select jsonb_agg(to_jsonb(d) order by d.id) from public.discrepancies d),
        'claims', (select jsonb_agg(to_jsonb(k) order by k.id) from public.claims k)
    );
$$;

create function pg_temp.repeat(_outcome text, _extra jsonb, _contacts integer)
returns table (told text, already jsonb, difference text)
language plpgsql
volatile
set search_path = ''
as $$
declare
    _campaign_id constant uuid := core.world(_contacts, '{"account": {"maximum_rate": 100}}');
    _claim_id bigint;
    _results jsonb;
    _before jsonb;
    _answer jsonb;
    _after jsonb;
begin
    -- The bucket is full after a second.
    perform core.advance('1 second');
    _claim_id := core.hand_out(_campaign_id);
    -- Of two entries one has its result now; the claim stays open, or is closed where there is one.
    _results := jsonb_build_array(
        jsonb_build_object('entry_id', core.entry(_campaign_id, 1), 'attempt', 1, 'outcome', _outcome, 'provider_message_id', 'wamid.once.' || _campaign_id)
        || _extra
    );
    perform public.record_results(_claim_id, _results);
    _before := pg_temp.everything();
    _answer := public.record_results(_claim_id, _results);
    _after := pg_temp.everything();
    told := format('%s %s of %s', _outcome, _extra, _contacts);
    already := _answer -> 'already';
    difference := (
        select string_agg(b.key, ', ' order by b.key)
        from jsonb_each_text(_before) b
        where _before -> b.key is distinct from _after -> b.key
    );
    return next;
end;
$$;

create temporary table repeated on commit drop as
select p.*
from (
    values
    ('accepted', '{}'),
    ('not_sent', '{}'),
    ('ambiguous', '{}'),
    ('rejected', '{"code": "135000"}'),
    ('rejected', '{"code": "131016"}'),
    ('rejected', '{"code": "130429"}'),
    ('rejected', '{"code": "131050"}'),
    ('rejected', '{"code": "999999"}')
) r (outcome, extra)
cross join (values (1), (2)) c (contacts)
cross join lateral pg_temp.repeat(r.outcome, r.extra::jsonb, c.contacts) p;

select is(already, '1'::jsonb, told || ' is known already') from repeated;
select is(difference, null, told || ' changes nothing') from repeated;

-- After a person has looked, the answer that was lost must not pause the account anew.
select core.world(1) as campaign
\gset
select core.hand_out(:'campaign') as claim
\gset
select core.result(core.entry(:'campaign'), 'rejected', '{"code": "190"}', :claim, 1);
select resume_account(core.account_of(:'campaign'));
select core.result(core.entry(:'campaign'), 'rejected', '{"code": "190"}', :claim, 1);
select is(core.account_column(:'campaign', 'paused_at'), null, 'a repeated account error does not pause the account that was resumed');

select * from finish();
rollback;
