"""Runs the real command as somebody types it."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sendonce.cli.main import COMMANDS, main

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
    """Run it to its end, off a terminal, in a process of its own.

    That process is a fork of one that has loaded everything: loading is most of what a command
    costs. Whoever wants the interpreter's start as well starts `command`.
    """
    with tempfile.TemporaryDirectory() as place:
        stdio = [Path(place, name) for name in ("stdin", "stdout", "stderr")]
        stdio[0].write_bytes(stdin)
        process = _forks.Process(
            target=_be_the_command, args=(arguments, environment(url, settings), Path.cwd(), stdio)
        )
        process.start()
        process.join(PATIENCE)
        if process.exitcode is None:
            process.kill()
            raise AssertionError(f"no end after {PATIENCE} s: {arguments}")
        return Answer(process.exitcode, stdio[1].read_text(), stdio[2].read_text())


_forks = multiprocessing.get_context("forkserver")
_forks.set_forkserver_preload(
    ["sendonce.cli.main", *(f"sendonce.cli.{module}" for module in COMMANDS.values())]
)


def _be_the_command(
    arguments: tuple[str, ...], variables: Mapping[str, str], place: Path, stdio: list[Path]
) -> None:
    for number, (file, flags) in enumerate(
        zip(stdio, (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2), strict=True)
    ):
        os.dup2(os.open(file, flags), number)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(place)
    sys.argv = ["sendonce", *arguments]
    main()


def refusal(answer: Answer) -> str:
    """The one line that a refusal is."""
    assert answer.code == 2, answer
    assert answer.stdout == ""
    (line,) = answer.stderr.splitlines()
    assert line.startswith("sendonce: ")
    return line
