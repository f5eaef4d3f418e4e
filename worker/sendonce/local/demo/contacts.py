"""Made-up people, the same ones for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from sendonce.local.demo.settings import PRICES, DemoSettings

_NAMES = (
    "Ada Ana Ben Chidi Dara Eva Femi Gita Hana Ines Jo Kofi Lea Mia Nils Omar Pia Quinn Rosa Sami "
    "Tess Uma Vera Wen Xenia Yara Zoe"
).split()

#: Entries around a kill whose answers the dying worker may not have heard: what is in flight
#: before it, what two batches hold and a second at full rate brings after it.
_IN_FLIGHT = 64
_IN_HAND = 200


@dataclass(frozen=True)
class Contact:
    """One person."""

    recipient: str
    name: str


@dataclass(frozen=True)
class Contacts:
    """All of them, in the order of their numbers, which is the order in which they are sent to."""

    everybody: tuple[Contact, ...]
    #: The provider refuses these, always.
    failing: frozenset[str]
    #: These have opted out before the campaign.
    opted_out: frozenset[str]


def make_contacts(settings: DemoSettings) -> Contacts:
    """Invent the contacts of a run."""
    dice = random.Random(settings.seed)  # noqa: S311 - guards nothing
    prefixes = tuple(PRICES)
    numbers: set[str] = set()
    while len(numbers) < settings.contacts:
        numbers.add(f"{dice.choice(prefixes)}{dice.randrange(10**8):08d}")
    ordered = sorted(numbers)
    failing = frozenset(_failing(ordered, settings, dice))
    others = [number for number in ordered if number not in failing]
    return Contacts(
        tuple(Contact(number, dice.choice(_NAMES)) for number in ordered),
        failing,
        frozenset(dice.sample(others, settings.opted_out)),
    )


def _failing(ordered: Sequence[str], settings: DemoSettings, dice: random.Random) -> list[str]:
    """Whom the provider refuses.

    A refusal that a killed worker did not live to record is an outcome nobody knows, and rightly
    so; for the demo to show all of them as refused, none stands where the worker is killed.
    """
    excluded: set[int] = set()
    for share in settings.kill_at:
        at = int(share * len(ordered))
        excluded.update(range(at - _IN_FLIGHT, at + _IN_FLIGHT + _IN_HAND + int(settings.rate)))
    possible = [place for place in range(len(ordered)) if place not in excluded]
    if len(possible) < settings.failing:
        possible = list(range(len(ordered)))
    return [ordered[place] for place in dice.sample(possible, settings.failing)]
