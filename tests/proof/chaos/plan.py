"""What goes wrong when, drawn from the seed alone: nothing here looks at clock or system."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from proof.chaos.settings import LEASE, WEBHOOKS, WORKERS

Dice = random.Random
#: Names of the ways through the network, by who uses them for what.
LINKS: Final = ("database", "intake", "provider", "reports")


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong."""

    number: int
    #: Seconds since the start.
    at: float
    kind: str
    #: What it happens to; nothing happens to the same target before the last fault there is over.
    target: str
    #: How long it lasts, in seconds.
    seconds: float
    details: Mapping[str, Any] = field(default_factory=dict)


#: A kind's weight and the draw of its target, its seconds and its details.
_Draw = Callable[[Dice], tuple[str, float, dict[str, Any]]]


def _worker(dice: Dice) -> str:
    return f"worker {dice.randrange(WORKERS)}"


def _webhook(dice: Dice) -> str:
    return f"webhook {dice.randrange(WEBHOOKS)}"


def _killed(dice: Dice) -> tuple[str, float, dict[str, Any]]:
    return _worker(dice), dice.uniform(0.05, 1.0), {"new_name": dice.random() < 0.5}


def _stopped(dice: Dice) -> tuple[str, float, dict[str, Any]]:
    past_the_lease = dice.random() < 0.7
    seconds = dice.uniform(LEASE + 0.3, LEASE + 3) if past_the_lease else dice.uniform(0.2, 2.0)
    return _worker(dice), seconds, {"past_the_lease": past_the_lease}


def _link(dice: Dice, shortest: float, longest: float) -> tuple[str, float, dict[str, Any]]:
    return f"link {dice.choice(LINKS)}", dice.uniform(shortest, longest), {}


def _replies_lost(dice: Dice) -> tuple[str, float, dict[str, Any]]:
    return f"link {dice.choice(LINKS)}", 2.0, {"count": dice.randint(1, 12)}


def _outage(dice: Dice) -> tuple[str, float, dict[str, Any]]:
    mode = dice.choice(("unavailable", "provider_error", "cut", "silence"))
    return "outage", dice.uniform(0.5, 2.5), {"mode": mode}


#: Replies that go wrong for a while, many at a time. One is drawn.
_REPLIES: Final[tuple[dict[str, Any], ...]] = (
    {"cut_after_acceptance": 0.25, "truncated_reply": 0.1},
    {"cut_after_body": 0.15, "cut_before_body": 0.15, "cut_after_acceptance": 0.15},
    {"silence_after_acceptance": 0.1, "silence_before_acceptance": 0.1},
    {"server_error": 0.1, "server_error_after_acceptance": 0.1},
    {"provider_server_error": 0.1, "provider_server_error_after_acceptance": 0.1},
    {"garbage": 0.1, "garbage_after_acceptance": 0.1, "plain_429": 0.1},
    {"errors": {131016: 0.1, 131049: 0.05, 131056: 0.1, 130429: 0.05}},
    {"errors": {131026: 0.1, 135000: 0.1, 131050: 0.05, 131047: 0.05, 999999: 0.05}},
    {"errors": {131000: 0.1, 131016: 0.2}},
)

#: Reports that go wrong for a while.
_REPORTS: Final[tuple[dict[str, Any], ...]] = (
    {"report_lost": 0.4},
    {"report_duplicated": 0.8, "report_copies": 4},
    {"report_reordered": 0.8},
    {"report_late": 0.8, "report_late_seconds": 5.0},
    {"report_early": 0.5},
    {"reference_missing": 0.8},
    {"report_errors": {131026: 0.2, 131049: 0.1, 131050: 0.02}, "delivered_after_failed": 0.5},
)


def _draw(target: str, choices: tuple[dict[str, Any], ...]) -> _Draw:
    return lambda dice: (target, dice.uniform(1.0, 3.0), {"faults": dict(dice.choice(choices))})


_KINDS: Final[Mapping[str, tuple[int, _Draw]]] = {
    "worker killed": (10, _killed),
    "worker stopped": (7, _stopped),
    "worker stopped, then killed": (3, _stopped),
    "worker asked to end": (5, _killed),
    "server crashed": (4, lambda dice: ("server", dice.uniform(0.1, 1.5), {})),
    "server restarted": (3, lambda dice: ("server", dice.uniform(0.1, 0.8), {})),
    "server process killed": (3, lambda dice: ("server", 0.5, {"which": dice.random()})),
    "connections terminated": (6, lambda dice: ("server", 0.0, {"share": dice.uniform(0.1, 1)})),
    "webhook killed": (4, lambda dice: (_webhook(dice), dice.uniform(0.1, 1.5), {})),
    "webhook asked to end": (2, lambda dice: (_webhook(dice), dice.uniform(0.1, 1.0), {})),
    "webhook stopped": (3, lambda dice: (_webhook(dice), dice.uniform(0.5, 4.0), {})),
    "network cut": (8, lambda dice: _link(dice, 0.0, 0.0)),
    "network refuses": (5, lambda dice: _link(dice, 0.3, 2.0)),
    "network stalls": (5, lambda dice: _link(dice, 0.3, LEASE + 1)),
    "network swallows": (4, lambda dice: _link(dice, 0.3, 2.5)),
    "network loses replies": (9, _replies_lost),
    "provider away": (4, _outage),
    "provider slow": (
        3,
        lambda dice: (
            "latency",
            dice.uniform(1, 4),
            {"faults": {"latency_mean": dice.uniform(0.3, 1.6), "latency_jitter": 0.5}},
        ),
    ),
    "provider throttles": (
        3,
        lambda dice: (
            "throttle",
            dice.uniform(1, 4),
            {"faults": {"throttle_rate": 5, "throttle_status": dice.choice((400, 429))}},
        ),
    ),
    "provider stops an account": (
        2,
        lambda dice: ("next", 0.0, {"outcome": dice.choice((131031, 131042, 190))}),
    ),
    "provider stops a template": (
        2,
        lambda dice: ("next", 0.0, {"outcome": dice.choice((132015, 132001))}),
    ),
    "replies go wrong": (8, _draw("replies", _REPLIES)),
    "reports go wrong": (6, _draw("reports", _REPORTS)),
    "reports held back": (
        3,
        lambda dice: ("held reports", dice.uniform(1, 6), {"faults": {"reports_held": True}}),
    ),
    "reports told again": (3, lambda dice: ("told again", 0.0, {"which": dice.random()})),
}

KINDS: Final = tuple(_KINDS)


def draw_faults(seed: int, seconds: float, gap: float) -> Iterator[Fault]:
    """The faults of a run in the order of their time; `gap` is the mean time between two."""
    dice = Dice(f"faults:{seed}")
    weights = [weight for weight, _ in _KINDS.values()]
    free_at: dict[str, float] = {}
    at = 0.5
    number = 0
    # Each kind once to begin with, in an order that is drawn, so that a short run knows them all.
    first = dice.sample(KINDS, len(KINDS))
    while at < seconds:
        kind = first.pop() if first else dice.choices(KINDS, weights)[0]
        target, lasts, details = _KINDS[kind][1](dice)
        if free_at.get(target, 0.0) <= at:
            number += 1
            yield Fault(number, round(at, 3), kind, target, round(lasts, 3), details)
            free_at[target] = at + lasts + 0.5
        at += min(dice.expovariate(1 / gap), 4 * gap)
