"""The audit of a chaotic run finds what it is there to find, and nothing where nothing is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from proof.chaos.audit import audit
from proof.chaos.evidence import Attempt, Campaign, Entry, Evidence, LoggedReport, Request
from proof.chaos.people import Memory, Order
from proof.chaos.plan import KINDS, draw_faults
from proof.chaos.settings import PRICES
from sendonce.local.demo.evidence import ProviderReport, ProviderRequest

CAMPAIGN = "c0000000-0000-4000-8000-000000000001"
COPY = "c0000000-0000-4000-8000-000000000002"
ORGANIZATION = "00000000-0000-4000-8000-000000000001"
ACCOUNT = "a0000000-0000-4000-8000-000000000001"
SENDER = "106500000000001"
PRICE = PRICES[0]
WHO = f"{PRICE.prefix}0000001"


def entry(number: int = 1, **changes: Any) -> Entry:
    """An entry that was sent and delivered, changed in some respects."""
    return replace(
        Entry(
            entry_id=number,
            organization_id=ORGANIZATION,
            account_id=ACCOUNT,
            sender=SENDER,
            on_unknown="fail",
            campaign_id=CAMPAIGN,
            recipient=WHO,
            status="sent",
            attempt=1,
            message_id="wamid.1",
            delivery_status="delivered",
            error_class=None,
            error_code=None,
        ),
        **changes,
    )


def attempt(number: int = 1, **changes: Any) -> Attempt:
    """The attempt of such an entry."""
    return replace(
        Attempt(
            entry_id=number,
            attempt=1,
            outcome="accepted",
            message_id="wamid.1",
            is_second_acceptance=False,
            error_code=None,
            claimed_at=1000.0,
            cost=PRICE.rate,
        ),
        **changes,
    )


def request(number: int = 1, *, owner: str = CAMPAIGN, **changes: Any) -> Request:
    """The request for such an entry, accepted and reported."""
    told = tuple(ProviderReport(status, 0, "acknowledged", 1) for status in ("sent", "delivered"))
    seen = ProviderRequest(WHO, 1, "accepted", message_id="wamid.1", reports=told)
    return Request(number, owner, SENDER, replace(seen, **changes))


def logged(*statuses: str, **changes: Any) -> list[LoggedReport]:
    """What the log has of such reports."""
    report = LoggedReport(1, 1, "wamid.1", "", "so1:…", "applied")
    return [replace(report, status=status, **changes) for status in statuses]


def campaign(**changes: Any) -> Campaign:
    """A campaign of one contact."""
    return replace(
        Campaign(CAMPAIGN, ORGANIZATION, "completed", None, "none", 1, PRICE.rate), **changes
    )


def evidence(**changes: Any) -> Evidence:
    """A run of one message in which all went well, changed in some respects."""
    return replace(
        Evidence(
            requests=[request()],
            entries=[entry()],
            attempts=[attempt()],
            reports=logged("sent", "delivered"),
            campaigns=[campaign()],
            memories=[Memory(imported={CAMPAIGN: {WHO}}, singles={"order": 1})],
        ),
        **changes,
    )


#: What nobody could know: the request went out, and neither reply nor report came back.
_NOT_REPORTED: dict[str, Any] = {
    "requests": [request(reports=(), fault="cut_after_acceptance")],
    "reports": [],
    "attempts": [attempt(outcome="unknown", message_id=None, cost=Decimal(0), was_unknown=True)],
    "campaigns": [campaign(actual_cost=Decimal(0))],
}
_DOUBTFUL = entry(
    status="failed", error_class="outcome_unknown", message_id=None, delivery_status=None
)
_HELD = replace(_DOUBTFUL, status="unknown", error_class="ambiguous", on_unknown="hold")
_SKIPPED = entry(
    status="skipped", error_class="suppressed", message_id=None, delivery_status=None, attempt=0
)
_NOTHING: dict[str, Any] = {"requests": [], "attempts": [], "reports": []}
_FREE: dict[str, Any] = {"campaigns": [campaign(actual_cost=Decimal(0))]}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        _NOT_REPORTED | {"entries": [_DOUBTFUL], "listed_failed": {CAMPAIGN: 1}},
        _NOT_REPORTED | {"entries": [_HELD], "listed_unknown": frozenset({1})},
        _NOTHING | _FREE | {"entries": [_SKIPPED]},
        # Its reports named nothing that is known here: they wait.
        _NOT_REPORTED
        | {
            "requests": [request()],
            "entries": [_DOUBTFUL],
            "listed_failed": {CAMPAIGN: 1},
            "reports": logged("sent", "delivered", reference=None, disposition="waiting"),
        },
        # The worker could say only after the window that it had not begun.
        _NOT_REPORTED
        | {
            "requests": [],
            "entries": [_DOUBTFUL],
            "attempts": [attempt(outcome="not_sent", message_id=None, cost=Decimal(0))],
            "listed_failed": {CAMPAIGN: 1},
        },
        # In an outage the provider does not read whose request it refuses.
        _NOTHING
        | _FREE
        | {
            "entries": [replace(_DOUBTFUL, error_class="transient", error_code="131016")],
            "requests": [
                Request(None, "", SENDER, ProviderRequest(None, None, "not_accepted", "outage"))
            ],
        },
        # A POST whose answer was lost may have arrived.
        {
            "requests": [
                request(reports=(ProviderReport("delivered", 0, "given_up", 3),)),
            ],
            "reports": logged("delivered", "delivered"),
        },
    ],
)
def test_a_run_without_fault_has_no_findings(changes: dict[str, Any]) -> None:
    result = audit(evidence(**changes))
    assert result.findings == []
    assert result.verdict == "chaos: 1 messages, 0 twice, 0 lost, 0 drift"


@pytest.mark.parametrize(
    ("kind", "words", "changes"),
    [
        (
            "twice",
            "accepted 2 times, in the attempts [1, 2]",
            {"requests": [request(), request(attempt=2, message_id="wamid.2", reports=())]},
        ),
        (
            "twice",
            "as one of its unsent",
            {
                "requests": [request(), request(2, owner=COPY, message_id="wamid.2", reports=())],
                "entries": [
                    entry(),
                    entry(2, campaign_id=COPY, message_id="wamid.2", delivery_status=None),
                ],
                "campaigns": [
                    campaign(),
                    campaign(
                        campaign_id=COPY,
                        cloned_from=CAMPAIGN,
                        copied="unsent",
                        actual_cost=Decimal(0),
                    ),
                ],
            },
        ),
        (
            "lost",
            "not settled",
            _NOTHING | _FREE | {"entries": [replace(_SKIPPED, status="ready", error_class=None)]},
        ),
        (
            "lost",
            "not settled",
            _NOT_REPORTED | {"entries": [replace(_HELD, status="processing")]},
        ),
        ("lost", "neither final nor listed", _NOT_REPORTED | {"entries": [_HELD]}),
        (
            "lost",
            "neither final nor listed",
            _NOT_REPORTED
            | {
                "entries": [replace(_HELD, on_unknown="fail")],
                "listed_unknown": frozenset({1}),
            },
        ),
        (
            "lost",
            "no attempt explains the doubt",
            _NOT_REPORTED
            | {"entries": [_DOUBTFUL], "listed_failed": {CAMPAIGN: 1}, "attempts": []},
        ),
        ("lost", "it was accepted", {"entries": [_SKIPPED]}),
        (
            "lost",
            "accepted and reported",
            {"entries": [_DOUBTFUL], "listed_failed": {CAMPAIGN: 1}},
        ),
        ("lost", "no entry is its own", {"requests": [request(), request(7)]}),
        (
            "lost",
            "no entry is its own",
            {"requests": [request(), request(recipient="+99900000000")]},
        ),
        ("lost", "got their 200, 0 are in the log", {"reports": logged("sent")}),
        ("lost", "although more was reported", {"entries": [entry(delivery_status=None)]}),
        ("lost", "true reports were refused", {"reports": logged("sent", disposition="refused")}),
        (
            "lost",
            "is not there",
            {"memories": [Memory(imported={CAMPAIGN: {WHO, "+99910000002"}})]},
        ),
        ("lost", "entry 9 is not there", {"memories": [Memory(singles={"order": 9})]}),
        ("lost", "2 claims are open", {"open_claims": 2}),
        ("drift", "counters_equal_rows", {"violations": ["4 counters_equal_rows: 1, not 2"]}),
        ("drift", "its rows prove", {"differing": ["campaign c claims 1, its rows prove 2"]}),
        (
            "drift",
            "while it ran",
            {"memories": [Memory(violations=["while it ran"])]},
        ),
        ("drift", "counts 2 contacts", {"campaigns": [campaign(total_contacts=2)]}),
        ("drift", "its attempts cost", {"campaigns": [campaign(actual_cost=Decimal("9"))]}),
        (
            "drift",
            "owed is",
            {"attempts": [attempt(cost=Decimal(0))], **_FREE},
        ),
        (
            "drift",
            "an attempt that failed cost",
            {"attempts": [attempt(), attempt(attempt=2, outcome="rejected", cost=Decimal(0) + 1)]},
        ),
        (
            "drift",
            "1 ended as unknown, 0 are listed so",
            _NOT_REPORTED | {"entries": [_DOUBTFUL]},
        ),
        ("invented", "never accepted it", {"requests": [], "reports": []}),
        ("invented", "was given to another", {"entries": [entry(message_id="wamid.9")]}),
        ("invented", "although less was reported", {"entries": [entry(delivery_status="read")]}),
        (
            "invented",
            "3 reports of sent in the log, 1 were sent",
            {"reports": logged("sent", "sent", "sent", "delivered")},
        ),
        (
            "invented",
            "nothing at the provider explains it",
            _NOTHING
            | _FREE
            | {"entries": [replace(_DOUBTFUL, error_class="content", error_code="135000")]},
        ),
        (
            "invented",
            "a second acceptance that the provider knows nothing of",
            {
                "attempts": [
                    attempt(),
                    attempt(attempt=2, is_second_acceptance=True, message_id="wamid.2"),
                ]
            },
        ),
        (
            "disobeyed",
            "was paused",
            {"memories": [Memory(orders=[Order("paused", CAMPAIGN, 999.0, 1001.0)])]},
        ),
        (
            "disobeyed",
            "was suppressed",
            {"memories": [Memory(orders=[Order("suppressed", f"{ORGANIZATION} {WHO}", 999.0)])]},
        ),
        ("broken", "a traceback", {"programs": ["a traceback in worker-1.log"]}),
        ("broken", "deadlock", {"memories": [Memory(surprises=["[40P01] deadlock detected"])]}),
    ],
)
def test_each_thing_that_may_go_wrong_is_found(
    kind: str, words: str, changes: dict[str, Any]
) -> None:
    result = audit(evidence(**changes))
    found = [finding for finding in result.findings if finding.kind == kind]
    assert [finding for finding in found if words in finding.text], result.findings
    assert f"{len(found)} {kind}" in result.verdict


def test_an_order_holds_from_its_beginning_to_its_end() -> None:
    before = Order("paused", CAMPAIGN, 1000.5, 1001.0)
    after = Order("account paused", ACCOUNT, 900.0, 999.5)
    assert audit(evidence(memories=[Memory(orders=[before, after])])).findings == []


def test_the_same_seed_draws_the_same_faults() -> None:
    drawn = list(draw_faults(7, 600, 1.0))
    assert drawn == list(draw_faults(7, 600, 1.0))
    assert drawn != list(draw_faults(8, 600, 1.0))
    # What is drawn for a longer run begins as that for a shorter one does.
    short = list(draw_faults(7, 60, 1.0))
    assert drawn[: len(short)] == short


def test_a_run_of_some_minutes_knows_every_kind_of_fault() -> None:
    for seed in range(20):
        kinds = [fault.kind for fault in draw_faults(seed, 300, 1.0)]
        assert set(kinds) == set(KINDS)


def test_nothing_happens_to_a_target_before_the_last_fault_there_is_over() -> None:
    over: dict[str, float] = {}
    for fault in draw_faults(3, 600, 0.5):
        assert fault.at >= over.get(fault.target, 0.0)
        over[fault.target] = fault.at + fault.seconds
