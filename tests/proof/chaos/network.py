"""Ways through the network that can be cut, stalled, closed and made to lose what they carry.

Each link is a TCP port that passes connections on to one of several ports. All of them run on an
event loop of their own, in a thread of their own; the moves may be called from any thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Self

_CHUNK: Final = 65_536
#: What makes the kernel reset a connection instead of closing it in good order.
_RESET: Final = struct.pack("ii", 1, 0)

_Pair = tuple[asyncio.StreamWriter, asyncio.StreamWriter]


class Link:
    """One way: connections to `port` are passed on to the first of `targets` that answers."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, targets: Callable[[], Sequence[int]]
    ) -> None:
        self._loop = loop
        self._targets = targets
        self._turn = itertools.count()
        self._server: asyncio.Server | None = None
        self._open: set[_Pair] = set()
        self._passing = asyncio.Event()
        self._passing.set()
        self._refuses = False
        self._swallows = False
        self._replies_to_lose = 0
        self.port = 0

    async def listen(self) -> None:
        """Take connections from now on."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def end(self) -> None:
        """Take no more connections, and end those there are."""
        if self._server is not None:
            self._server.close()
        self._cut()

    # What goes wrong, called from any thread

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        return int(_run(self._loop, self._call(self._cut)))

    def refuse(self, refuses: bool) -> None:
        """Reset connections, also new ones at once, while this is true."""
        _run(self._loop, self._call(lambda: self._refuse(refuses)))

    def stall(self, stalls: bool) -> None:
        """Hold back what connections carry while this is true; it arrives afterwards."""
        _run(self._loop, self._call(self._passing.clear if stalls else self._passing.set))

    def swallow(self, swallows: bool) -> None:
        """Lose what connections carry, both ways, while this is true; they are reset afterwards."""
        _run(self._loop, self._call(lambda: self._swallow(swallows)))

    def lose_replies(self, count: int) -> int:
        """Reset the next so many connections at the moment at which an answer comes.

        What was asked has arrived and was done. Returns how many were still to come.
        """
        return int(_run(self._loop, self._call(lambda: self._lose(count))))

    async def _call(self, function: Callable[[], Any]) -> Any:
        return function()

    def _cut(self) -> int:
        pairs = list(self._open)
        for pair in pairs:
            _reset(*pair)
        return len(pairs)

    def _refuse(self, refuses: bool) -> None:
        self._refuses = refuses
        if refuses:
            self._cut()

    def _swallow(self, swallows: bool) -> None:
        self._swallows = swallows
        if not swallows:
            self._cut()

    def _lose(self, count: int) -> int:
        left, self._replies_to_lose = self._replies_to_lose, count
        return left

    # What goes right

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far = None if self._refuses else await self._connect()
        if far is None:
            _reset(writer)
            return
        far_reader, far_writer = far
        pair = (writer, far_writer)
        self._open.add(pair)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pass(reader, far_writer, pair, is_reply=False))
                tasks.create_task(self._pass(far_reader, writer, pair, is_reply=True))
        finally:
            self._open.discard(pair)
            for end in pair:
                end.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        targets = list(self._targets())
        start = next(self._turn)
        for place in range(len(targets)):
            with contextlib.suppress(OSError):
                port = targets[(start + place) % len(targets)]
                return await asyncio.open_connection("127.0.0.1", port)
        return None

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        pair: _Pair,
        *,
        is_reply: bool,
    ) -> None:
        try:
            while data := await source.read(_CHUNK):
                await self._passing.wait()
                if is_reply and self._replies_to_lose > 0:
                    self._replies_to_lose -= 1
                    _reset(*pair)
                    return
                if not self._swallows:
                    sink.write(data)
                    await sink.drain()
            if not self._swallows and sink.can_write_eof():
                sink.write_eof()
        except OSError:
            # One end is gone without a word: so is the other one then.
            _reset(*pair)


def _reset(*ends: asyncio.StreamWriter) -> None:
    for end in ends:
        connection = end.get_extra_info("socket")
        if connection is not None:
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        end.transport.abort()


def _run(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(work, loop).result(30)


class Network:
    """All links of a run."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="network")
        self._links: list[Link] = []

    def start(self) -> Self:
        """Start the loop that all links run on."""
        self._thread.start()
        return self

    def link(self, targets: Callable[[], Sequence[int]]) -> Link:
        """A new way to the ports that `targets` names whenever a connection comes."""
        link = Link(self._loop, targets)
        _run(self._loop, link.listen())
        self._links.append(link)
        return link

    def close(self) -> None:
        """End all of it."""
        if not self._thread.is_alive():
            return
        for link in self._links:
            _run(self._loop, link.end())
        _run(self._loop, _cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _cancel_all() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
