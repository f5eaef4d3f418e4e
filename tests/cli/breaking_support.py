"""An import that somebody watches from the database, to break it where they like."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cli.command import PATIENCE, Answer, command, environment
from cli.import_support import Draft

ROWS = 4_000
#: Rows in one call: several calls, so that there is a middle.
CHUNK = 200


def number(place: int) -> str:
    """The number of one contact of the list."""
    return f"+999{place:09d}"


def written(file: Path, places: range) -> Path:
    """A list of these contacts, in an order of its own."""
    lines = [f"{number(place)},Contact {place}" for place in places]
    file.write_text("\n".join(["phone,name", *lines, ""]))
    return file


class Running:
    """An import under way."""

    def __init__(self, draft: Draft, file: Path | str, *flags: str, url: str | None = None) -> None:
        self._draft = draft
        self.process = subprocess.Popen(
            command("import", str(file), "--campaign", draft.campaign, *FLAGS, *flags),
            env=environment(url or draft.database.url),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Return when the condition holds, while the import still runs."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.002)

    def wait_until_added(self, contacts: int) -> None:
        """Return when so many contacts are there."""
        self.wait_until(lambda: total(self._draft) >= contacts)

    def answer(self) -> Answer:
        """Wait for its end."""
        stdout, stderr = self.process.communicate(timeout=PATIENCE)
        return Answer(self.process.returncode, stdout.decode(), stderr.decode())

    def interrupted(self) -> Answer:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        return self.answer()


FLAGS = ("--numbers", "form", "--chunk", str(CHUNK))


@contextmanager
def running(
    draft: Draft, file: Path | str, *flags: str, url: str | None = None
) -> Iterator[Running]:
    """An import, which does not outlive the test."""
    found = Running(draft, file, *flags, url=url)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.process.kill()
            found.process.communicate()


def total(draft: Draft) -> int:
    """What the campaign counts."""
    counted = draft.value(
        "select total_contacts from public.campaigns where id = %s", draft.campaign
    )
    assert isinstance(counted, int)
    return counted


def slow_down(draft: Draft, seconds: float) -> None:
    """Let the database take so long for each new entry."""
    draft.connection.execute(
        "create function public.take_long() returns trigger language plpgsql as"
        f" $$ begin perform pg_sleep({seconds}); return new; end; $$"
    )
    draft.connection.execute(
        "create trigger take_long before insert on public.send_queue"
        " for each row execute function public.take_long()"
    )


def assert_each_is_there_once(draft: Draft, places: range) -> None:
    """The campaign is exactly what one unbroken import of these contacts makes."""
    entries = draft.entries()
    assert entries == {number(place): {"name": f"Contact {place}"} for place in places}
    assert draft.value("select count(*) from public.send_queue") == len(places)
    assert total(draft) == len(places)
    # 5 cents each.
    assert draft.value("select estimated_cost * 100 from public.campaigns") == 5 * len(places)
    assert draft.value("select count(*) from public.verify_invariants()") == 0
