"""One simulator and one webhook for all tests here, as new for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sendonce.simulator import SimulatorProcess
from sendonce.simulator.process import VERIFY_TOKEN
from simulator.receiver import Receiver


@pytest.fixture(scope="session")
def _receiver() -> Iterator[Receiver]:
    receiver = Receiver(VERIFY_TOKEN)
    yield receiver
    receiver.close()


@pytest.fixture
def receiver(_receiver: Receiver) -> Receiver:
    """The webhook, with nothing received."""
    _receiver.clear()
    return _receiver


@pytest.fixture(scope="session")
def _simulator(_receiver: Receiver) -> Iterator[SimulatorProcess]:
    with SimulatorProcess(
        webhook_url=f"{_receiver.url}/delivery-webhook/whatsapp/{{app}}",
        app="north",
        webhook_retry_first=0.01,
        webhook_retry_longest=0.02,
        webhook_attempts=4,
        webhook_timeout=5,
    ) as simulator:
        yield simulator
        # Whatever the tests did to it, it was prepared for.
        assert "Traceback" not in simulator.log()


@pytest.fixture
def simulator(_simulator: SimulatorProcess, receiver: Receiver) -> SimulatorProcess:
    """A simulator without faults, delays and memories, reporting to ``receiver``."""
    _simulator.control.restore_faults()
    _simulator.control.reset()
    receiver.clear()
    return _simulator
