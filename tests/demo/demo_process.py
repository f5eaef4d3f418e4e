"""A demo as a process of its own, in a directory of temporary files of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

#: Seconds within which anything that is waited for must have happened; no test measures time.
PATIENCE = 180.0


class DemoProcess:
    """``sendonce demo`` with some flags; its output is read from files while it runs."""

    def __init__(self, directory: Path, flags: tuple[str, ...]) -> None:
        self.temporary = directory / "tmp"
        self.temporary.mkdir(mode=0o755)
        self._stdout = directory / "stdout"
        self._stderr = directory / "stderr"
        with self._stdout.open("wb") as stdout, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sendonce.cli.main", "demo", *flags],
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                env={**os.environ, "TMPDIR": str(self.temporary)},
                # A group of its own, as in a terminal.
                start_new_session=True,
                # Tests run in the background ignore Ctrl-C; a terminal's demo does not.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    @property
    def stdout(self) -> str:
        """What it has written to standard output so far."""
        return self._stdout.read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        """What it has written to standard error so far."""
        return self._stderr.read_text(encoding="utf-8")

    @property
    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Look again and again; fails the test when it never happens."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert not self.has_ended, f"ended before {what}:\n{self.stdout}\n{self.stderr}"
            assert time.monotonic() < end, f"waited in vain for {what}:\n{self.stdout}"
            time.sleep(0.02)

    def wait(self) -> int:
        """Wait for its end; the exit code."""
        return self._process.wait(PATIENCE)

    def interrupt(self) -> int:
        """Ctrl-C: to the whole group, as a terminal sends it. The exit code."""
        os.killpg(self._process.pid, signal.SIGINT)
        return self.wait()

    def terminate(self) -> int:
        """SIGTERM to the demo alone, as a process manager sends it. The exit code."""
        self._process.terminate()
        return self.wait()

    def kill_program(self, name: str) -> None:
        """SIGKILL to the one of its programs that has this in its command line."""
        needle = str(self.temporary).encode()
        (process_id,) = [
            process_id
            for process_id, command, environment in _processes()
            if name.encode() in command and needle in environment
        ]
        os.kill(process_id, signal.SIGKILL)

    def left_over(self) -> list[str]:
        """Processes that know its directory, and files in it."""
        needle = str(self.temporary).encode()
        # The guardians are told the end and need a moment to go.
        end = time.monotonic() + 5
        while True:
            found = [
                command.replace(b"\0", b" ").decode(errors="replace").strip()
                for _, command, environment in _processes()
                if needle in command or needle in environment
            ]
            if not found or time.monotonic() > end:
                return found + sorted(path.name for path in self.temporary.iterdir())
            time.sleep(0.05)

    def close(self) -> None:
        """Make sure that it is gone."""
        if not self.has_ended:
            self._process.kill()
            self._process.wait()
        # pytest shows it with a test that failed.
        print(self.stdout, self.stderr)


def _processes() -> Iterator[tuple[int, bytes, bytes]]:
    """Id, command line and environment of every process."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            yield int(process.name), command, (process / "environ").read_bytes()
        except OSError:
            continue


@contextmanager
def running_demo(*flags: str) -> Iterator[DemoProcess]:
    """A demo that ends with the block at the latest."""
    # Not pytest's own directory: started by root, PostgreSQL runs as another user, who must be
    # able to walk here.
    directory = Path(tempfile.mkdtemp(prefix="sendonce-demo-test-"))
    directory.chmod(0o755)
    demo = DemoProcess(directory, flags)
    try:
        yield demo
    finally:
        demo.close()
        shutil.rmtree(directory, ignore_errors=True)
