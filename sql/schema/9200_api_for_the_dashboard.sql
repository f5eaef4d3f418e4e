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
    'Called by admins. Creates or changes the account of this sender. Options: app, currency, maximum_rate (messages/s, null for none), lease, longest_claim, unknown_window (intervals), on_unknown (fail or hold), limit_group, daily_recipients. Returns its id. Raises SO003, and SO005 for an unknown option or a sender of another organization.';

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

create function public.upsert_template(_organization_id uuid, _provider text, _name text, _language text default 'en', _options jsonb default '{}')
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

create function public.add_recipients(_campaign_id uuid, _recipients jsonb)
returns jsonb
language sql
volatile
security invoker
set search_path = ''
as $$
    select sendonce.add_recipients(_campaign_id, _recipients);
$$;

comment on function public.add_recipients(uuid, jsonb) is
    'Called by operators while the campaign is draft or scheduled, with up to 20,000 [{recipient, variables, row}]. Returns {added, duplicate, suppressed, rejected: [{row, recipient, reason}]}; added includes the suppressed. A bad row stops no good one, the same chunk again adds nothing. Raises SO003, SO004, SO005, and SO006 once the campaign has started.';

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
