"""Runs the real command as somebody types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: Seconds within which a command must have ended; no test measures time.
PATIENCE = 120


@dataclass(frozen=True)
class Answer:
    """What the command said."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Its result, which must be one JSON document."""
        return json.loads(self.stdout)


def command(*arguments: str) -> list[str]:
    """The words of its command line."""
    return [sys.executable, "-m", "sendonce.cli.main", *arguments]


def environment(url: str | None, settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Its environment; nothing of this process's own settings leaks in."""
    # The size of a terminal is the terminal's, not what a shell noted of its own.
    not_inherited = ("SENDONCE_", "WHATSAPP_", "COLUMNS", "LINES")
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(not_inherited)}
    if url is not None:
        inherited["SENDONCE_DATABASE_URL"] = url
    return inherited | dict(settings or {})


def sendonce(
    *arguments: str,
    url: str | None = None,
    stdin: bytes = b"",
    settings: Mapping[str, str] | None = None,
) -> Answer:
    """Run it to its end, off a terminal."""
    done = subprocess.run(
        command(*arguments),
        env=environment(url, settings),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())


def refusal(answer: Answer) -> str:
    """The one line that a refusal is."""
    assert answer.code == 2, answer
    assert answer.stdout == ""
    (line,) = answer.stderr.splitlines()
    assert line.startswith("sendonce: ")
    return line
