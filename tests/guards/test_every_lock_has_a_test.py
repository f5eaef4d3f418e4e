"""Take each lock away, and see the race go wrong that is named for it.

The races (tests/races) are functions of a world; here they are called with one whose schema lacks a
lock, a look taken after a wait, or what steps over a lock, and must not pass.
"""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Final

import psycopg
import pytest

from guards.mutation import Mutation
from races import (
    test_claims,
    test_decisions_and_limits,
    test_people_and_workers,
    test_results_and_reports,
)
from races.sessions import World
from support.database import create_database, drop_database
from support.postgres_source import PostgresSource

Race = Callable[[World], None]

_LOCK_CAMPAIGN: Final = "_campaign := sendonce.lock_campaign(_campaign_id);"
_LOOK_AT_CAMPAIGN: Final = (
    "select c.* into _campaign from public.campaigns c where c.id = _campaign_id;"
)
_DISPATCH: Final = "sendonce.begin_dispatch"
_RECORD: Final = "sendonce.record_results_once"
_CHOOSE: Final = "sendonce.claim_messages"

_numbers = count(1)


def _without(guard: str, race: Race, function: str, old: str, new: str = "") -> object:
    mutation = Mutation(guard, "", replaced=((function, old, new),))
    return pytest.param(mutation, race, id=guard)


LOCKS: Final = (
    _without(
        "an import locks its campaign",
        test_people_and_workers.test_a_chunk_waits_for_the_start_and_is_refused,
        "sendonce.add_recipients",
        _LOCK_CAMPAIGN,
        _LOOK_AT_CAMPAIGN,
    ),
    _without(
        "a start locks its campaign",
        test_decisions_and_limits.test_two_persons_start_one_campaign,
        "sendonce.start_campaign",
        _LOCK_CAMPAIGN,
        _LOOK_AT_CAMPAIGN,
    ),
    _without(
        "a claim locks its account",
        test_claims.test_two_claims_at_the_same_instant_share_no_entry,
        _CHOOSE,
        "where a.id = _candidate.id for no key update;",
        "where a.id = _candidate.id;",
    ),
    _without(
        "a claim steps over accounts in other hands",
        partial(
            test_claims.test_two_workers_looking_through_idle_accounts_do_not_deadlock, capped=False
        ),
        _CHOOSE,
        "where a.id = _candidate.id for no key update skip locked;",
        "where a.id = _candidate.id for no key update;",
    ),
    _without(
        "a claim steps over organizations in other hands",
        partial(
            test_claims.test_two_workers_looking_through_idle_accounts_do_not_deadlock, capped=True
        ),
        _CHOOSE,
        "where o.id = _candidate.organization_id for no key update skip locked;",
        "where o.id = _candidate.organization_id for no key update;",
    ),
    _without(
        "a dispatch locks its claim",
        test_claims.test_a_dispatch_waits_for_the_expiry_and_finds_its_claim_gone,
        _DISPATCH,
        "where k.id = _claim_id for no key update;",
        "where k.id = _claim_id;",
    ),
    _without(
        "the lease is judged after the wait",
        test_claims.test_a_dispatch_that_waited_past_its_lease_dispatches_nothing,
        _DISPATCH,
        "_now := sendonce.now();",
        "_now := transaction_timestamp();",
    ),
    _without(
        "the account is looked at after the wait",
        test_decisions_and_limits.test_a_dispatch_sees_the_pause_that_came_while_it_waited,
        _DISPATCH,
        "if _account.current_rate is null then",
        "if false then",
    ),
    _without(
        "a dispatch locks the limit group",
        test_decisions_and_limits.test_two_accounts_of_one_group_do_not_exceed_its_cap,
        _DISPATCH,
        "where g.id = _account.limit_group_id for no key update;",
        "where g.id = _account.limit_group_id;",
    ),
    _without(
        "a dispatch locks the account whose tokens it takes",
        test_decisions_and_limits.test_two_workers_of_one_account_share_its_tokens,
        _DISPATCH,
        "where a.id = _claim.account_id for no key update;",
        "where a.id = _claim.account_id;",
    ),
    _without(
        "a result locks its entries before it judges them",
        partial(
            test_results_and_reports.test_a_result_that_says_otherwise_does_not_undo_the_report,
            outcome="ambiguous",
        ),
        _RECORD,
        "for no key update of q",
    ),
    _without(
        "a result locks its campaigns in order",
        test_results_and_reports.test_second_acceptances_of_two_campaigns_do_not_deadlock,
        _RECORD,
        "if cardinality(_campaign_ids) > 1 then",
        "if false then",
    ),
    _without(
        "a batch of results whose message id was taken meanwhile is judged again",
        test_results_and_reports.test_one_message_id_in_two_results_at_the_same_instant,
        "sendonce.record_results",
        "when unique_violation then",
        "when division_by_zero then",
    ),
    _without(
        "a POST whose message id was taken meanwhile is judged again",
        test_results_and_reports.test_one_message_id_in_a_result_and_another_entrys_report,
        "sendonce.ingest_delivery_reports",
        "when unique_violation then",
        "when division_by_zero then",
    ),
    _without(
        "an expiry steps over claims in other hands",
        test_claims.test_an_expiry_steps_over_the_claim_that_is_being_recorded,
        "sendonce.expire_claims",
        "for no key update skip locked",
        "for no key update",
    ),
    _without(
        "a sweep locks the account whose cursor it moves",
        test_people_and_workers.test_a_claim_during_a_sweep_gets_nothing_that_is_cancelled,
        "sendonce.sweep_cancelled",
        "where a.id = _campaign.account_id for no key update;",
        "where a.id = _campaign.account_id;",
    ),
    _without(
        "a release locks its claim",
        test_claims.test_a_release_waits_for_the_result_and_leaves_no_claim_behind,
        "sendonce.release_claim",
        "where k.id = _claim_id for no key update;",
        "where k.id = _claim_id;",
    ),
)


@pytest.mark.parametrize(("mutation", "race"), LOCKS)
def test_the_named_race_goes_wrong_without_the_lock(
    postgres: PostgresSource,
    _template: str,  # noqa: PT019
    mutation: Mutation,
    race: Race,
) -> None:
    name = f"{_template}_lock_{next(_numbers)}"
    database = create_database(postgres.url, name, template=_template)
    try:
        # A wait that must not be shows sooner here: that it is there is what is expected.
        world = World(database, longest_wait="3s")
        try:
            for statement in mutation.script(world.owner):
                world.owner.execute(statement.encode())
            with pytest.raises((AssertionError, psycopg.Error, pytest.fail.Exception)):
                race(world)
        finally:
            world.close()
    finally:
        drop_database(postgres.url, name)
