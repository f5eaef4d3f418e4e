-- Every code of PROVIDERS as the reply of a first attempt. The table here is written from the providers'
-- documentation, not from the schema.
begin;
select plan(18);

select core.set_clock();

create temporary table expected (provider text, code text, class text) on commit drop;
insert into expected
select 'whatsapp', c.code, c.class
from (
    values
    ('4', 'throttle'), ('80007', 'throttle'), ('130429', 'throttle'), ('http_429', 'throttle'), ('131056', 'pair_throttle'),
    ('0', 'account'), ('3', 'account'), ('10', 'account'), ('190', 'account'), ('200', 'account'), ('299', 'account'), ('368', 'account'),
    ('131031', 'account'), ('131042', 'account'), ('131045', 'account'), ('131048', 'account'), ('131064', 'account'), ('133010', 'account'),
    ('2', 'transient'), ('131016', 'transient'), ('133004', 'transient'), ('131057', 'transient'), ('131053', 'transient'),
    ('1', 'ambiguous'), ('131000', 'ambiguous'),
    ('132001', 'template'), ('132007', 'template'), ('132015', 'template'), ('132016', 'template'), ('132068', 'template'), ('132069', 'template'),
    ('100', 'content'), ('131008', 'content'), ('131009', 'content'), ('131021', 'content'), ('131051', 'content'), ('132000', 'content'),
    ('132005', 'content'), ('132008', 'content'), ('132012', 'content'), ('135000', 'content'),
    ('131026', 'recipient'), ('130497', 'recipient'), ('130472', 'recipient'), ('131062', 'recipient'),
    ('131049', 'recipient_later'), ('131050', 'opt_out'), ('131047', 'needs_template'), ('999999', 'unlisted')
) c (code, class)
union all
select 'twilio', c.code, c.class
from (
    values
    ('http_429', 'throttle'), ('20429', 'throttle'), ('14107', 'throttle'), ('21611', 'throttle'), ('30001', 'throttle'), ('63018', 'throttle'),
    ('30017', 'transient'), ('30022', 'transient'), ('30003', 'transient_late'), ('30023', 'recipient_later'), ('30027', 'recipient_later'),
    ('21211', 'recipient'), ('21408', 'recipient'), ('21612', 'recipient'), ('21614', 'recipient'), ('30004', 'recipient'), ('30005', 'recipient'),
    ('30006', 'recipient'), ('21617', 'content'), ('30007', 'filtered'), ('30019', 'content'), ('20003', 'account'), ('30002', 'account'),
    ('21610', 'opt_out'), ('30008', 'carrier_unknown'), ('999999', 'unlisted')
) c (code, class);

create function pg_temp.reply(_provider text, _code text)
returns table (
    status text, class text, tries integer, wait interval, rate_halved boolean, account_paused boolean, template_stopped boolean,
    suppressed boolean, outcome text, differs text
)
language plpgsql
volatile
set search_path = ''
as $$
declare
    _provided constant jsonb := jsonb_build_object('provider', _provider);
    _campaign_id constant uuid := core.world(2, jsonb_build_object('account', _provided || '{"maximum_rate": 100}', 'template', _provided));
    _entry_id constant bigint := core.entry(_campaign_id, 1);
begin
    perform core.advance('1 second');
    perform core.hand_out(_campaign_id);
    perform core.result(
        _entry_id, 'rejected',
        case _code when 'http_429' then '{"http_status": 429}'::jsonb else jsonb_build_object('code', _code, 'http_status', 400) end
    );
    return query
    select
        q.status::text, q.error_class, q.tries::integer, q.due_at - sendonce.now(), a.current_rate = 50, a.paused_at is not null,
        t.stopped_at is not null,
        exists (select from public.suppressions s where s.organization_id = q.organization_id and s.recipient = q.recipient),
        (select m.outcome::text from public.messages m where m.entry_id = _entry_id),
        (select string_agg(d, '; ') from core.differences(_campaign_id) d)
    from public.send_queue q
    join public.provider_accounts a on a.id = q.account_id
    join public.templates t on t.id = core.template_of(_campaign_id)
    where q.id = _entry_id;
end;
$$;

create temporary table told on commit drop as
select e.provider || ' ' || e.code as name, e.class as expected_class, r.*
from expected e
cross join lateral pg_temp.reply(e.provider, e.code) r;

select is((select count(*) from told), 75::bigint, 'so many codes were tried');
select is_empty($$select name, class, expected_class from told where class <> expected_class$$, 'each has the class of the documentation');
select is_empty(
    $$
    select name, status from told
    where status <> case
        when class in ('throttle', 'pair_throttle', 'account', 'transient', 'transient_late', 'recipient_later', 'template') then 'ready'
        when class = 'ambiguous' then 'unknown'
        else 'failed'
    end
    $$, 'and moves the entry where the class says'
);
select is_empty(
    $$select name, tries from told where tries <> (class in ('transient', 'transient_late', 'recipient_later'))::integer$$,
    'only transient faults and recipient_later count as tries'
);
select is_empty($$select name, rate_halved from told where rate_halved is distinct from (class = 'throttle')$$, 'only throttle halves the rate');
select is_empty($$select name from told where account_paused is distinct from (class = 'account')$$, 'only account pauses the account');
select is_empty($$select name from told where template_stopped is distinct from (class in ('template', 'filtered'))$$, 'only template errors and filters stop the template');
select is_empty($$select name from told where suppressed is distinct from (class = 'opt_out')$$, 'only opt_out suppresses the contact');
select is_empty($$select name, wait from told where class = 'recipient_later' and wait < '24 hours'$$, 'recipient_later waits 24 hours at least');
select is_empty($$select name, wait from told where class = 'pair_throttle' and wait < '4 seconds'$$, 'pair_throttle waits 4 seconds the first time');
select is_empty($$select name, wait from told where class = 'transient_late' and wait < '30 minutes'$$, 'transient_late waits 30 minutes');
select is_empty($$select name, wait from told where class = 'transient' and wait <= '0 seconds'$$, 'transient waits');
select is_empty(
    $$select name, outcome from told where outcome is distinct from case class when 'ambiguous' then 'unknown' else 'rejected' end$$,
    'the attempt is on record as rejected, ambiguous ones as unknown'
);
select is_empty($$select name, differs from told where differs is not null$$, 'the numbers are the rows');
select is(
    (select count(*) from discrepancies
where kind = 'unlisted_code'), 2::bigint, 'a code that is not listed is listed for a person, once per provider'
);

-- An account error names its reason, and burns no contact.
select core.world(2) as campaign
\gset
select core.hand_out(:'campaign');
select core.result(core.entry(:'campaign', 1), 'rejected', '{"code": "131042", "message": "payment missing"}');
select matches(core.account_column(:'campaign', 'pause_reason'), '131042.*payment missing', 'the pause shows code and words');
select is(core.claim(:'campaign'), null, 'and nothing more goes out');
select resume_account(core.account_of(:'campaign'));
select cmp_ok(core.claim(:'campaign'), '>', 0::bigint, 'until a person has resumed it: then the contact goes out again');

select * from finish();
rollback;
