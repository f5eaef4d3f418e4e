"""A guardian ends a program when the process that started it dies, however it dies.

A test run or a demo that is killed with SIGKILL runs no clean-up of its own. The guardian is a
small shell that waits at the end of a pipe: the kernel closes the pipe when its owner is gone, and
then the guardian ends the program and removes its files. It holds nothing else, so it costs
nothing while it waits.
"""

import contextlib
import signal
import subprocess
from pathlib import Path
from typing import Final

# Reads one line: the owner says that all is over. End of file instead: the owner died.
# The program may have ended long before, and its number may be somebody else's by now: where the
# system tells when a process began, it is asked before anything is killed.
_SCRIPT: Final = """
began() {
    line=
    read -r line <"/proc/$1/stat"
    set -- ${line##*) }
    [ "$1" = Z ] || echo "${20}"
}
ours() {
    kill -0 "$1" && [ "$(began "$1")" = "$since" ]
}
since=$(began "$2")
IFS= read -r word && exit 0
if ours "$2"; then kill -s "$1" "$2"; fi
tries=0
while ours "$2" && [ "$tries" -lt 100 ]; do
    sleep 0.1
    tries=$((tries + 1))
done
if ours "$2"; then kill -s KILL "$2"; fi
[ -z "$3" ] || rm -rf -- "$3"
"""


class Guardian:
    """Watches over one program on behalf of this process."""

    def __init__(
        self,
        process_id: int,
        *,
        stop_signal: signal.Signals = signal.SIGTERM,
        remove: Path | None = None,
    ) -> None:
        """Start watching.

        `stop_signal` is what the program is asked to end with; 10 seconds later it is killed.
        `remove` is a file or directory that goes afterwards.
        """
        self._process = subprocess.Popen(
            [
                "/bin/sh",
                "-c",
                _SCRIPT,
                "sendonce-guardian",
                stop_signal.name.removeprefix("SIG"),
                str(process_id),
                "" if remove is None else str(remove),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # Ctrl-C goes to the whole foreground group: the guardian must outlive it.
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Say that the program has ended and its files are taken care of."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate(b"over\n")
