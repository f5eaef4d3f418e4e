"""A command on a terminal of its own: what it writes becomes a screen that can be read."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from cli.command import PATIENCE, command, environment

_SEQUENCE = re.compile(rb"\x1b\[(?P<parameters>[?0-9;]*)(?P<final>[A-Za-z])")
#: A sequence of which the rest has not come yet.
_UNFINISHED = re.compile(rb"\x1b(\[[?0-9;]*)?$")


class Screen:
    """The cells of a terminal, for the few sequences that rich writes; others are refused."""

    def __init__(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self.cursor_shown = True
        self.alternate = False
        #: What scrolled off the top.
        self.history: list[str] = []
        self._rows = self._blank()
        self._row = self._column = 0
        self._main: tuple[list[list[str]], int, int] | None = None
        self._rest = b""

    def _blank(self) -> list[list[str]]:
        return [[" "] * self.columns for _ in range(self.lines)]

    def text(self) -> str:
        """What is to be seen, without blanks at the ends."""
        return "\n".join("".join(row).rstrip() for row in self._rows).rstrip()

    def resize(self, columns: int, lines: int) -> None:
        """Cut or fill up on the right; a line too many goes off the top, as xterm has it."""
        self.columns, self.lines = columns, lines
        self._rows, self._row, gone = self._fitted(self._rows, self._row)
        if not self.alternate:
            self.history += ["".join(row).rstrip() for row in gone]
        self._column = min(self._column, columns - 1)
        if self._main is not None:
            rows, row, gone = self._fitted(self._main[0], self._main[1])
            self.history += ["".join(line).rstrip() for line in gone]
            self._main = (rows, row, min(self._main[2], columns - 1))

    def _fitted(
        self, rows: list[list[str]], row: int
    ) -> tuple[list[list[str]], int, list[list[str]]]:
        fitted = [(line + [" "] * self.columns)[: self.columns] for line in rows]
        gone = max(0, row + 1 - self.lines)
        kept = fitted[gone : gone + self.lines]
        kept += [[" "] * self.columns for _ in range(self.lines - len(kept))]
        return kept, row - gone, fitted[:gone]

    def feed(self, written: bytes) -> None:
        """Take what was written to the terminal."""
        data = self._rest + written
        unfinished = _UNFINISHED.search(data)
        # Neither a sequence nor a character may be cut in two.
        end = unfinished.start() if unfinished else len(data)
        while end and not unfinished and end > len(data) - 4:
            try:
                data[:end].decode()
                break
            except UnicodeDecodeError:
                end -= 1
        data, self._rest = data[:end], data[end:]
        place = 0
        for found in _SEQUENCE.finditer(data):
            self._write(data[place : found.start()].decode())
            self._obey(found["parameters"].decode(), found["final"].decode())
            place = found.end()
        self._write(data[place:].decode())

    def _write(self, text: str) -> None:
        for character in text:
            if character == "\r":
                self._column = 0
            elif character == "\n":
                self._down()
            else:
                assert character.isprintable(), repr(character)
                if self._column == self.columns:
                    self._column = 0
                    self._down()
                self._rows[self._row][self._column] = character
                self._column += 1

    def _down(self) -> None:
        if self._row + 1 < self.lines:
            self._row += 1
            return
        gone = self._rows.pop(0)
        if not self.alternate:
            self.history.append("".join(gone).rstrip())
        self._rows.append([" "] * self.columns)

    def _obey(self, parameters: str, final: str) -> None:
        match parameters, final:
            case _, "m":
                pass
            case "?25", "l" | "h":
                self.cursor_shown = final == "h"
            case "?1049", "h":
                self._main = (self._rows, self._row, self._column)
                self.alternate, self._rows = True, self._blank()
            case "?1049", "l":
                assert self._main is not None
                self._rows, self._row, self._column = self._main
                self.alternate, self._main = False, None
            case "", "H":
                self._row = self._column = 0
            case "2", "K":
                self._rows[self._row] = [" "] * self.columns
            case "2", "J":
                self._rows = self._blank()
            case _, "A":
                self._row = max(0, self._row - int(parameters or 1))
            case _:
                raise AssertionError(f"a sequence unheard of: {parameters}{final}")


class Terminal:
    """A command that runs on a terminal, with the keyboard in our hands."""

    def __init__(
        self, *arguments: str, url: str, columns: int = 120, lines: int = 40, kind: str = "xterm"
    ) -> None:
        self.screen = Screen(columns, lines)
        self._ours, self._theirs = pty.openpty()
        self._set_size(columns, lines)
        self._process = subprocess.Popen(
            command(*arguments),
            env=environment(url, {"TERM": kind, "TZ": "UTC"}),
            stdin=self._theirs,
            stdout=self._theirs,
            stderr=self._theirs,
            start_new_session=True,
            # The terminal has to be the session's own: the keys come from there as signals.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) and None,
        )
        self.settings = termios.tcgetattr(self._ours)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns: int, lines: int) -> None:
        """Make the window another size, as somebody who pulls at its corner."""
        self.read(0)
        self.screen.resize(columns, lines)
        self._set_size(columns, lines)

    def read(self, seconds: float) -> None:
        """Take what it has written, waiting so long for the first of it."""
        while select.select([self._ours], [], [], seconds)[0]:
            self.screen.feed(os.read(self._ours, 65536))
            seconds = 0

    def wait_for(self, condition: Callable[[str], object] | str) -> str:
        """Read until the screen is so, or holds these words; the screen."""
        end = time.monotonic() + PATIENCE
        while True:
            self.read(0.1)
            shown = self.screen.text()
            if condition in shown if isinstance(condition, str) else condition(shown):
                return shown
            assert self._process.poll() is None, f"it ended with this on the screen:\n{shown}"
            assert time.monotonic() < end, f"waited in vain for {condition!r}:\n{shown}"

    def press(self, keys: bytes) -> None:
        """Press keys."""
        os.write(self._ours, keys)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        end = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            self.read(0.1)
            assert time.monotonic() < end, f"it does not end:\n{self.screen.text()}"
        self.read(0)
        return self._process.returncode

    def settings_now(self) -> list[object]:
        """The terminal's settings, to be compared with those of the beginning."""
        return termios.tcgetattr(self._ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for descriptor in (self._ours, self._theirs):
            with contextlib.suppress(OSError):
                os.close(descriptor)
