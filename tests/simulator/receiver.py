"""A webhook that keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Post:
    """One POST as it arrived."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def envelope(self) -> dict[str, Any]:
        """The parsed body."""
        parsed: dict[str, Any] = json.loads(self.raw)
        return parsed

    @property
    def changes(self) -> list[dict[str, Any]]:
        """Every change of every entry."""
        return [change for entry in self.envelope["entry"] for change in entry["changes"]]

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """Every status, in order."""
        return [status for change in self.changes for status in change["value"]["statuses"]]

    def signed_with(self, secret: str) -> bool:
        """Whether the signature is that of the raw body."""
        digest = hmac.new(secret.encode(), self.raw, hashlib.sha256).hexdigest()
        return self.headers["X-Hub-Signature-256"] == f"sha256={digest}"


class Receiver:
    """A real HTTP server on a free port. ``answer`` decides the status of each POST."""

    def __init__(self, verify_token: str) -> None:
        self.posts: list[Post] = []
        self.answer: Callable[[Post], int] = lambda post: 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                post = Post(self.path, dict(self.headers), raw)
                status = receiver.answer(post)
                receiver.posts.append(post)
                self._reply(status, b"")

            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                if query["hub.verify_token"] == [verify_token]:
                    self._reply(200, query["hub.challenge"][0].encode())
                else:
                    self._reply(403, b"")

            def _reply(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 302:
                    self.send_header("Location", "/elsewhere")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - theirs
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self._thread.start()

    @property
    def statuses(self) -> list[dict[str, Any]]:
        """Every status received, in order of arrival."""
        return [status for post in self.posts for status in post.statuses]

    def clear(self) -> None:
        """Forget what came, and answer 200 again."""
        self.posts.clear()
        self.answer = lambda post: 200

    def close(self) -> None:
        """Stop the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
