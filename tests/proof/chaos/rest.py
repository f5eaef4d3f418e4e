"""Ends the faults and waits, with patience, until nothing moves any more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from psycopg.rows import class_row

from proof.chaos.people import Person
from proof.chaos.settings import LEASE, REQUEST_TIMEOUT
from proof.chaos.stack import Stack
from proof.chaos.timeline import Timeline

#: Seconds without any change after which the rest is left to the audit.
_PATIENCE: Final = 90.0
#: Seconds for which the provider's everyday faults go on while what is left is sent.
_EVERYDAY_FAULTS: Final = 60.0
#: Seconds after which no request of the time of the faults can be under way any more.
_LAST_REQUESTS: Final = LEASE + 2 * REQUEST_TIMEOUT

_STATE: Final = """
    select
        (select count(*) from public.send_queue where status in ('ready', 'processing')) as moving,
        (
            select count(*) from public.send_queue q
            join public.provider_accounts a on a.id = q.account_id
            where q.status = 'unknown' and a.on_unknown = 'fail'
        ) as unknown,
        (
            select count(*) from public.send_queue q
            join public.provider_accounts a on a.id = q.account_id
            where q.status = 'unknown' and a.on_unknown = 'hold'
        ) as held,
        (select count(*) from public.claims) as claims,
        (
            select count(*) from public.campaigns where status in ('draft', 'scheduled')
        ) as not_started,
        (
            select count(*) from sendonce.report_log l
            where l.disposition = 'waiting' and exists (
                select from public.send_queue q
                where q.account_id = l.account_id
                    and q.provider_message_id = l.provider_message_id
            )
        ) as waiting
"""


@dataclass(frozen=True)
class State:
    """What is not over yet."""

    moving: int
    unknown: int
    held: int
    claims: int
    not_started: int
    waiting: int

    @property
    def is_over(self) -> bool:
        """Whether nothing moves but by a person's decision."""
        return self.moving + self.unknown + self.claims + self.not_started + self.waiting == 0


def bring_to_rest(
    stack: Stack, people: Sequence[Person], timeline: Timeline, watch: Callable[[], None]
) -> State:
    """Wait until all is settled, decide what is held; what is left at the end.

    What the provider does wrong every day ends when all is sent, all other faults have ended.
    """
    control = stack.simulator.control
    control.end_outage()
    began = time.monotonic()
    calm_since: float | None = None
    for person in people:
        person.let_everything_go_on()
    with stack.connect() as connection:
        # Reports whose message was not known are looked at again after as long as they have
        # waited already. Nobody wants to wait for that here.
        connection.execute(
            "update sendonce.report_log set look_at = sendonce.now() where disposition = 'waiting'"
        )
        decided = False
        last: object = None
        changed_at = time.monotonic()
        while True:
            watch()
            flushed = control.flush_reports(2)
            with connection.cursor(row_factory=class_row(State)) as cursor:
                state = cursor.execute(_STATE).fetchone()
            assert state is not None
            if calm_since is None and (
                state.moving == 0 or time.monotonic() - began > _EVERYDAY_FAULTS
            ):
                control.set_faults(profile="instant")
                calm_since = time.monotonic()
                timeline.write("calm")
                continue
            over = calm_since is not None and flushed and state.is_over
            if over and not decided and time.monotonic() - (calm_since or 0) > _LAST_REQUESTS:
                decided = True
                _decide(stack, people, connection)
                continue
            if over and decided:
                break
            now = time.monotonic()
            if (state, flushed) != last:
                last, changed_at = (state, flushed), now
            elif now - changed_at > _PATIENCE:
                timeline.write("no rest", flushed=flushed, **asdict(state))
                break
            elif now - changed_at > 3:
                # The provider may have stopped an account or a template with its last words.
                for person in people:
                    person.let_everything_go_on()
            time.sleep(0.2)
    timeline.write("rest", **asdict(state))
    return state


def _decide(stack: Stack, people: Sequence[Person], connection: Any) -> None:
    """What a person does about held entries: looks for them in the provider's books.

    Whoever is not there is sent to once more, or given up; whoever is there, and was never
    reported, is given up and listed. A third is left as it is.
    """
    accepted = {
        int(line["reference"].split(":")[2])
        for line in stack.simulator.control.ledger(outcome="accepted")
    }
    rows = connection.execute(
        "select id, organization_id::text from public.send_queue where status = 'unknown'"
        " order by id"
    ).fetchall()
    by_organization = {person.organization: person for person in people}
    for place, (entry, organization) in enumerate(rows):
        if place % 3 == 2:
            continue
        decision = "retry" if entry not in accepted and place % 3 == 0 else "fail"
        by_organization[organization].decide(entry, decision)
