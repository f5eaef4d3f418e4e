"""A whole run, from the first process to the verdict."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from proof.chaos import leavings
from proof.chaos.audit import Audit, audit
from proof.chaos.evidence import read_evidence
from proof.chaos.faults import Injector
from proof.chaos.people import Person
from proof.chaos.plan import KINDS, draw_faults
from proof.chaos.rest import bring_to_rest
from proof.chaos.settings import ORGANIZATIONS, ChaosSettings
from proof.chaos.stack import Stack
from proof.chaos.timeline import Timeline
from proof.chaos.view import View
from sendonce.local.demo.processes import Processes, interruptible

_WIDTH_WITHOUT_TERMINAL = 160
_SHOWN = 40


def run_chaos(settings: ChaosSettings, directory: Path | None = None) -> int:
    """Run it. Returns 0, or 1 when something was found.

    Whatever it has to show lies in `directory`, by default a new one, which is removed when
    nothing was found and nobody asked for it. Raises RuntimeError where something could not be
    started.
    """
    console = Console(stderr=settings.as_json)
    if not console.is_terminal:
        console = Console(stderr=settings.as_json, width=_WIDTH_WITHOUT_TERMINAL)
    console.print(f"chaos: seed {settings.seed}", highlight=False)
    keep = settings.keep or directory is not None
    place = directory or Path(tempfile.mkdtemp(prefix=f"sendonce-chaos-{settings.seed}-"))
    place.mkdir(parents=True, exist_ok=True)
    leavings.write_settings(place, settings)
    try:
        with interruptible(), Processes() as processes:
            result = _Run(settings, console, processes, place).run()
    except BaseException:
        _tell_where(place, settings)
        raise
    if result.findings:
        _tell_where(place, settings)
    elif not keep:
        shutil.rmtree(place, ignore_errors=True)
    # The last line, whatever else was said.
    print(result.verdict, file=sys.stderr if settings.as_json else sys.stdout)
    return 1 if result.findings else 0


def _tell_where(place: Path, settings: ChaosSettings) -> None:
    print(
        f"chaos: timeline, ledger, rows and logs are in {place}\n"
        f"chaos: the same again: {leavings.replay_command(settings)}",
        file=sys.stderr,
    )


class _Run:
    def __init__(
        self, settings: ChaosSettings, console: Console, processes: Processes, place: Path
    ) -> None:
        self._settings = settings
        self._console = console
        self._processes = processes
        self._place = place
        self._timeline = Timeline(place / "timeline.jsonl")
        self._stack = Stack(settings, place)
        self._programs: list[str] = []
        self._people = [
            Person(number, self._stack, self._timeline, settings) for number in range(ORGANIZATIONS)
        ]

    def run(self) -> Audit:
        began = time.monotonic()
        self._stack.start(self._processes)
        self._prepare()
        self._stack.start_workers(self._processes)
        ready = time.monotonic()
        with View(self._console, self._stack, self._timeline, self._settings.seconds) as view:
            self._let_everything_fail(view)
            failing = time.monotonic()
            view.phase = "coming to rest"
            bring_to_rest(self._stack, self._people, self._timeline, lambda: self._watch(view))
            self._end_workers()
            rest = time.monotonic()
        result, document = self._audit()
        document["seconds"] = {
            "starting": round(ready - began, 1),
            "faults": round(failing - ready, 1),
            "coming_to_rest": round(rest - failing, 1),
            "audit": round(time.monotonic() - rest, 1),
        }
        self._conclude(result, document)
        return result

    def _prepare(self) -> None:
        for person in self._people:
            person.set_up()
        with self._stack.connect() as connection:
            # An operator's settings: hours of waiting would only leave the run waiting.
            connection.execute(
                "update public.error_classes set first_wait = least(first_wait, '500 ms'),"
                " growth = least(growth, 1.5), longest_wait = least(longest_wait, '2 seconds')"
            )

    def _let_everything_fail(self, view: View) -> None:
        settings = self._settings
        injector = Injector(self._stack, self._timeline)
        self._timeline.begin()
        self._timeline.write("begin", seed=settings.seed, seconds=settings.seconds)
        for person in self._people:
            person.start()
        faults = draw_faults(settings.seed, settings.seconds, settings.gap)
        try:
            injector.run(faults, lambda: self._watch(view), settings.seconds)
        finally:
            injector.stop()
        for person in self._people:
            person.stop()

    def _watch(self, view: View) -> None:
        view.look()
        for place in self._stack.places:
            told = place.look_after()
            if told is not None:
                self._programs.append(told)
                self._timeline.write("worker ended by itself", told=told)
        for number, webhook in enumerate(self._stack.webhooks):
            if not webhook.running and view.phase != "faults":
                self._programs.append(f"webhook {number} ended by itself")
                self._stack.restart_webhook(webhook)

    def _end_workers(self) -> None:
        for place in self._stack.places:
            code = place.end()
            if code != 0:
                self._programs.append(f"a worker's end was unclean: exit code {code}")

    def _audit(self) -> tuple[Audit, dict[str, Any]]:
        memories = [person.finish() for person in self._people]
        self._programs += self._stack.what_is_wrong()
        with self._stack.connect() as connection:
            evidence = read_evidence(
                connection, self._stack.simulator.control, memories, self._programs
            )
        result = audit(evidence)
        counts = self._timeline.counts
        document = {
            "verdict": result.verdict,
            "passed": not result.findings,
            "seed": self._settings.seed,
            "replay": leavings.replay_command(self._settings),
            "messages": result.messages,
            "findings": [
                {"kind": finding.kind, "entry": finding.entry_id, "text": finding.text}
                for finding in result.findings
            ],
            "faults": {kind: counts[kind] for kind in KINDS if counts[kind]},
            "people": {
                name.removeprefix("person: "): count
                for name, count in sorted(counts.items())
                if name.startswith("person")
            },
            "numbers": result.numbers,
            "directory": str(self._place),
        }
        if result.findings:
            leavings.write_rows(self._place, self._stack, result)
        return result, document

    def _conclude(self, result: Audit, document: dict[str, Any]) -> None:
        leavings.write_result(self._place, document)
        self._timeline.close()
        if self._settings.as_json:
            print(json.dumps(document, indent=2, default=str), flush=True)
        else:
            self._print(document)
        _list(self._console, [f"{f.kind}: {f.text}" for f in result.findings])

    def _print(self, document: dict[str, Any]) -> None:
        faults = document["faults"]
        self._say("faults", f"{sum(faults.values())}: {_told(faults)}")
        self._say("people", _told(document["people"]))
        for name, numbers in document["numbers"].items():
            self._say(name.replace("_", " "), _told(numbers))
        self._say("seconds", _told(document["seconds"]))

    def _say(self, name: str, text: str) -> None:
        self._console.print(f"{name}: {text}", highlight=False, markup=False, soft_wrap=True)


def _told(numbers: dict[str, Any]) -> str:
    return ", ".join(f"{name} {count}" for name, count in numbers.items()) or "none"


def _list(console: Console, findings: Sequence[str]) -> None:
    for finding in findings[:_SHOWN]:
        console.print(finding, style="red", highlight=False, markup=False, soft_wrap=True)
    if len(findings) > _SHOWN:
        console.print(f"and {len(findings) - _SHOWN} more, in result.json", style="red")
