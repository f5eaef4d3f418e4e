"""Edge functions on this machine: a folder of `supabase/functions`, served by plain Deno."""

import contextlib
import http.client
import importlib.util
import os
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sendonce.local.guardian import Guardian
from sendonce.local.ports import free_port
from sendonce.local.tools_directory import tools_directory
from sendonce.schema.shipped_files import functions_directory

_START_TRIES: Final = 5

# What a function is told comes from its caller alone; the rest of the environment (certificates,
# a proxy, where npm packages come from) it needs as it is.
_NOT_INHERITED: Final = ("SENDONCE_", "SUPABASE_", "WHATSAPP_", "TWILIO_", "PORT", "HOST")


class DenoError(RuntimeError):
    """Deno is missing, or the function did not start; the message ends with its log."""


def find_deno() -> Path:
    """Return the Deno program: the one of the `deno` package, else the one on the PATH.

    Raises DenoError when there is none.
    """
    if importlib.util.find_spec("deno") is not None:
        from deno import find_deno_bin

        # Its package can be found and its program not, where somebody moved one of them.
        with contextlib.suppress(FileNotFoundError):
            return Path(find_deno_bin())
    beside = Path(sysconfig.get_path("scripts")) / "deno"
    if beside.is_file():
        return beside
    on_path = shutil.which("deno")
    if on_path is None:
        raise DenoError("Deno was not found; install the extra `local` of this package")
    return Path(on_path)


class EdgeFunction:
    """One running edge function. Use it as a context manager, or call `start` and `close`."""

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        *,
        port: int | None = None,
        log: Path | None = None,
        start_timeout: float = 120.0,
    ) -> None:
        """Describe it; nothing is started yet.

        `environment`: the function's settings, beside what this process inherited in general.
        `port`: a fixed one; by default a free one.
        `log`: where standard output and error go; by default a temporary file.
        `start_timeout`: seconds; the first start fetches the packages the function imports.
        """
        self.name = name
        self.port = port or 0
        self._fixed_port = port is not None
        self._environment = dict(environment)
        self._temporary_log = log is None
        self._log = log
        self._start_timeout = start_timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._guardian: Guardian | None = None

    @property
    def url(self) -> str:
        """The function's URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}/{self.name}"

    @property
    def log(self) -> Path:
        """The file that the function's output goes to."""
        if self._log is None:
            raise DenoError("the function was not started yet: call start() first")
        return self._log

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> Self:
        """Start it and return when it answers.

        Raises DenoError with the end of its log when it ends before, or does not answer in time.
        """
        if self.running:
            return self
        for attempt in range(1, _START_TRIES + 1):
            if not self._fixed_port:
                self.port = free_port()
            try:
                self._start()
            except DenoError as error:
                self.close()
                if (
                    self._fixed_port
                    or "addrinuse" not in str(error).lower()
                    or attempt == _START_TRIES
                ):
                    raise
            else:
                break
        return self

    def close(self) -> None:
        """Ask it to finish what it has in hand, and end it."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(signal.SIGTERM)
                try:
                    self._process.wait(10)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            self._process = None
        if self._guardian is not None:
            self._guardian.dismiss()
            self._guardian = None
        if self._temporary_log and self._log is not None:
            self._log.unlink(missing_ok=True)
            self._log = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _start(self) -> None:
        entry = functions_directory() / self.name / "index.ts"
        if not entry.is_file():
            raise DenoError(f"there is no edge function {self.name}: {entry} does not exist")
        if self._log is None:
            handle, name = tempfile.mkstemp(prefix=f"sendonce-{self.name}-", suffix=".log")
            os.close(handle)
            self._log = Path(name)
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(_NOT_INHERITED)
        }
        inherited.setdefault("DENO_DIR", str(tools_directory() / "deno"))
        inherited["DENO_NO_UPDATE_CHECK"] = "1"
        begin = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(find_deno()),
                    "run",
                    "--quiet",
                    "--no-prompt",
                    # What the lock file does not know is not run.
                    "--frozen",
                    "--allow-net",
                    "--allow-env",
                    str(entry),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=entry.parent,
                env={**inherited, **self._environment, "PORT": str(self.port)},
                start_new_session=True,
            )
        self._guardian = Guardian(
            self._process.pid, remove=self._log if self._temporary_log else None
        )
        deadline = time.monotonic() + self._start_timeout
        while not self._answers():
            if self._process.poll() is not None:
                raise self._failure("ended while starting", begin)
            if time.monotonic() > deadline:
                raise self._failure("did not answer in time", begin)
            time.sleep(0.05)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", f"/{self.name}")
            # Whatever it says: it is there.
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    def _failure(self, what: str, log_begin: int) -> DenoError:
        with self.log.open("rb") as log:
            log.seek(log_begin)
            lines = log.read().decode(errors="replace").splitlines()[-20:]
        place = f"port {self.port}" if self._temporary_log else f"port {self.port}, log {self.log}"
        return DenoError(f"the edge function {self.name} {what} ({place}):\n" + "\n".join(lines))
