-- What the providers' words mean to us: codes to classes, classes to effects, statuses to ranks.
-- These tables are the only place where a code or a status is judged. The operator may edit them.

create table public.error_classes (
    class text primary key,
    -- Where a rejection of this class moves the entry.
    moves_to text not null,
    -- Whether the attempt counts against the limit of tries, and that limit.
    counts_as_try boolean not null default false,
    most_tries integer not null default 3,
    -- Wait before the next attempt: first_wait × growth ^ (attempts before), with jitter, at most longest_wait.
    first_wait interval not null default interval '0 seconds',
    growth numeric not null default 1,
    longest_wait interval not null default interval '0 seconds',
    -- What else happens, also when the code comes in a report.
    slows_account boolean not null default false,
    -- Whether several in a row rest the account, as outcomes that tell nothing do: the fault is nobody's here.
    rests_account boolean not null default false,
    pauses_account boolean not null default false,
    stops_template boolean not null default false,
    suppresses_recipient boolean not null default false,
    meaning text not null,
    constraint class_moves_somewhere_legal check (moves_to in ('ready', 'failed', 'unknown')),
    -- What is ambiguous is never sent again by itself, whatever else an operator edits here; and nothing else waits for a report.
    constraint only_ambiguous_is_unknown check ((class = 'ambiguous') = (moves_to = 'unknown')),
    constraint most_tries_is_positive check (most_tries > 0),
    constraint waits_are_not_negative check (first_wait >= interval '0 seconds' and growth >= 1 and longest_wait >= first_wait)
);

comment on table public.error_classes is 'What each class of error does to the entry, its account, its template and its recipient.';

insert into public.error_classes (
    class, moves_to, counts_as_try, most_tries, first_wait, growth, longest_wait,
    slows_account, rests_account, pauses_account, stops_template, suppresses_recipient, meaning
)
values
    ('throttle', 'ready', false, 3, '1 second', 2, '1 minute', true, false, false, false, false, 'the provider wants this account slower'),
    ('pair_throttle', 'ready', false, 3, '4 seconds', 4, '1 hour', false, false, false, false, false, 'too many messages to this one person'),
    ('account', 'ready', false, 3, '0 seconds', 1, '0 seconds', false, false, true, false, false, 'the account cannot send until a person has looked'),
    ('transient', 'ready', true, 3, '5 seconds', 4, '10 minutes', false, true, false, false, false, 'the provider had a passing fault'),
    ('transient_late', 'ready', true, 2, '30 minutes', 1, '1 hour', false, false, false, false, false, 'the phone cannot be reached now: once more, late'),
    ('recipient_later', 'ready', true, 3, '24 hours', 1, '25 hours', false, false, false, false, false, 'this person can be reached another day'),
    ('template', 'ready', false, 3, '0 seconds', 1, '0 seconds', false, false, false, true, false, 'the template cannot be used'),
    ('ambiguous', 'unknown', false, 3, '0 seconds', 1, '0 seconds', false, true, false, false, false, 'the message may or may not go out'),
    ('content', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, false, 'the message itself was refused'),
    ('filtered', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, true, false, 'a carrier filters this text: it is to be reviewed'),
    ('recipient', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, false, 'this number cannot get the message'),
    ('opt_out', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, true, 'the person wants no such messages'),
    ('needs_template', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, false, 'only a template may be sent to this person now'),
    ('carrier_unknown', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, false, 'the carrier gave no reason'),
    ('unlisted', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, false, 'a code that provider_errors does not list'),
    ('outcome_unknown', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, false, 'handed out, and no report ever told what became of it'),
    ('claim_lost', 'failed', false, 3, '0 seconds', 1, '0 seconds', false, false, false, false, false, 'its claims ran out ten times without being sent');

create table public.provider_errors (
    provider text not null,
    code text not null,
    class text not null references public.error_classes (class),
    primary key (provider, code)
);

create index idx_provider_errors_class on public.provider_errors (class);

comment on table public.provider_errors is 'The class of each error code. A code that is not here fails its entry as "unlisted" and is listed in discrepancies.';

insert into public.provider_errors (provider, code, class)
select 'whatsapp', listed.code, listed.class
from (
    select unnest(array['4', '80007', '130429', 'http_429']) as code, 'throttle' as class
    union all select '131056', 'pair_throttle'
    union all select unnest(array['0', '3', '10', '190', '368', '131031', '131042', '131045', '131048', '131064', '133010']), 'account'
    union all select generate_series(200, 299)::text, 'account'
    union all select unnest(array['2', '131016', '133004', '131057', '131053']), 'transient'
    union all select unnest(array['1', '131000']), 'ambiguous'
    union all select unnest(array['132001', '132007', '132015', '132016', '132068', '132069']), 'template'
    union all select unnest(array['100', '131008', '131009', '131021', '131051', '132000', '132005', '132008', '132012', '135000']), 'content'
    union all select unnest(array['131026', '130497', '130472', '131062']), 'recipient'
    union all select '131049', 'recipient_later'
    union all select '131050', 'opt_out'
    union all select '131047', 'needs_template'
) listed
union all
select 'twilio', listed.code, listed.class
from (
    select unnest(array['20429', '14107', '21611', '30001', '63018', 'http_429']) as code, 'throttle' as class
    union all select unnest(array['30017', '30022']), 'transient'
    union all select '30003', 'transient_late'
    union all select unnest(array['30023', '30027']), 'recipient_later'
    union all select unnest(array['21211', '21408', '21612', '21614', '30004', '30005', '30006']), 'recipient'
    union all select unnest(array['21617', '30019']), 'content'
    union all select '30007', 'filtered'
    union all select unnest(array['20003', '30002']), 'account'
    union all select '21610', 'opt_out'
    union all select '30008', 'carrier_unknown'
) listed;

create type public.delivery_status as enum ('undelivered', 'delivered', 'read');

comment on type public.delivery_status is 'What the provider reported after acceptance, in rising order: the highest one seen stays.';

create table public.provider_statuses (
    provider text not null,
    status text not null,
    -- Whether a report with this status proves that the provider accepted the message.
    proves_acceptance boolean not null,
    delivery_status public.delivery_status,
    primary key (provider, status),
    constraint delivery_implies_acceptance check (delivery_status is null or proves_acceptance)
);

comment on table public.provider_statuses is 'What each status word in a report means.';

insert into public.provider_statuses (provider, status, proves_acceptance, delivery_status)
values
    ('whatsapp', 'sent', true, null),
    ('whatsapp', 'delivered', true, 'delivered'),
    ('whatsapp', 'read', true, 'read'),
    ('whatsapp', 'played', true, 'read'),
    ('whatsapp', 'failed', true, 'undelivered'),
    ('whatsapp', 'deleted', false, null),
    ('whatsapp', 'warning', false, null),
    ('twilio', 'accepted', true, null),
    ('twilio', 'scheduled', true, null),
    ('twilio', 'queued', true, null),
    ('twilio', 'sending', true, null),
    ('twilio', 'sent', true, null),
    ('twilio', 'delivered', true, 'delivered'),
    ('twilio', 'read', true, 'read'),
    ('twilio', 'undelivered', true, 'undelivered'),
    ('twilio', 'failed', true, 'undelivered'),
    ('twilio', 'canceled', true, 'undelivered');
