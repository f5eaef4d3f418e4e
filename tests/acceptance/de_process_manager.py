"""What a process manager such as PM2 does: it starts again, under the same name, whatever died."""

import signal

from worker.support import WorkerProcess, Workers


class ProcessManager:
    """So many instances of the worker, all with one name and the same settings."""

    def __init__(self, workers: Workers, instances: int, **environment: str) -> None:
        self._workers = workers
        self._environment = environment
        self._running = [workers.start(**environment) for _ in range(instances)]
        self.restarts = 0

    def restart_by_sigkill(self, instance: int) -> None:
        """Kill one instance, in the middle of whatever it does, and start it again at once."""
        killed = self._running[instance]
        killed.send(signal.SIGKILL)
        # Otherwise it had ended by itself, and this was no crash.
        assert killed.wait() == -signal.SIGKILL
        self._running[instance] = self._workers.start(**self._environment)
        self.restarts += 1

    def stop(self) -> list[int]:
        """SIGTERM for all of them, and their exit codes."""
        for worker in self._running:
            worker.send(signal.SIGTERM)
        return [worker.wait() for worker in self._running]

    @property
    def running(self) -> list[WorkerProcess]:
        """The instances that run at present."""
        return list(self._running)
