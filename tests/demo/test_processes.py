"""Whatever was begun is ended, at whatever instant Ctrl-C comes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from sendonce.local.demo.processes import Processes


class InterruptsAtOnce:
    """A program whose start is the very moment of Ctrl-C."""

    def __init__(self) -> None:
        self.running = False

    def start(self) -> None:
        self.running = True
        os.kill(os.getpid(), signal.SIGINT)

    def close(self) -> None:
        self.running = False


@pytest.fixture(autouse=True)
def _ctrl_c_interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_program_is_ended_though_ctrl_c_came_while_its_thread_began() -> None:
    for _ in range(50):
        program = InterruptsAtOnce()
        with pytest.raises(KeyboardInterrupt), Processes() as processes:
            processes.start(program)
        assert not program.running


def _begin_again_when_interrupted(processes: Processes, program: InterruptsAtOnce) -> None:
    try:
        processes.start(program)
    except KeyboardInterrupt:
        program.close()
        processes.restart(program)


def test_a_program_is_ended_though_ctrl_c_came_while_it_was_started_again() -> None:
    for _ in range(50):
        program = InterruptsAtOnce()
        with pytest.raises(KeyboardInterrupt), Processes() as processes:
            _begin_again_when_interrupted(processes, program)
        assert not program.running
