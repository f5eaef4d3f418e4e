"""Everything before the body: methods, paths, hosts and the questions of the handshake."""

import contextlib
import socket
from typing import Final
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from webhook.fuzzing import tries
from webhook.intake import Intake
from webhook.provider import APP, OTHER_APP, PATH, SECRET, VERIFY_TOKEN, Webhook, signature

_NOT_FOUND: Final = (400, 403, 404, 405)
_HEALTH: Final = "/delivery-webhook/health"


def _raw(webhook: Webhook, request: bytes) -> int | None:
    """Send bytes as they are; return the status, or None where the connection is just closed."""
    with socket.create_connection((webhook.host, webhook.port), timeout=30) as connection:
        connection.sendall(request)
        with contextlib.suppress(OSError):
            # What is no request at all may be waited for otherwise.
            connection.shutdown(socket.SHUT_WR)
        received = b""
        with contextlib.suppress(ConnectionError):
            while b"\r\n" not in received and (part := connection.recv(4096)):
                received += part
    return int(received.split()[1]) if received.startswith(b"HTTP/1.") else None


@tries(40)
@given(
    method=st.sampled_from(["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "PROPFIND"])
    | st.from_regex(r"[A-Z]{1,12}", fullmatch=True),
    path=st.sampled_from([PATH, PATH + "/", "/functions/v1" + PATH, _HEALTH, "/"]),
)
def test_a_signed_report_under_another_method_changes_nothing(
    intake: Intake, method: str, path: str
) -> None:
    # Node's and Deno's servers keep these for themselves.
    assume(method not in ("POST", "CONNECT"))
    body = intake.good_post(intake.entry())
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\nX-Hub-Signature-256: {signature(body)}\r\n\r\n"
    )
    status = _raw(intake.webhook, head.encode() + body)
    is_health_check = method == "GET" and path == _HEALTH
    assert status in ((200,) if is_health_check else _NOT_FOUND)
    assert intake.look() == set()


_segments: Final = (
    st.sampled_from(
        ["delivery-webhook", "whatsapp", APP, OTHER_APP, "functions", "v1", "health", "", ".", ".."]
    )
    | st.sampled_from(["%2e%2e", "%2f", "%00", "%ff", "ma%69n", "MAIN", "main;a=1", "__proto__"])
    | st.text(max_size=8).map(lambda text: quote(text, safe="!$&'()*+,;=:@"))
)


@tries(50)
@given(segments=st.lists(_segments, max_size=6))
def test_a_report_on_another_path_changes_nothing(intake: Intake, segments: list[str]) -> None:
    path = "/" + "/".join(segments)
    body = intake.good_post(intake.entry())
    answer = intake.webhook.post(body, path=path)
    if answer.status == 200:
        # Steps up and down may lead back to where it belongs.
        assert path.count("delivery-webhook") >= 1
        assert APP in path
        intake.look()
    else:
        intake.expect_nothing(answer, 401, *_NOT_FOUND)


_HOSTS: Final = [
    b"Host: [\r\n",
    b"Host: a b\r\n",
    b"Host: \r\n",
    b"",
    b"Host: \xff\xfe\r\n",
    b"Host: a\r\nHost: b\r\n",
    b"Host: x:99999999\r\n",
    b"Host: x:/@?#\r\n",
    b"Host: %zz\r\n",
    b"Host: " + b"x" * 5000 + b"\r\n",
]
_TARGETS: Final = [
    PATH.encode(),
    b"http://[" + PATH.encode(),
    b"http://elsewhere" + PATH.encode(),
    b"*",
    b"//[",
    b"/\\..\\x",
    b"/%",
    PATH.encode() + b"?" + b"a" * 20_000,
]


@pytest.mark.parametrize("host", _HOSTS, ids=lambda host: ascii(host)[:16])
def test_no_host_and_no_target_bring_the_function_down(intake: Intake, host: bytes) -> None:
    body = b"[]"
    for target in _TARGETS:
        for method in (b"GET", b"POST", b"OPTIONS", b"CONNECT"):
            head = method + b" " + target + b" HTTP/1.1\r\n" + host
            head += b"Content-Length: 2\r\nConnection: close\r\n"
            head += b"X-Hub-Signature-256: " + signature(body).encode() + b"\r\n\r\n"
            status = _raw(intake.webhook, head + body)
            assert status is None or 400 <= status < 500, (host, target, method, status)
    assert intake.look() == set()


@tries(40)
@given(
    head=st.binary(max_size=200)
    | st.builds(
        b"%s %s HTTP/1.%s\r\n%s\r\n\r\n".__mod__,
        st.tuples(
            st.sampled_from([b"POST", b"GET", b"", b"P\x00ST"]),
            st.sampled_from([PATH.encode(), b"", b"/\xff", b"/ /"]),
            st.sampled_from([b"1", b"0", b"9", b""]),
            st.sampled_from(
                [
                    b"Content-Length: -1",
                    b"Content-Length: 5\r\nContent-Length: 6",
                    b"Content-Length: 99999999999999999999",
                    b"Transfer-Encoding: chunked\r\nContent-Length: 3",
                    b"Transfer-Encoding: gzip",
                    b"Expect: 100-continue\r\nContent-Length: 1",
                    b"Upgrade: websocket\r\nConnection: Upgrade",
                    b": nameless",
                    b"X-Hub-Signature-256: \x00",
                ]
            ),
        ),
    )
)
def test_what_is_hardly_a_request_is_refused_or_dropped(intake: Intake, head: bytes) -> None:
    status = _raw(intake.webhook, head)
    # 100 asks for a body that never comes.
    assert status is None or status == 100 or 400 <= status < 500, status
    assert intake.look() == set()


_CHUNKS: Final = [
    b"zz\r\nabc\r\n0\r\n\r\n",
    b"5\r\nabc",
    b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    b"-1\r\n\r\n",
    b"3\r\nabcdef\r\n0\r\n\r\n",
    b"3;" + b"x" * 20_000 + b"\r\nabc\r\n0\r\n\r\n",
    b"",
]


@pytest.mark.parametrize("chunks", _CHUNKS, ids=range(len(_CHUNKS)))
def test_chunks_that_are_none_are_refused(intake: Intake, chunks: bytes) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        f"X-Hub-Signature-256: {signature(b'abc')}\r\n\r\n"
    )
    status = _raw(intake.webhook, head.encode() + chunks)
    assert status is None or 400 <= status < 500, status
    assert intake.look() == set()


_RIGHT: Final = {
    "hub.mode": "subscribe",
    "hub.verify_token": VERIFY_TOKEN,
    "hub.challenge": "1158201444",
}
_names: Final = st.sampled_from([*_RIGHT, "hub_verify_token", "hub[verify_token]", "HUB.MODE", ""])
_values: Final = st.sampled_from(
    [*_RIGHT.values(), VERIFY_TOKEN.upper(), VERIFY_TOKEN + "\0", VERIFY_TOKEN[:-1], SECRET, ""]
) | st.text(max_size=20)


@tries(80)
@given(
    kept=st.lists(st.sampled_from(list(_RIGHT)), max_size=3, unique=True),
    strange=st.lists(st.tuples(_names, _values), max_size=3),
    is_strange_first=st.booleans(),
)
@example(kept=["hub.mode", "hub.challenge"], strange=[], is_strange_first=False)
@example(kept=["hub.verify_token", "hub.challenge"], strange=[], is_strange_first=False)
@example(kept=["hub.mode", "hub.verify_token"], strange=[], is_strange_first=False)
@example(kept=list(_RIGHT), strange=[("hub.verify_token", "")], is_strange_first=True)
@example(kept=list(_RIGHT), strange=[("hub.mode", "unsubscribe")], is_strange_first=True)
def test_the_handshake_answers_its_challenge_and_nothing_else(
    intake: Intake, kept: list[str], strange: list[tuple[str, str]], is_strange_first: bool
) -> None:
    right = [(name, _RIGHT[name]) for name in kept]
    question = strange + right if is_strange_first else right + strange
    # Of a name that is there twice the first counts.
    asked = dict(reversed(question))
    answer = intake.webhook.request("GET", f"{PATH}?{urlencode(question)}")
    is_ours = asked.get("hub.mode") == "subscribe" and asked.get("hub.verify_token") == VERIFY_TOKEN
    if is_ours and "hub.challenge" in asked:
        assert (answer.status, answer.text) == (200, asked["hub.challenge"])
    else:
        intake.expect_nothing(answer, 403)
        assert VERIFY_TOKEN not in answer.text
        assert SECRET not in answer.text


@tries(40)
@given(
    query=st.binary(max_size=60).map(lambda raw: quote(raw, safe="%&=+;[]"))
    | st.just("hub.mode=subscribe&" * 3000)
    | st.just("&" * 10_000)
)
def test_a_query_at_random_is_refused(intake: Intake, query: str) -> None:
    intake.expect_nothing(intake.webhook.request("GET", f"{PATH}?{query}"), 403)


def test_the_query_of_a_handshake_opens_no_post(intake: Intake) -> None:
    question = urlencode(
        {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "1"}
    )
    body = intake.good_post(intake.entry())
    path = f"{PATH}?{question}&X-Hub-Signature-256={signature(body)}"
    intake.expect_nothing(intake.webhook.request("POST", path, body=body), 401)


def test_a_body_announced_beyond_the_limit_is_refused_without_waiting_for_it(
    intake: Intake,
) -> None:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {4 * 1024 * 1024 + 1}\r\n"
        f"X-Hub-Signature-256: {signature(b'')}\r\n\r\n"
    )
    with socket.create_connection((intake.webhook.host, intake.webhook.port), 30) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
    assert intake.look() == set()
