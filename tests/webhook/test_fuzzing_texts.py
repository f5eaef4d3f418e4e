"""Every character in every text, and every way to write a time."""

import json
from datetime import datetime
from typing import Any, Final

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webhook.fuzzing import tries
from webhook.intake import Intake, one
from webhook.provider import Json, change, encoded, envelope

_TELLING: Final = [
    "\x00",
    "so1:\x00",
    "\ud800",
    "\udc00\ud800",
    "👩\u200d👩\u200d👧\u200d👦",
    "\u202e\u05d0\u05d1\u2066abc\u2069",
    "e\u0301" * 3,
    "é" * 3,
    "\ufeff",
    "\ufffe\uffff\U0010ffff",
    "\u2028\u2029\x85\x1b[31m\x07\r\n",
    "Z" + "\u0300" * 2000,
    "😀" * 600,
    "\U0001f600" * 599 + "\ud83d",
    # Cut anywhere, it is cut within a pair for one of the two.
    "\U0001f600" * 1000,
    "x" + "\U0001f600" * 1000,
    "x" * 50_000,
    "' or 1=1; drop table public.send_queue; --",
    "$1 %s {} ${0} \\u0000 \\",
    '"},{"id":"',
    '{NULL,"a"}',
    "",
    " ",
]

# Lone surrogates and NUL included: they can be written in JSON.
_texts = st.sampled_from(_TELLING) | st.text(st.characters(exclude_categories=[]), max_size=60)


@tries(60)
@given(
    told=st.fixed_dictionaries(
        {},
        optional={
            "id": _texts,
            "status": _texts,
            "biz_opaque_callback_data": _texts,
            "timestamp": _texts,
            "recipient_id": _texts,
            "pricing": st.fixed_dictionaries({"type": _texts, "category": _texts}),
            "errors": st.lists(
                st.fixed_dictionaries(
                    {"code": _texts, "title": _texts, "error_data": _texts | st.just({})}
                ),
                max_size=3,
            ),
        },
    ),
    is_escaped=st.booleans(),
)
@example(told={"id": "\x00", "status": "\ud800", "biz_opaque_callback_data": ""}, is_escaped=True)
def test_any_text_anywhere_loses_no_other_report(
    intake: Intake, told: dict[str, Json], is_escaped: bool
) -> None:
    good, spoilt = intake.entry(), intake.entry()
    document = envelope(change([{**spoilt.report("sent"), **told}, good.report()]))
    if is_escaped:
        body = encoded(document)
    else:
        # Half a pair then comes as the three bytes that no UTF-8 has.
        body = json.dumps(document, ensure_ascii=False).encode(errors="surrogatepass")
    intake.expect_delivered(intake.webhook.post(body), [good], also=spoilt.places)


@pytest.mark.parametrize("text", _TELLING, ids=lambda text: ascii(text)[:20])
def test_a_telling_text_in_every_place_at_once_loses_no_other_report(
    intake: Intake, text: str
) -> None:
    good, spoilt = intake.entry(), intake.entry()
    everywhere = {
        **dict.fromkeys(("id", "status", "timestamp", "biz_opaque_callback_data"), text),
        "errors": [{"code": text, "title": text, "error_data": {text: text}, text: text}],
        text: {text: [text]},
    }
    in_its_message = spoilt.report(
        "failed", errors=[{"code": text, "title": text, "error_data": {"details": text}}]
    )
    document = envelope(
        change([everywhere, in_its_message]),
        change([good.report()]),
        change([everywhere], sender=text),
        {"field": text, "value": {text: text}},
        {"field": text, "value": text},
        {text: text},
        text,
    )
    document[text] = text
    answer = intake.webhook.post(encoded(document))
    intake.expect_delivered(answer, [good], also=spoilt.places)
    assert intake.delivery(spoilt) == "undelivered"


@tries(40)
@given(
    ending=st.text(st.characters(exclude_categories=[]), min_size=1, max_size=5).filter(
        # More digits make a later attempt, which a lost database may have made.
        lambda ending: not (ending.isascii() and ending.isdigit())
    )
)
@example(ending="\x00")
@example(ending=" ")
@example(ending="\n")
@example(ending="\u0301")
@example(ending="x" * 3000)
def test_an_id_or_reference_with_more_to_it_is_another(intake: Intake, ending: str) -> None:
    entry = intake.entry()
    report = entry.report()
    by_id = {**report, "id": entry.message_id + ending, "biz_opaque_callback_data": None}
    by_reference = {
        **report,
        "id": entry.message_id + ending,
        "biz_opaque_callback_data": entry.reference + ending,
    }
    intake.expect_nothing(intake.webhook.report(by_id, by_reference), 200)
    other_sender = change([report], sender=entry.sender + ending)
    intake.expect_nothing(intake.webhook.post(encoded(envelope(other_sender))), 200)


_TIMES: Final[list[Json]] = [
    "0",
    "-1",
    "1",
    "-1764000000",
    "1764000000",
    "1764000000000",
    "1764000000000000",
    "99999999999",
    "99999999999999",
    "9" * 400,
    "253402300800",
    "1764000000.5",
    " 1764000000",
    "1764000000\n",
    "1e9",
    "+1764000000",
    "١٧٦٤٠٠٠٠٠٠",
    "2026-01-01T00:00:00Z",
    "now",
    "infinity",
    "-infinity",
    "epoch",
    "NaN",
    "",
    1764000000,
    1764000000000,
    1764000000.25,
    -1,
    0,
    10**30,
    1e308,
    True,
    None,
    [],
    {"seconds": 1},
]


def _is_sensible(connection: Any, entry_id: int) -> bool:
    query = (
        "select sent_at between sendonce.now() - interval '60 days' and sendonce.now()"
        " and delivered_at between sendonce.now() - interval '60 days' and sendonce.now()"
        " from public.send_queue where id = %s"
    )
    return one(connection, query, entry_id) is True


def test_every_way_to_write_a_time_applies_and_leaves_a_sensible_one(intake: Intake) -> None:
    entries = [intake.entry() for _ in _TIMES]
    reports = [entry.report(timestamp=time) for entry, time in zip(entries, _TIMES, strict=True)]
    answer = intake.webhook.report(*reports)
    intake.expect_delivered(answer, entries)
    for entry, time in zip(entries, _TIMES, strict=True):
        assert _is_sensible(intake.connection, entry.id), time


@tries(40)
@given(
    time=st.integers().map(str)
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.from_regex(r"[0-9]{1,20}", fullmatch=True)
    | st.datetimes().map(datetime.isoformat)
    | st.text(max_size=10)
)
def test_a_time_at_random_applies_and_leaves_a_sensible_one(intake: Intake, time: Json) -> None:
    entry = intake.entry()
    answer = intake.webhook.report(entry.report(timestamp=time))
    intake.expect_delivered(answer, [entry])
    assert _is_sensible(intake.connection, entry.id)
