"""A way to the database that can be lost without anybody being told, as firewalls do it."""

import contextlib
import socket
from threading import Event, Thread
from types import TracebackType
from typing import Self


class FadingNetwork:
    """Passes TCP connections on to one address until `fade`, and new ones again from `recover`."""

    def __init__(self, host: str, port: int) -> None:
        """Describe where connections are passed on to."""
        self._target = (host, port)
        self._listener: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._faded = Event()
        self.port = 0

    def __enter__(self) -> Self:
        self.recover()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.fade()
        for end in self._sockets:
            end.close()

    def fade(self) -> None:
        """Swallow what the connections carry, tell neither end, and refuse new connections."""
        self._faded.set()
        if self._listener is not None:
            # Closing alone would leave the thread in accept, and with it the port.
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
            self._listener = None

    def recover(self) -> None:
        """Accept new connections, on the same port; those from before stay lost."""
        self._faded = Event()
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        Thread(target=self._accept, args=(self._listener, self._faded), daemon=True).start()

    def _accept(self, listener: socket.socket, faded: Event) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection(self._target)
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    Thread(target=self._pass, args=(source, sink, faded), daemon=True).start()

    @staticmethod
    def _pass(source: socket.socket, sink: socket.socket, faded: Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not faded.is_set():
                    sink.sendall(data)
            if not faded.is_set():
                sink.shutdown(socket.SHUT_WR)
