"""Starts and stops a real simulator process, for tests and for the demo."""

from __future__ import annotations

import contextlib
import os
import re
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO, Any, Self

from sendonce.simulator.client import SimulatorControl

TOKEN = "simulated-token"  # noqa: S105 - opens nothing
APP_SECRET = "simulated-app-secret"  # noqa: S105 - opens nothing
VERIFY_TOKEN = "simulated-verify-token"  # noqa: S105 - opens nothing

_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_ADDRESS = re.compile(rb"simulator listening on (?P<url>http://\S+)\n")


class SimulatorProcess:
    """A simulator on a free port, running between ``start()`` and ``stop()`` or inside ``with``.

    Keyword arguments are the names of the simulator's settings and faults; a list gives a flag
    several times. The profile is ``instant`` unless another is named. ``control`` steers it; its
    log is kept in a temporary file and shown when it does not start (``log()`` gives it).

    The child ends when this process does, however that ends.
    """

    def __init__(
        self,
        *,
        webhook_url: str | None = None,
        token: str = TOKEN,
        app_secret: str = APP_SECRET,
        verify_token: str = VERIFY_TOKEN,
        profile: str = "instant",
        **settings: Any,
    ) -> None:
        self.token = token
        self.app_secret = app_secret
        self.verify_token = verify_token
        self._flags = _flags({"profile": profile, "webhook_url": webhook_url, **settings})
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._control: SimulatorControl | None = None

    @property
    def control(self) -> SimulatorControl:
        """The control API. Raises RuntimeError before the start."""
        if self._control is None:
            raise RuntimeError("the simulator has not been started")
        return self._control

    @property
    def base_url(self) -> str:
        """``http://host:port``."""
        return self.control.base_url

    @property
    def graph_url(self) -> str:
        """The value for SENDONCE_WHATSAPP_URL."""
        return self.control.graph_url

    def start(self) -> Self:
        """Start it and wait until it answers. Raises RuntimeError with its log if it does not."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sendonce.simulator",
                "--until-stdin-closes",
                *self._flags,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=self._environment(),
        )
        try:
            self._control = SimulatorControl(self._read_address())
            self._control.health()
        except BaseException:
            self.stop()
            raise
        return self

    def _environment(self) -> Mapping[str, str]:
        # Settings of the caller's own simulator must not leak into this one.
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("SENDONCE_SIMULATOR_")
        }
        return inherited | {
            "SENDONCE_SIMULATOR_TOKEN": self.token,
            "SENDONCE_SIMULATOR_APP_SECRET": self.app_secret,
            "SENDONCE_SIMULATOR_VERIFY_TOKEN": self.verify_token,
        }

    def _read_address(self) -> str:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("the simulator has not been started")
        descriptor = self._process.stdout.fileno()
        seen = b""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            ready, _, _ = select.select([descriptor], [], [], 0.5)
            if not ready:
                continue
            part = os.read(descriptor, 4096)
            if not part:
                break
            seen += part
            found = _ADDRESS.search(seen)
            if found:
                return found["url"].decode("ascii")
        raise RuntimeError(f"the simulator did not start:\n{self.log()}")

    def log(self) -> str:
        """What it has written to its log so far; empty after the stop."""
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    @property
    def pid(self) -> int:
        """Its process id. Raises RuntimeError before the start."""
        if self._process is None:
            raise RuntimeError("the simulator has not been started")
        return self._process.pid

    def stop(self) -> None:
        """Stop it and wait for its end; without effect when it is stopped already."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _flags(settings: Mapping[str, Any]) -> list[str]:
    """Command line flags for settings by name; mappings and lists give a flag several times."""
    names = {"errors": "error", "report_errors": "report-error"}
    flags: list[str] = []
    for name, value in settings.items():
        flag = "--" + names.get(name, name).replace("_", "-")
        if value is None:
            continue
        if value is True:
            flags.append(flag)
        elif value is False:
            flags.append(flag.replace("--", "--no-", 1))
        elif isinstance(value, Mapping):
            flags += [part for key, item in value.items() for part in (flag, f"{key}={item}")]
        elif isinstance(value, list | tuple):
            flags += [part for item in value for part in (flag, str(item))]
        else:
            flags += [flag, str(value)]
    return flags
