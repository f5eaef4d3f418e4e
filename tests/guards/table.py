"""The guards, one by one."""

from collections.abc import Iterator
from typing import Final

from guards.mutation import Mutation

_CLAIM: Final = "sendonce.claim_from_account"
_CHOOSE: Final = "sendonce.claim_messages"
_DISPATCH: Final = "sendonce.begin_dispatch"
_RECORD: Final = "sendonce.record_results_once"
_CLASSIFY: Final = "sendonce.classify_results"
_READ: Final = "sendonce.read_reports"
_APPLY: Final = "sendonce.apply_reports"
_EXPIRE: Final = "sendonce.expire_claims"
_GUARD: Final = "sendonce.guard_entry_transition"
_COUNT: Final = "sendonce.increment_campaign_counters"

_INDEXES: Final = (
    Mutation(
        "unique index: one entry per campaign and contact",
        "a_contact_is_added_once_to_a_campaign",
        ("drop index public.idx_send_queue_campaign_recipient;",),
        (
            (
                "sendonce.add_recipients",
                "on conflict (campaign_id, recipient) where campaign_id is not null do nothing",
                "on conflict do nothing",
            ),
        ),
    ),
    Mutation(
        "idx_send_queue_wamid: a message id belongs to one entry of its account",
        "a_wamid_belongs_to_one_entry_of_its_account",
        ("drop index public.idx_send_queue_wamid;",),
    ),
    Mutation(
        "idx_messages_second_wamid: a second message id belongs to one attempt",
        "a_second_acceptance_is_kept_charged_and_listed",
        ("drop index public.idx_messages_second_wamid;",),
    ),
    Mutation(
        "idx_send_queue_idempotency: one entry per idempotency key",
        "a_single_message_repeats_by_its_idempotency_key",
        ("drop index public.idx_send_queue_idempotency;",),
        raises=True,
    ),
)


def _without_trigger(table: str, trigger: str, file: str, guard: str) -> Mutation:
    return Mutation(
        f"trigger {trigger} of {table}: {guard}",
        file,
        (f"alter table public.{table} disable trigger {trigger};",),
    )


_TRIGGERS: Final = (
    _without_trigger(
        "send_queue",
        "guard_entry_transition",
        "an_entry_makes_only_the_transitions_of_the_design",
        "transitions of an entry",
    ),
    _without_trigger(
        "send_queue",
        "guard_entry_identity",
        "what_an_entry_is_about_never_changes",
        "an entry keeps what it is about",
    ),
    _without_trigger(
        "send_queue",
        "guard_entry_identity",
        "the_wamid_of_an_entry_never_changes",
        "the message id is set once",
    ),
    _without_trigger(
        "send_queue",
        "guard_entry_progress",
        "what_an_entry_is_about_never_changes",
        "an attempt is counted by a claim only",
    ),
    _without_trigger(
        "send_queue",
        "guard_entry_progress",
        "a_report_never_lowers_the_delivery_status",
        "the delivery status never falls",
    ),
    _without_trigger(
        "send_queue",
        "guard_queue_insert",
        "an_entry_starts_as_ready_or_skipped",
        "how an entry is born",
    ),
    _without_trigger(
        "campaigns",
        "guard_campaign",
        "a_campaign_makes_only_the_transitions_of_the_design",
        "transitions of a campaign",
    ),
    _without_trigger(
        "campaigns",
        "guard_campaign",
        "counters_move_only_with_their_rows",
        "counters are not written by hand",
    ),
    _without_trigger(
        "campaigns",
        "guard_new_campaign",
        "a_campaign_starts_as_an_empty_draft",
        "how a campaign is born",
    ),
    _without_trigger(
        "campaigns",
        "guard_campaign",
        "what_an_entry_is_about_never_changes",
        "what a campaign is made of",
    ),
    _without_trigger(
        "messages",
        "guard_message",
        "an_attempts_outcome_only_becomes_more_certain",
        "outcomes of an attempt",
    ),
    _without_trigger(
        "send_queue",
        "count_inserted_entries",
        "a_contact_is_added_once_to_a_campaign",
        "counting what is added",
    ),
    _without_trigger(
        "send_queue",
        "count_moved_entries",
        "the_last_settled_entry_completes_the_campaign",
        "counting what moves",
    ),
    _without_trigger(
        "messages",
        "charge_inserted_messages",
        "an_attempt_is_charged_once_at_the_rate_of_its_claim",
        "charging a new attempt",
    ),
    _without_trigger(
        "messages",
        "charge_changed_messages",
        "an_attempt_is_charged_once_at_the_rate_of_its_claim",
        "charging what comes later",
    ),
    *(
        _without_trigger(
            table, "refuse_deletion", "an_entry_cannot_be_deleted", "the record is kept"
        )
        for table in (
            "send_queue",
            "messages",
            "campaigns",
            "provider_accounts",
            "templates",
            "campaign_events",
        )
    ),
)

_INSIDE_THE_TRIGGERS: Final = (
    Mutation(
        "sent is absorbing",
        "an_entry_makes_only_the_transitions_of_the_design",
        replaced=((_GUARD, "when 'sent' then false", "when 'sent' then true"),),
    ),
    Mutation(
        "a claim starts a new attempt",
        "what_an_entry_is_about_never_changes",
        replaced=((_GUARD, "if new.attempt <> old.attempt + 1 then", "if false then"),),
    ),
    Mutation(
        "nothing else counts an attempt",
        "what_an_entry_is_about_never_changes",
        replaced=((_GUARD, "if new.attempt <> old.attempt then", "if false then"),),
    ),
    Mutation(
        "what returns to ready is flagged for the second path",
        "claims_hand_out_every_entry_exactly_once",
        replaced=((_GUARD, "new.due_at := coalesce(new.due_at, sendonce.now());", "null;"),),
    ),
    Mutation(
        "the last settled entry completes its campaign",
        "the_last_settled_entry_completes_the_campaign",
        ("alter table public.campaigns drop constraint active_means_some_unsettled;",),
        (
            (_COUNT, "then 'completed'::public.campaign_status", "then c.status"),
            (_COUNT, "then coalesce(c.completed_at, sendonce.now())", "then c.completed_at"),
        ),
    ),
)


def _without_check(table: str, name: str, file: str) -> Mutation:
    return Mutation(
        f"check {name} of {table}",
        file,
        (f"alter table public.{table} drop constraint {name};",),
    )


_CHECKS: Final = (
    *(
        _without_check("campaigns", name, "the_counters_stay_within_their_bounds")
        for name in (
            "counters_are_not_negative",
            "delivered_stays_within_sent",
            "read_stays_within_delivered",
            "cost_is_not_negative",
            "active_means_some_unsettled",
            "completed_means_all_settled",
            "paused_has_its_time_and_reason",
        )
    ),
    Mutation(
        "checks that keep settled within total",
        "the_counters_stay_within_their_bounds",
        (
            # Each of the three notices alone: progress would leave 100, running would mean nothing.
            "alter table public.campaigns drop constraint settled_stays_within_total;",
            "alter table public.campaigns drop constraint progress_stays_within_0_and_100;",
            "alter table public.campaigns drop constraint active_means_some_unsettled;",
        ),
    ),
    _without_check("send_queue", "recipient_is_e164", "an_entry_starts_as_ready_or_skipped"),
)

_CLAIM_CONDITIONS: Final = (
    Mutation(
        "claim: the campaign runs",
        "a_claim_gives_out_only_running_campaigns",
        replaced=((_CLAIM, "and c.status = 'running'", ""),),
    ),
    Mutation(
        "claim: within the sending hours",
        "a_claim_keeps_to_the_sending_hours",
        replaced=(
            (
                _CLAIM,
                "and sendonce.window_is_open(c.window_start, c.window_end, c.window_time_zone, "
                "_now)",
                "",
            ),
        ),
    ),
    Mutation(
        "claim: hours run across midnight",
        "a_claim_keeps_to_the_sending_hours",
        replaced=(("sendonce.window_is_open", "if _start < _end then", "if true then"),),
    ),
    Mutation(
        "claim: the account is not paused",
        "a_paused_account_gives_out_nothing",
        replaced=(
            (_CHOOSE, "and a.paused_at is null", ""),
            (_CHOOSE, "_account.paused_at is not null or ", ""),
        ),
    ),
    Mutation(
        "claim: the account does not rest",
        "a_resting_account_gives_out_one_probe_when_its_rest_is_over",
        replaced=(
            (
                _CHOOSE,
                "and (a.resting_until is null or a.resting_until <= sendonce.now())",
                "",
            ),
            (_CHOOSE, " or _account.resting_until > sendonce.now()", ""),
        ),
    ),
    Mutation(
        "claim: after a rest one entry probes",
        "a_resting_account_gives_out_one_probe_when_its_rest_is_over",
        replaced=((_CHOOSE, "_batch := 1;", "null;"),),
    ),
    Mutation(
        "claim: the probe is alone",
        "a_resting_account_gives_out_one_probe_when_its_rest_is_over",
        replaced=(
            (
                _CHOOSE,
                "continue when exists (select from public.claims k where k.account_id = "
                "_account.id);",
                "",
            ),
        ),
    ),
    Mutation(
        "claim: the template of a campaign may be used",
        "a_stopped_template_gives_out_nothing",
        replaced=(
            (
                _CLAIM,
                "and c.status = 'running'\n            and t.status = 'APPROVED' and "
                "t.stopped_at is null",
                "and c.status = 'running'",
            ),
        ),
    ),
    Mutation(
        "claim: the template of a single message may be used",
        "a_stopped_template_gives_out_nothing",
        replaced=(
            (
                _CLAIM,
                "q.campaign_id is null and q.due_at <= _now\n            and t.status = "
                "'APPROVED' and t.stopped_at is null",
                "q.campaign_id is null and q.due_at <= _now",
            ),
        ),
    ),
    Mutation(
        "claim: nobody suppressed",
        "a_suppressed_contact_is_skipped_by_the_claim",
        replaced=((_CLAIM, "p.id = any (_suppressed) as suppressed", "false as suppressed"),),
    ),
    Mutation(
        "claim: what came back is due",
        "an_entry_is_given_out_when_it_is_due_and_not_before",
        replaced=(
            (
                _CLAIM,
                "q.campaign_id = _source.campaign_id and q.due_at <= _now",
                "q.campaign_id = _source.campaign_id and q.due_at is not null",
            ),
        ),
    ),
    Mutation(
        "claim: a single message is due",
        "an_entry_is_given_out_when_it_is_due_and_not_before",
        replaced=(
            (
                _CLAIM,
                "q.campaign_id is null and q.due_at <= _now",
                "q.campaign_id is null and q.due_at is not null",
            ),
            (
                _CHOOSE,
                "q.campaign_id is null and q.due_at <= sendonce.now()",
                "q.campaign_id is null and q.due_at is not null",
            ),
        ),
    ),
    Mutation(
        "claim: the cursor moves",
        "claims_hand_out_every_entry_exactly_once",
        replaced=((_CLAIM, "set last_entry_id = excluded.last_entry_id", "set last_entry_id = 0"),),
    ),
    Mutation(
        "claim: only what is ready",
        "a_suppressed_contact_is_skipped_by_the_claim",
        replaced=((_CLAIM, "and q.status = 'ready'\n", "\n"),),
        raises=True,
    ),
    Mutation(
        "claim: only so many accounts at once",
        "at_most_so_many_accounts_work_at_once",
        replaced=((_CHOOSE, "if _candidate.accounts_at_once is not null then", "if false then"),),
    ),
    Mutation(
        "claim: a restored database pauses its accounts",
        "a_restored_database_pauses_every_account",
        replaced=((_CHOOSE, "if sendonce.pause_after_failover() then", "if false then"),),
    ),
)


def _dispatch(guard: str, old: str, new: str, file: str = "") -> Mutation:
    return Mutation(
        f"dispatch: {guard}",
        file or "dispatch_refuses_what_may_no_longer_go",
        replaced=((_DISPATCH, old, new),),
    )


_DISPATCH_CONDITIONS: Final = (
    _dispatch(
        "the account is not paused", "when _account.paused_at is not null then", "when false then"
    ),
    _dispatch(
        "the account does not rest", "when _account.resting_until > _now then", "when false then"
    ),
    _dispatch("the campaign runs", "when c.status <> 'running' then", "when false then"),
    _dispatch(
        "within the sending hours",
        "when not sendonce.window_is_open(c.window_start, c.window_end, c.window_time_zone, "
        "_now) then",
        "when false then",
    ),
    _dispatch("the template is approved", "t.status <> 'APPROVED' or t.stopped_at", "t.stopped_at"),
    _dispatch(
        "the template is not stopped",
        "t.status <> 'APPROVED' or t.stopped_at is not null",
        "t.status <> 'APPROVED'",
    ),
    _dispatch("nobody suppressed", "s.scope = any (source.scopes)", "false"),
    _dispatch(
        "the entry is still in the claim",
        "q.status = 'processing' and q.claim_id = _claim_id as in_this_claim",
        "true as in_this_claim",
        "dispatch_refuses_an_entry_that_left_the_claim",
    ),
    Mutation(
        "dispatch: the claim holds the entry",
        "dispatch_refuses_an_entry_that_left_the_claim",
        replaced=(
            (_DISPATCH, "where a.id = any (_claim.entry_ids) and", "where"),
            (
                _DISPATCH,
                "q.status = 'processing' and q.claim_id = _claim_id as in_this_claim",
                "true as in_this_claim",
            ),
        ),
    ),
    _dispatch(
        "the lease is not over",
        "if _claim.expires_at <= _now then",
        "if false then",
        "dispatch_refuses_a_claim_whose_lease_is_over",
    ),
    _dispatch(
        "what was dispatched takes no second token",
        "and a.id <> all (_claim.dispatched)",
        "",
        "dispatch_repeated_by_the_holder_says_the_same",
    ),
    _dispatch(
        "each entry once",
        "select distinct a.id from unnest(_entry_ids) a(id) where a.id = any (_claim.dispatched)",
        "select a.id from unnest(_entry_ids) a(id) where a.id = any (_claim.dispatched)",
        "dispatch_names_an_entry_once_however_often_it_is_asked",
    ),
    _dispatch(
        "only as many as there are tokens",
        "_allowed := _allowed[:floor(_tokens)::integer];",
        "",
        "dispatch_keeps_to_the_rate_and_says_when_to_ask_again",
    ),
    _dispatch(
        "only as many people as the cap allows",
        "if _capped then",
        "if false then",
        "a_limit_group_writes_to_no_more_people_a_day_than_its_cap",
    ),
    _dispatch(
        "on disk before the request",
        "perform set_config('synchronous_commit', 'on', true);",
        "",
        "dispatch_and_reports_are_on_disk_when_they_return",
    ),
    Mutation(
        "dispatch: what was dispatched is written down",
        "an_expired_claim_returns_what_was_not_dispatched",
        replaced=(
            (
                _DISPATCH,
                "dispatched = _claim.dispatched || _allowed",
                "dispatched = _claim.dispatched",
            ),
        ),
    ),
)

_RESULTS: Final = (
    Mutation(
        "record: only what was dispatched",
        "a_result_counts_only_for_what_was_dispatched",
        replaced=(
            (
                _RECORD,
                "q.claim_id = _claim_id and q.attempt = r.attempt and q.id = any "
                "(_claim.dispatched), false",
                "q.claim_id = _claim_id and q.attempt = r.attempt, false",
            ),
            (
                _RECORD,
                "coalesce(q.attempt = r.attempt and q.id = any (_claim.dispatched), false)",
                "coalesce(q.attempt = r.attempt, false)",
            ),
        ),
    ),
    Mutation(
        "record: only of the attempt in hand",
        "a_stale_result_does_not_close_an_entry_in_the_claim",
        replaced=(
            (
                _RECORD,
                "q.claim_id = _claim_id and q.attempt = r.attempt and q.id = any",
                "q.claim_id = _claim_id and q.id = any",
            ),
        ),
    ),
    Mutation(
        "record: closes only the attempt that is out",
        "a_stale_result_does_not_close_an_entry_in_the_claim",
        replaced=(
            (
                _RECORD,
                "coalesce(q.attempt = r.attempt and q.id = any (_claim.dispatched), false)",
                "coalesce(q.id = any (_claim.dispatched), false)",
            ),
        ),
    ),
    Mutation(
        "record: an unknown entry hears only of its current attempt",
        "late_news_other_than_evidence_moves_only_what_waits_for_it",
        replaced=(
            (
                _RECORD,
                "coalesce(q.status = 'unknown' and q.attempt = r.attempt, false)",
                "coalesce(q.status = 'unknown', false)",
            ),
        ),
    ),
    Mutation(
        "record: an acceptance is evidence in every state",
        "evidence_moves_any_state_to_sent",
        replaced=(
            (_RECORD, "(l.outcome = 'accepted' or l.out_with_this_claim", "(l.out_with_this_claim"),
        ),
    ),
    Mutation(
        "record: three tries",
        "the_third_try_is_the_last",
        replaced=((_RECORD, "l.tries + 1 >= c.most_tries", "l.tries + 1 > c.most_tries"),),
    ),
    Mutation(
        "record: a repetition has no second effect on the account",
        "a_repeated_result_changes_nothing",
        replaced=(
            (
                _RECORD,
                "and ((q.status = 'processing' and q.claim_id = _claim_id) or "
                "(q.status = 'unknown' and r.outcome <> 'unknown'))",
                "",
            ),
        ),
    ),
    Mutation(
        "record: a message id that another entry has",
        "a_wamid_belongs_to_one_entry_of_its_account",
        replaced=(
            (
                _CLASSIFY,
                "other.provider_message_id = p.provider_message_id and other.id <> p.entry_id",
                "false",
            ),
        ),
        raises=True,
    ),
    Mutation(
        "record: a message id twice in one batch",
        "a_wamid_conflict_does_not_fail_its_batch",
        replaced=(
            (
                _CLASSIFY,
                "row_number() over (partition by p.provider_message_id, p.outcome order by "
                "p.entry_id, p.ordinal) > 1",
                "false",
            ),
        ),
        raises=True,
    ),
    Mutation(
        "record: the first message id stays, the second acceptance is marked",
        "a_second_acceptance_is_kept_charged_and_listed",
        replaced=(
            (
                _RECORD,
                "coalesce(l.outcome = 'accepted' and l.first_wamid <> "
                "l.provider_message_id, false)",
                "false",
            ),
        ),
    ),
    Mutation(
        "record: an opt-out suppresses",
        "an_opt_out_suppresses_the_contact_for_every_campaign",
        replaced=((_RECORD, "if _suppress is not null then", "if false then"),),
    ),
    Mutation(
        "record: a template error stops the template",
        "a_template_error_stops_every_campaign_of_the_template",
        replaced=((_RECORD, "if _stops is not null then", "if false then"),),
    ),
    Mutation(
        "an attempt's outcome only becomes more certain",
        "an_attempt_is_charged_once_at_the_rate_of_its_claim",
        replaced=(
            (
                "sendonce.write_attempts",
                "when m.outcome = 'unknown' or excluded.outcome = 'accepted' then excluded.outcome",
                "when m.outcome = 'unknown' then excluded.outcome",
            ),
        ),
        raises=True,
    ),
    Mutation(
        "five outcomes that told nothing rest the account",
        "a_resting_account_gives_out_one_probe_when_its_rest_is_over",
        replaced=(
            ("sendonce.apply_account_effects", "if _unsure >= _rest_after and", "if false and"),
        ),
    ),
)

_LEASES: Final = (
    Mutation(
        "expire: only after the lease",
        "an_expired_claim_returns_what_was_not_dispatched",
        replaced=((_EXPIRE, "where k.expires_at <= _now", "where true"),),
    ),
    Mutation(
        "after a crash the ids of claims leap beyond those given out before it",
        "after_a_crash_no_claim_gets_an_id_given_out_before",
        replaced=((_CHOOSE, "if sendonce.outrun_lost_claims() then", "if false then"),),
    ),
    Mutation(
        "expire: what was dispatched is unknown and never ready",
        "an_expired_claim_returns_what_was_not_dispatched",
        replaced=((_EXPIRE, "q.id = any (k.dispatched) as dispatched", "false as dispatched"),),
    ),
    Mutation(
        "no second send, whatever the walk: what was dispatched is never ready by itself",
        "every_contact_ends_in_exactly_one_final_state",
        replaced=((_EXPIRE, "q.id = any (k.dispatched) as dispatched", "false as dispatched"),),
    ),
    Mutation(
        "record: an ambiguous outcome is never ready by itself",
        "late_news_other_than_evidence_moves_only_what_waits_for_it",
        replaced=(
            (
                _RECORD,
                "when l.outcome = 'unknown' then case when l.in_hand then "
                "'unknown'::public.entry_status end",
                "when l.outcome = 'unknown' then case when l.in_hand then "
                "'ready'::public.entry_status end",
            ),
        ),
    ),
    Mutation(
        "expire: ten lost claims fail an entry",
        "ten_lost_claims_fail_an_entry",
        replaced=(
            (
                _EXPIRE,
                "_most_lost_claims constant integer := 10",
                "_most_lost_claims constant integer := 11",
            ),
        ),
    ),
    Mutation(
        "renew: not what ran out",
        "a_claim_is_renewed_up_to_its_longest_age",
        replaced=(("sendonce.renew_claims", "and k.expires_at > _now", ""),),
    ),
    Mutation(
        "renew: up to the longest age",
        "a_claim_is_renewed_up_to_its_longest_age",
        replaced=(
            (
                "sendonce.renew_claims",
                "least(_now + a.lease, k.claimed_at + a.longest_claim)",
                "_now + a.lease",
            ),
        ),
    ),
    Mutation(
        "release: only what was never dispatched",
        "a_released_claim_returns_only_what_was_never_dispatched",
        replaced=(("sendonce.release_claim", "where e.id <> all (_claim.dispatched)", ""),),
    ),
    Mutation(
        "settle: only after the window",
        "an_unknown_entry_fails_after_its_window_unless_it_is_held",
        replaced=(
            (
                "sendonce.settle_overdue_unknown",
                "q.unknown_since <= _now - _account.unknown_window",
                "q.unknown_since is not null",
            ),
        ),
    ),
    Mutation(
        "settle: not where the account says hold",
        "an_unknown_entry_fails_after_its_window_unless_it_is_held",
        replaced=(("sendonce.settle_overdue_unknown", "a.on_unknown = 'fail'", "true"),),
    ),
    Mutation(
        "sweep: only what is ready",
        "a_cancelled_campaign_sends_nothing_more",
        replaced=(("sendonce.sweep_cancelled", "and q.status = 'ready'", ""),),
        raises=True,
    ),
    Mutation(
        "start: only what is due",
        "a_scheduled_campaign_starts_when_its_time_has_come",
        replaced=(("sendonce.start_due_campaigns", "and c.scheduled_at <= sendonce.now()", ""),),
    ),
    Mutation(
        "import: only before the start",
        "a_contact_is_added_once_to_a_campaign",
        replaced=(
            (
                "sendonce.add_recipients",
                "if _campaign.status not in ('draft', 'scheduled') then",
                "if false then",
            ),
        ),
    ),
)


def _not_ours(guard: str, old: str, new: str, *, raises: bool = False) -> Mutation:
    return Mutation(
        f"report: {guard}",
        "a_report_that_is_not_ours_changes_nothing",
        replaced=((_READ, old, new),),
        raises=raises,
    )


_REPORTS: Final = (
    _not_ours("signed by the account's app", "when f.is_foreign_app then", "when false then"),
    _not_ours(
        "the reference names its campaign",
        "and coalesce(q.campaign_id, q.account_id) = p.part[1]::uuid",
        "",
    ),
    _not_ours(
        "the reference names an entry of the account",
        "and q.account_id = a.id\n                and coalesce",
        "and coalesce",
    ),
    _not_ours(
        "the reference names an attempt",
        "and p.part[3]::integer >= 1",
        "",
    ),
    _not_ours(
        "the message id is the reference's",
        "when f.named_entry_id is not null and f.wamid_entry_id is not null",
        "when false",
        raises=True,
    ),
    _not_ours(
        "an attempt has one message id",
        "when f.named_entry_id is not null and exists (",
        "when false and exists (",
    ),
    _not_ours(
        "a reference that leads nowhere is refused",
        "when f.part is not null and f.named_entry_id is null",
        "when false",
    ),
    _not_ours(
        "a status that says nothing moves nothing",
        "when not f.proves_acceptance then",
        "when false then",
    ),
    Mutation(
        "report: never lowers what was reported",
        "a_report_never_lowers_the_delivery_status",
        replaced=(
            (
                _APPLY,
                "delivery_status = greatest(q.delivery_status, p.delivery_status)",
                "delivery_status = p.delivery_status",
            ),
            (
                _APPLY,
                "or p.delivery_status > q.delivery_status",
                "or p.delivery_status is distinct from q.delivery_status",
            ),
        ),
        raises=True,
    ),
    Mutation(
        "report: a repetition undoes nothing",
        "a_repeated_report_has_no_second_effect",
        replaced=(
            (
                _APPLY,
                "and not exists (select from public.send_queue q where q.id = r.entry_id and "
                "q.delivery_error_code = r.code)",
                "",
            ),
        ),
    ),
    Mutation(
        "report: on disk before the provider's 200",
        "dispatch_and_reports_are_on_disk_when_they_return",
        replaced=(
            (
                "sendonce.ingest_delivery_reports",
                "perform set_config('synchronous_commit', 'on', true);\n    return",
                "return",
            ),
        ),
    ),
)

_ACCESS: Final = (
    *(
        Mutation(
            f"row level security of {table}: members see their organization",
            "a_tenant_sees_and_touches_only_its_own",
            (f"alter policy members_see_their_organization on public.{table} using (true);",),
        )
        for table in (
            "organizations",
            "organization_members",
            "limit_groups",
            "provider_accounts",
            "templates",
            "campaigns",
            "send_queue",
            "claims",
            "messages",
            "suppressions",
            "discrepancies",
            "campaign_events",
        )
    ),
    Mutation(
        "row level security of rates: own and shared",
        "a_tenant_sees_and_touches_only_its_own",
        ("alter policy members_see_shared_and_own_rates on public.rates using (true);",),
    ),
    Mutation(
        "row level security is on",
        "nobody_but_the_owner_writes_tables",
        ("alter table public.send_queue disable row level security;",),
    ),
    Mutation(
        "a tenant's functions look at the caller's role",
        "a_tenant_sees_and_touches_only_its_own",
        replaced=(
            (
                "sendonce.require_role",
                "if sendonce.caller_is_operator_of_all() then",
                "if true then",
            ),
        ),
    ),
    Mutation(
        "a role is high enough, or refused",
        "a_tenant_sees_and_touches_only_its_own",
        replaced=(("sendonce.require_role", "and m.role >= _minimum", ""),),
    ),
    Mutation(
        "nobody executes the increments",
        "nobody_may_execute_the_increment_functions",
        (
            "grant execute on function public.increment_campaign_sent(uuid, integer) "
            "to authenticated;",
        ),
    ),
    Mutation(
        "the list of the worker",
        "each_role_may_execute_exactly_its_list",
        ("grant execute on function public.resume_account(uuid) to sendonce_worker;",),
    ),
    Mutation(
        "the list of the dashboard",
        "each_role_may_execute_exactly_its_list",
        ("grant execute on function public.claim_messages(text, uuid, integer) to authenticated;",),
    ),
    Mutation(
        "PUBLIC executes nothing",
        "each_role_may_execute_exactly_its_list",
        ("grant execute on function sendonce.write_attempts(sendonce.attempt[]) to public;",),
    ),
    Mutation(
        "anon does nothing",
        "anon_can_do_nothing",
        (
            "grant usage on schema public to anon;",
            "grant execute on function public.schema_version() to anon;",
        ),
    ),
    Mutation(
        "nobody but the owner writes",
        "nobody_but_the_owner_writes_tables",
        ("grant update on public.send_queue to authenticated;",),
    ),
    Mutation(
        "the worker reads no table",
        "the_worker_role_does_its_work_and_nothing_else",
        ("grant select on public.messages to sendonce_worker;",),
    ),
)

_LISTS: Final = (
    Mutation(
        "a dry run adds nobody",
        "a_dry_run_adds_nothing_and_says_the_same",
        replaced=(("sendonce.add_recipients", "where not _dry_run\n", "\n"),),
    ),
    Mutation(
        "a dry run says what adding would say",
        "a_dry_run_adds_nothing_and_says_the_same",
        replaced=(
            (
                "sendonce.add_recipients",
                "and not exists (select from public.send_queue q",
                "and true or not exists (select from public.send_queue q",
            ),
        ),
    ),
    Mutation(
        "a dry run costs nothing",
        "a_dry_run_adds_nothing_and_says_the_same",
        replaced=(
            ("sendonce.add_recipients", "if _cost > 0 and not _dry_run then", "if _cost > 0 then"),
        ),
    ),
    Mutation(
        "a recipient is an E.164 number",
        "a_contact_is_added_once_to_a_campaign",
        replaced=(("sendonce.recipient_problem", "{6,14}", "{6,15}"),),
        raises=True,
    ),
    Mutation(
        "a list of suppressions never withholds less than before",
        "a_list_of_suppressions_never_withholds_less_than_before",
        replaced=(
            (
                "sendonce.suppress_recipients",
                "where public.suppressions.scope = 'marketing' and excluded.scope = 'all'",
                "",
            ),
        ),
    ),
    Mutation(
        "a suppression is an operator's",
        "a_list_of_suppressions_never_withholds_less_than_before",
        replaced=(
            (
                "sendonce.check_suppression",
                "perform sendonce.require_role(_organization_id, 'operator');",
                "",
            ),
        ),
    ),
    Mutation(
        "a suppression has a scope",
        "a_list_of_suppressions_never_withholds_less_than_before",
        replaced=(
            (
                "sendonce.check_suppression",
                "if _scope is null or _scope not in ('marketing', 'all') then",
                "if false then",
            ),
        ),
        raises=True,
    ),
    Mutation(
        "a suppression has a reason",
        "a_list_of_suppressions_never_withholds_less_than_before",
        replaced=(
            (
                "sendonce.check_suppression",
                "if coalesce(btrim(_reason), '') = '' then",
                "if false then",
            ),
        ),
    ),
    Mutation(
        "a daily cap needs a group",
        "an_account_is_put_into_a_limit_group_and_taken_out",
        replaced=(
            (
                "sendonce.upsert_account",
                "if _options ? 'daily_recipients' and _group_name is null then",
                "if false then",
            ),
        ),
    ),
)

_BAD_DAYS: Final = (
    _without_trigger(
        "campaigns",
        "pause_at_failure_rate",
        "a_campaign_pauses_itself_when_too_many_messages_fail",
        "a campaign whose messages fail pauses itself",
    ),
    _without_trigger(
        "campaigns",
        "log_pause",
        "a_campaign_pauses_itself_when_too_many_messages_fail",
        "a pause is logged",
    ),
    Mutation(
        "failures before a resume are forgiven",
        "a_campaign_pauses_itself_when_too_many_messages_fail",
        replaced=(
            (
                "sendonce.resume_campaign",
                "perform sendonce.forgive_failures(_campaign_id);",
                "",
            ),
        ),
    ),
    Mutation(
        "failures that are retried are forgiven",
        "a_campaign_pauses_itself_when_too_many_messages_fail",
        replaced=(
            (
                "sendonce.retry_failed",
                "perform sendonce.forgive_failures(_campaign_id);",
                "",
            ),
        ),
    ),
    Mutation(
        "one cut of the rate for what was on its way together",
        "a_throttled_account_halves_its_rate_and_climbs_back",
        replaced=(
            (
                "sendonce.apply_account_effects",
                "_account.rate_cut_at <= _now - _one_cut_in",
                "true",
            ),
        ),
    ),
    Mutation(
        "passing faults in a row rest the account",
        "passing_faults_in_a_row_rest_the_account",
        replaced=(
            (_RECORD, "or coalesce(c.rests_account, false) as tells_nothing", "as tells_nothing"),
        ),
    ),
    Mutation(
        "a class has its own limit of tries",
        "passing_faults_in_a_row_rest_the_account",
        replaced=((_RECORD, "l.tries + 1 >= c.most_tries", "l.tries + 1 >= 3"),),
    ),
    Mutation(
        "one claim in ten knows no priority",
        "a_campaign_of_low_priority_gets_a_turn_now_and_then",
        replaced=((_CLAIM, "random() < 0.9", "true"),),
    ),
    Mutation(
        "a full group's campaign hands out nobody new",
        "a_full_limit_group_writes_on_to_those_it_wrote_to_already",
        replaced=((_CLAIM, "if _group_is_full then", "if false then"),),
    ),
    Mutation(
        "a full group's single messages to strangers wait",
        "a_full_limit_group_writes_on_to_those_it_wrote_to_already",
        replaced=(
            (
                _CLAIM,
                "and t.status = 'APPROVED' and t.stopped_at is null\n            and (\n"
                "                not _group_is_full",
                "and t.status = 'APPROVED' and t.stopped_at is null\n            and (\n"
                "                true",
            ),
        ),
    ),
    Mutation(
        "a full group's campaign looks again for whom it wrote to since",
        "a_full_limit_group_writes_on_to_those_it_wrote_to_already",
        replaced=(
            (
                _CLAIM,
                "and r.last_dispatched_at > coalesce(_source.group_searched_at, _day_ago)",
                "and _source.group_searched_at is null",
            ),
        ),
    ),
    Mutation(
        "the cursor passes over an entry that went ahead of it and is to wait",
        "a_full_limit_group_writes_on_to_those_it_wrote_to_already",
        replaced=(
            (_CLAIM, "array_agg(fresh.id) filter (where not fresh.waits)", "array_agg(fresh.id)"),
        ),
    ),
    Mutation(
        "only the operator of all edits the codes",
        "the_operator_says_what_a_code_means",
        replaced=(
            (
                "sendonce.set_provider_error",
                "perform sendonce.require_role(null, 'admin');",
                "",
            ),
        ),
    ),
    Mutation(
        "the next opening is looked for around a change of the clocks",
        "sending_hours_follow_the_local_clock",
        replaced=(
            (
                "sendonce.next_window_opening",
                "select min(quarter.at)",
                "select max(null::timestamptz)",
            ),
        ),
    ),
)

_PRICE: Final = "sendonce.price_recipients"
_SWEEP: Final = "sendonce.sweep_reports"
_PRICE_FILE: Final = "cost_takes_the_rate_of_the_claim_for_category_country_and_currency"
_WEEK_FILE: Final = "reports_of_unknown_messages_wait_seven_days_and_are_then_listed"
_PRICES_AND_SWEEPS: Final = (
    *(
        Mutation(f"price: {what}", _PRICE_FILE, replaced=((_PRICE, old, new),))
        for what, old, new in (
            ("from its date on", " and c.valid_from <= g.at", ""),
            (
                "an own row first",
                "c.organization_id is null, length(c.prefix) desc",
                "length(c.prefix) desc",
            ),
            ("the longest beginning", "length(c.prefix) desc, ", ""),
            ("the newest row", "c.valid_from desc", "c.valid_from"),
            ("of its currency", "and r.currency = _currency", ""),
            ("of its category", "and r.category = _category", ""),
            ("of its provider", "r.provider = _provider", "true"),
            (
                "nobody else's",
                "(r.organization_id is null or r.organization_id = _organization_id)",
                "true",
            ),
        )
    ),
    Mutation(
        "price: at the claim, told by a report",
        _PRICE_FILE,
        replaced=((_APPLY, "coalesce(k.claimed_at, t.sent_at)", "t.sent_at"),),
    ),
    Mutation(
        "price: at the claim, told by the end of the lease",
        _PRICE_FILE,
        replaced=((_EXPIRE, "k.worker, k.claimed_at,", "k.worker, _now as claimed_at,"),),
    ),
    Mutation(
        "price: read is delivered too",
        "cost_is_charged_once_in_any_order_of_reports",
        replaced=(
            (
                _APPLY,
                "filter (where r.delivery_status >= 'delivered') as delivered_at,",
                "filter (where r.delivery_status = 'delivered') as delivered_at,",
            ),
        ),
    ),
    Mutation(
        "sweep: seven days, not less",
        _WEEK_FILE,
        replaced=((_SWEEP, "interval '7 days'", "interval '6 days 23 hours 30 minutes'"),),
    ),
    Mutation(
        "sweep: seven days, not more",
        _WEEK_FILE,
        replaced=((_SWEEP, "interval '7 days'", "interval '7 days 3 hours'"),),
    ),
    Mutation(
        "sweep: looks at least every six hours",
        _WEEK_FILE,
        replaced=((_SWEEP, "interval '6 hours'", "interval '12 hours'"),),
    ),
    Mutation("sweep: keeps the code", _WEEK_FILE, replaced=((_SWEEP, "'code', d.code,", ""),)),
    Mutation(
        "report: a refused one pauses nobody",
        "reports_that_contradict_are_listed_with_kind_and_detail",
        replaced=(
            (
                _APPLY,
                "where r.disposition = 'applied' and r.delivery_status = 'undelivered' and (c.",
                "where (c.",
            ),
        ),
    ),
    Mutation(
        "report: a message id is of its account",
        "reports_of_several_organizations_in_one_post_stay_apart",
        replaced=(
            (
                _READ,
                "where q.account_id = a.id and q.provider_message_id = p.provider_message_id",
                "where q.provider_message_id = p.provider_message_id",
            ),
        ),
    ),
)


def mutations() -> Iterator[Mutation]:
    """Yield every guard's mutation."""
    yield from _INDEXES
    yield from _TRIGGERS
    yield from _INSIDE_THE_TRIGGERS
    yield from _CHECKS
    yield from _CLAIM_CONDITIONS
    yield from _DISPATCH_CONDITIONS
    yield from _RESULTS
    yield from _LEASES
    yield from _REPORTS
    yield from _ACCESS
    yield from _LISTS
    yield from _BAD_DAYS
    yield from _PRICES_AND_SWEEPS
