"""Starts programs and ends them again, whatever interrupts it.

Ctrl-C may come between any two instructions, also between the birth of a program and the line
that would have remembered it. So everything is started in a thread: signals reach the main thread
only, a start is never torn in the middle, and the end waits for what is under way.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

#: Seconds a start that is under way gets to come to its end by itself.
_PATIENCE = 3.0

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Program(Protocol):
    """Something that can be started and closed; closing twice, or before a start, is harmless."""

    def start(self) -> Any:
        """Start it and return when it answers."""

    def close(self) -> None:
        """End it and remove what it left."""


class Processes:
    """Programs that end, the last one first, with the block that this opens."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="start")
        self._begun: list[tuple[Program, Future[Any]]] = []

    def begin(self, program: Program) -> Future[Any]:
        """Begin to start a program; the future's result is there when it answers."""
        # A thread that runs before its program is on the list would be nobody's to end.
        with _postponed():
            future = self._pool.submit(program.start)
            self._begun.append((program, future))
        return future

    def start(self, program: Program) -> None:
        """Start a program and wait until it answers. Raises what its start raises."""
        self.begin(program).result()

    def restart(self, program: Program) -> None:
        """Start again a program that was begun here and has ended."""
        with _postponed():
            future = self._pool.submit(program.start)
            self._begun = [
                (begun, future if begun is program else old) for begun, old in self._begun
            ]
        future.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with _undisturbed():
            for program, future in reversed(self._begun):
                _end(program, future)
            self._pool.shutdown()


def _end(program: Program, future: Future[Any]) -> None:
    wait([future], _PATIENCE)
    while not future.done():
        # It may take minutes to answer: end what it has made so far, and it gives up.
        with contextlib.suppress(Exception):
            program.close()
        wait([future], 0.1)
    program.close()


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handlers(interrupt, but_not=(signal.SIGINT,)):
        yield


@contextlib.contextmanager
def _postponed() -> Iterator[None]:
    """Let an interruption that comes inside the block take effect at its end."""
    came = False

    def remember(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came = True

    with _handlers(remember):
        yield
    if came:
        raise KeyboardInterrupt


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore the signals that ask for an end: it is under way."""
    with _handlers(signal.SIG_IGN):
        yield


@contextlib.contextmanager
def _handlers(handler: Any, *, but_not: tuple[signal.Signals, ...] = ()) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, handler)
        for number in _STOP_SIGNALS
        if number not in but_not and signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
