"""An edge function on this machine: started, waited for, ended."""

import http.client
import socket
from pathlib import Path

import pytest

from sendonce.local.deno import DenoError, EdgeFunction


def test_it_answers_inside_and_is_gone_after(tmp_path: Path) -> None:
    log = tmp_path / "function.log"
    with EdgeFunction("delivery-webhook", {}, log=log) as function:
        connection = http.client.HTTPConnection("127.0.0.1", function.port, timeout=30)
        connection.request("GET", f"/{function.name}/no-such-provider")
        assert connection.getresponse().status in (400, 403, 404)
        connection.close()
        port = function.port
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
    assert log.read_text()


def test_its_settings_come_from_its_caller_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENDONCE_DB_URL", "postgresql://somebody.else/production")
    log = tmp_path / "function.log"
    with EdgeFunction("delivery-webhook", {}, log=log):
        pass
    assert "database_not_configured" in log.read_text()


def test_one_that_does_not_exist_is_named() -> None:
    with pytest.raises(DenoError, match=r"no-such-function.*index\.ts does not exist"):
        EdgeFunction("no-such-function", {}).start()


def test_a_port_that_is_taken_is_told_in_denos_words() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(DenoError, match=r"(?i)addrinuse"):
            EdgeFunction("delivery-webhook", {}, port=holder.getsockname()[1]).start()
