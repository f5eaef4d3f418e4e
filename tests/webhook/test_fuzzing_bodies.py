"""Bodies that are no JSON, or no envelope: refused, and no row is any different afterwards."""

import gzip
import json
import zlib
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.fuzzing import somewhere, tries
from webhook.intake import Intake
from webhook.provider import PATH, SECRET, change, encoded, envelope, signature

LIMIT: Final = 4 * 1024 * 1024
PROVIDERS_LIMIT: Final = 3 * 1000 * 1000
HOPELESS_DEPTH: Final = 500_000

_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
)
_any_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["object", "entry", "changes", "value", "statuses", "id", "__proto__"])
            | st.text(max_size=8),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


def _is_envelope(body: bytes) -> bool:
    """Whether a reader that forgives bad UTF-8, as ours does, finds an envelope in the body."""
    try:
        document = json.loads(body.decode(errors="replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and isinstance(document.get("entry"), list)


@tries(30)
@given(body=st.binary(max_size=300))
def test_bytes_at_random_are_refused_and_change_nothing(intake: Intake, body: bytes) -> None:
    intake.expect_nothing(intake.webhook.post(body), 400)


@tries(50)
@given(document=_any_json)
def test_json_at_random_is_refused_or_found_empty(intake: Intake, document: object) -> None:
    body = json.dumps(document).encode()
    intake.expect_nothing(intake.webhook.post(body), 200 if _is_envelope(body) else 400)


@tries(30)
@given(data=st.data())
def test_a_body_cut_anywhere_is_refused_and_changes_nothing(
    intake: Intake, data: st.DataObject
) -> None:
    body = intake.good_post(intake.entry())
    cut = somewhere(data, len(body))
    intake.expect_nothing(intake.webhook.post(body[:cut]), 400)


@tries(50)
@given(data=st.data())
def test_a_body_with_bytes_replaced_is_taken_or_refused_but_never_half_understood(
    intake: Intake, data: st.DataObject
) -> None:
    entry = intake.entry()
    body = bytearray(intake.good_post(entry))
    for _ in range(data.draw(st.integers(1, 4))):
        body[somewhere(data, len(body))] = data.draw(st.integers(0, 255))
    answer = intake.webhook.post(bytes(body))
    assert answer.status in (200, 400), answer
    changed = intake.look()
    # One place of the entry's id may have become another's, which then has another reference.
    assert changed <= entry.places, changed
    if answer.status == 400:
        assert changed == set()


@tries(30)
@given(
    broken=st.sampled_from(
        [b"\xff", b"\xc3", b"\xc0\x80", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xe2\x82"]
    ),
    data=st.data(),
)
def test_bytes_that_are_no_utf_8_lose_no_other_report(
    intake: Intake, broken: bytes, data: st.DataObject
) -> None:
    entry, spoilt = intake.entry(), intake.entry()
    body = intake.good_post(entry, spoilt)
    name = spoilt.message_id.encode()
    at = body.index(name) + somewhere(data, len(name) + 1)
    answer = intake.webhook.post(body[:at] + broken + body[at:])
    # Its reference still names the other one.
    intake.expect_delivered(answer, [entry], also=spoilt.places)


@pytest.mark.parametrize("opening", [b"[", b'{"entry":', b'{"entry":[{"changes":'])
def test_a_body_nested_without_end_is_refused(intake: Intake, opening: bytes) -> None:
    body = (opening * HOPELESS_DEPTH)[: LIMIT - 1]
    intake.expect_nothing(intake.webhook.post(body), 400)


@pytest.mark.parametrize(
    "place", ["id", "status", "timestamp", "biz_opaque_callback_data", "errors", "pricing"]
)
def test_a_value_nested_without_end_loses_no_other_report(intake: Intake, place: str) -> None:
    entry, spoilt = intake.entry(), intake.entry()
    reports = [entry.report(), {**spoilt.report(), place: "@"}]
    marked = encoded(envelope(change(reports)))
    deep = b"[" * HOPELESS_DEPTH + b"]" * HOPELESS_DEPTH
    answer = intake.webhook.post(marked.replace(b'"@"', deep))
    intake.expect_delivered(answer, [entry], also=spoilt.places)


@pytest.mark.parametrize("size", [PROVIDERS_LIMIT, PROVIDERS_LIMIT + 1, LIMIT])
def test_a_body_as_large_as_the_provider_sends_them_is_taken(intake: Intake, size: int) -> None:
    entry = intake.entry()
    body = intake.good_post(entry)
    answer = intake.webhook.post(body + b" " * (size - len(body)))
    intake.expect_delivered(answer, [entry])


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_body_beyond_the_limit_changes_nothing(intake: Intake, is_announced: bool) -> None:
    body = intake.good_post(intake.entry())
    body += b" " * (LIMIT + 1 - len(body))
    if is_announced:
        intake.expect_nothing(intake.webhook.post(body), 413)
    else:
        chunks = [body[start : start + 100_000] for start in range(0, len(body), 100_000)]
        headers = {"X-Hub-Signature-256": signature(body)}
        intake.expect_nothing(
            intake.webhook.request("POST", PATH, body=chunks, headers=headers), 413
        )


@tries(25)
@given(data=st.data())
def test_a_body_in_chunks_of_any_size_is_one_body(intake: Intake, data: st.DataObject) -> None:
    entry = intake.entry()
    body = intake.good_post(entry)
    cuts = sorted(
        {1 + somewhere(data, len(body) - 1) for _ in range(data.draw(st.integers(0, 30)))}
    )
    chunks = [body[a:b] for a, b in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    headers = {"X-Hub-Signature-256": signature(body)}
    answer = intake.webhook.request("POST", PATH, body=chunks, headers=headers)
    intake.expect_delivered(answer, [entry])


@pytest.mark.parametrize("name", ["gzip", "deflate", "br", "identity", "gzip, gzip", "x" * 2000])
@pytest.mark.parametrize("is_packed", [True, False])
def test_a_content_encoding_is_never_believed(intake: Intake, name: str, is_packed: bool) -> None:
    # The signature is over the bytes as they came; unpacking them could make gigabytes of a few.
    entry = intake.entry()
    plain = intake.good_post(entry)
    body = (gzip.compress if "gzip" in name else zlib.compress)(plain) if is_packed else plain
    headers = {"Content-Encoding": name, "X-Hub-Signature-256": signature(body, SECRET)}
    answer = intake.webhook.request("POST", PATH, body=body, headers=headers)
    if is_packed:
        intake.expect_nothing(answer, 400)
    else:
        intake.expect_delivered(answer, [entry])
