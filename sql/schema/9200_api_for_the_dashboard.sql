-- What dashboards call as authenticated users: thin invoker functions over the definers in schema sendonce.

create function public.create_organization(_name text)
returns uuid
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.create_organization(_name);
$$;

comment on function public.create_organization(text) is
    'Called by a signed-in user, who becomes its admin. Returns the organization''s id. Raises SO003 without a user, SO005 without a name.';

create function public.set_member(_organization_id uuid, _user_id uuid, _role public.member_role default null)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.set_member(_organization_id, _user_id, _role);
$$;

comment on function public.set_member(uuid, uuid, public.member_role) is
    'Called by admins. Gives the user a role in the organization, or none with null. Raises SO003, SO004, and SO005 for the last admin.';

create function public.upsert_account(_organization_id uuid, _provider text, _sender text, _name text, _options jsonb default '{}')
returns uuid
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.upsert_account(_organization_id, _provider, _sender, _name, _options);
$$;

comment on function public.upsert_account(uuid, text, text, text, jsonb) is
    'Called by admins. Creates or changes the account of this sender. Options: app, currency, maximum_rate (messages/s, null for none), lease, longest_claim, unknown_window (intervals), on_unknown (fail or hold), limit_group (null for none), daily_recipients (the group''s, null for no cap). Returns its id. Raises SO003, and SO005 for an unknown option or a sender of another organization.';

create function public.set_provider_error(_provider text, _code text, _class text)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.set_provider_error(_provider, _code, _class);
$$;

comment on function public.set_provider_error(text, text, text) is
    'Called by the owner or service_role, as the list is shared by all organizations. Says what class a provider''s error code has from now on; null takes it off the list, so that it fails its entry as unlisted. Logged for every organization with an account there. Raises SO003, SO005.';

create function public.pause_account(_account_id uuid, _reason text)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.pause_account(_account_id, _reason);
$$;

comment on function public.pause_account(uuid, text) is
    'Called by operators. Nothing more of this account is handed out or dispatched. Raises SO003, SO004, SO005 without a reason.';

create function public.resume_account(_account_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.resume_account(_account_id);
$$;

comment on function public.resume_account(uuid) is
    'Called by operators. Ends a pause and a rest of the account. Raises SO003, SO004.';

create function public.upsert_template(
    _organization_id uuid, _provider text, _name text, _language text default 'en', _options jsonb default '{}'
)
returns uuid
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.upsert_template(_organization_id, _provider, _name, _language, _options);
$$;

comment on function public.upsert_template(uuid, text, text, text, jsonb) is
    'Called by operators. Creates or changes a template, and ends its stop. Options: category (MARKETING, UTILITY, AUTHENTICATION), status, variables (names in the provider''s order), body. Returns its id. Raises SO003, SO005.';

create function public.create_campaign(_organization_id uuid, _name text, _account_id uuid, _template_id uuid, _options jsonb default '{}')
returns uuid
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.create_campaign(_organization_id, _name, _account_id, _template_id, _options);
$$;

comment on function public.create_campaign(uuid, text, uuid, uuid, jsonb) is
    'Called by operators. Makes a draft. Options: priority, window_start, window_end, window_time_zone, maximum_failure_rate; others are refused. Returns its id. Raises SO003, SO004, SO005.';

create function public.add_recipients(_campaign_id uuid, _recipients jsonb, _dry_run boolean default false)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.add_recipients(_campaign_id, _recipients, _dry_run);
$$;

comment on function public.add_recipients(uuid, jsonb, boolean) is
    'Called by operators while the campaign is draft or scheduled, with up to 20,000 [{recipient, variables, row}]. Returns {added, duplicate, suppressed, rejected: [{row, recipient, reason}], estimated_cost}; added includes the suppressed, estimated_cost is that of the added. A bad row stops no good one, the same chunk again adds nothing. With _dry_run nothing is added, and the answer is what adding would answer. Raises SO003, SO004, SO005, and SO006 once the campaign has started.';

create function public.start_campaign(_campaign_id uuid, _at timestamptz default null)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.start_campaign(_campaign_id, _at);
$$;

comment on function public.start_campaign(uuid, timestamptz) is
    'Called by operators. Starts the campaign, or schedules it for _at. One with nothing to send completes at once. Returns {status}. Raises SO003, SO004, SO006.';

create function public.pause_campaign(_campaign_id uuid, _reason text)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.pause_campaign(_campaign_id, _reason);
$$;

comment on function public.pause_campaign(uuid, text) is
    'Called by operators. Nothing more is handed out or dispatched; what is in flight finishes. Raises SO003, SO004, SO005 without a reason, SO006 unless running.';

create function public.resume_campaign(_campaign_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.resume_campaign(_campaign_id);
$$;

comment on function public.resume_campaign(uuid) is
    'Called by operators. Goes on with a paused campaign. Raises SO003, SO004, SO006 unless paused.';

create function public.cancel_campaign(_campaign_id uuid)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.cancel_campaign(_campaign_id);
$$;

comment on function public.cancel_campaign(uuid) is
    'Called by operators. Ends the campaign: nothing more goes out, ready entries become cancelled by and by, what is in flight finishes. Raises SO003, SO004, SO006 when it has ended already.';

create function public.send_message(
    _organization_id uuid, _account_id uuid, _template_id uuid, _recipient text, _variables jsonb default '{}',
    _idempotency_key text default null
)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.send_message(_organization_id, _account_id, _template_id, _recipient, _variables, _idempotency_key);
$$;

comment on function public.send_message(uuid, uuid, uuid, text, jsonb, text) is
    'Called by operators. Queues one message outside any campaign and returns {entry_id, status, repeated}; status is skipped where the recipient is suppressed. The same _idempotency_key with the same body returns the first entry, repeated true, and queues nothing. Raises SO003, SO004, SO005 for a number or variables that do not fit, SO030 for a key that came with another body.';

create function public.clone_campaign(_campaign_id uuid, _recipients text default 'none')
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.clone_campaign(_campaign_id, _recipients);
$$;

comment on function public.clone_campaign(uuid, text) is
    'Called by operators. Makes a draft with the same account, template and settings, and with the recipients: none; all; or unsent, which is everybody who ended failed, skipped or cancelled and for whom no attempt may have gone out. Those with an unknown outcome, and those who may still get the message from a running campaign, are not unsent. Copies up to 20,000 at once and returns {campaign_id, added, suppressed, rejected, after, more}; while more is true, go on with clone_recipients. Raises SO003, SO004, SO005.';

create function public.clone_recipients(_campaign_id uuid, _recipients text, _after bigint default 0, _limit integer default 20000)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.clone_recipients(_campaign_id, _recipients, _after, _limit);
$$;

comment on function public.clone_recipients(uuid, text, bigint, integer) is
    'Called by operators with a clone that has not started, to copy further recipients of its original (unsent or all, see clone_campaign) from _after on. Returns {added, suppressed, rejected, after, more}; suppressed are added as skipped, rejected no longer fit the template. The same step again adds nothing. Raises SO003, SO004, SO005, SO006 once it has started.';

create function public.retry_failed(_campaign_id uuid, _classes text[] default null, _limit integer default 10000)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.retry_failed(_campaign_id, _classes, _limit);
$$;

comment on function public.retry_failed(uuid, text[], integer) is
    'Called by operators. Puts failed entries of these classes back to ready with their tries at 0, and a completed campaign back to running. Null means every class but outcome_unknown, whose messages may have gone out: it has to be named. Returns {moved, more}; call it again while more is true. Raises SO003, SO004, SO005 for a class that does not exist, SO006 unless running, paused or completed.';

create function public.resolve_unknown(_entry_id bigint, _decision text)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.resolve_unknown(_entry_id, _decision);
$$;

comment on function public.resolve_unknown(bigint, text) is
    'Called by operators who have found out, or decide, what becomes of an unknown entry: retry sends it once more (whoever got the first message then has two), fail ends it as outcome_unknown. Logged. Returns {entry_id, status}. Raises SO003, SO004, SO005 for another decision, SO006 when it is no longer unknown, or for retry in a cancelled campaign.';

create function public.suppress(_organization_id uuid, _recipient text, _scope text, _reason text)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.suppress(_organization_id, _recipient, _scope, _reason);
$$;

comment on function public.suppress(uuid, text, text, text) is
    'Called by operators. Withholds marketing, or all, from this recipient from the next dispatch on. Never withholds less than before. Logged. Raises SO003, SO004, SO005.';

create function public.suppress_recipients(_organization_id uuid, _recipients jsonb, _scope text, _reason text)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.suppress_recipients(_organization_id, _recipients, _scope, _reason);
$$;

comment on function public.suppress_recipients(uuid, jsonb, text, text) is
    'Called by operators with up to 20,000 [{recipient, row}]. Withholds marketing, or all, from each of them from the next dispatch on. Returns {added, already, rejected: [{row, recipient, reason}]}; added are those from whom more is withheld than before, already those who were suppressed as far or come twice, and stay as they are. A bad row stops no good one. Never withholds less than before. Logged once, with the counts. Raises SO003, SO004, SO005.';

create function public.unsuppress(_organization_id uuid, _recipient text)
returns void
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.unsuppress(_organization_id, _recipient);
$$;

comment on function public.unsuppress(uuid, text) is
    'Called by admins: it undoes what a person asked for. Ends the suppression; what was skipped stays skipped. Logged with the suppression''s reason. Raises SO003, SO004 when there is none.';

create function public.check_campaigns(_organization_id uuid default null)
returns table (campaign_id uuid, organization_id uuid, name text, matches boolean, claims jsonb, proves jsonb)
language sql
stable
security invoker
set search_path = ''
as $$
    select c.campaign_id, c.organization_id, c.name, c.matches, c.claims, c.proves
    from sendonce.check_campaigns(_organization_id) c;
$$;

comment on function public.check_campaigns(uuid) is
    'Called by viewers for one organization or, with null, for all of theirs. Returns one row per campaign: what its row claims and what its entries and attempts prove (status, progress, counters, cost), and whether these match; those that do not come first. Reads every entry of these campaigns. Raises SO003.';

create function public.repair_campaign(_campaign_id uuid, _dry_run boolean default true)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.repair_campaign(_campaign_id, _dry_run);
$$;

comment on function public.repair_campaign(uuid, boolean) is
    'Called by operators. Counts the campaign''s rows under its lock and, unless it is a dry run, sets counters, progress, cost and status to what they prove; a completed campaign with unsettled contacts becomes paused, so that a repair never sends. Logged. Returns {campaign_id, dry_run, differs, before, after}. Raises SO003, SO004, SO005.';

create function public.verify_invariants(_campaign_id uuid default null)
returns table (invariant smallint, name text, campaign_id uuid, entry_id bigint, detail text)
language sql
stable
security invoker
set search_path = ''
as $$
    select v.invariant, v.name, v.campaign_id, v.entry_id, v.detail
    from sendonce.verify_invariants(_campaign_id) v;
$$;

comment on function public.verify_invariants(uuid) is
    'Called by viewers, for one campaign or, with null, for everything they may see. Returns one row per violation of the invariants 1 to 12 of docs/ARCHITECTURE.md, none on a healthy database, in one snapshot. Reads every entry. Raises SO004.';
