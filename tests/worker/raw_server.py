"""A provider that can misbehave byte by byte, which no HTTP library's server would let it."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Conversation = Callable[["Connection"], Awaitable[None]]

ACCEPTED = (
    b'{"messaging_product":"whatsapp","contacts":[{"input":"+999","wa_id":"999"}],'
    b'"messages":[{"id":"wamid.HBgLMTIzNDU2Nzg5MAA=","message_status":"accepted"}]}'
)
ERROR = (
    b'{"error":{"message":"(#131026) Message undeliverable","type":"OAuthException","code":131026,'
    b'"error_data":{"messaging_product":"whatsapp","details":"Unable to deliver"},'
    b'"fbtrace_id":"AxYz"}}'
)


class Connection:
    """One accepted connection, with the things a bad server does to it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> bytes:
        """Request line and headers."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def read_request(self) -> tuple[bytes, bytes]:
        """Head and body of one request."""
        head = await self.read_head()
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        return head, await self._reader.readexactly(length)

    async def reply(self, status: int, body: bytes, *headers: str) -> None:
        """A whole response; the connection stays open."""
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", *headers]
        await self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    async def write(self, data: bytes) -> None:
        """Some bytes."""
        self._writer.write(data)
        await self._writer.drain()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        raw = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def wait_for_end(self) -> int:
        """Read until the client goes away; returns how many bytes it sent."""
        return len(await self._reader.read())


@dataclass
class RawServer:
    """What a running raw server saw."""

    port: int
    connections: int = 0
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The API's base URL."""
        return f"http://127.0.0.1:{self.port}/v25.0"


@asynccontextmanager
async def raw_server(conversation: Conversation) -> AsyncIterator[RawServer]:
    """Run ``conversation`` for every connection, then close it."""
    server_side = RawServer(port=0)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_side.connections += 1
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await conversation(Connection(reader, writer))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    server_side.port = server.sockets[0].getsockname()[1]
    try:
        yield server_side
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
