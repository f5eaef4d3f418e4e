"""One valid report, and everything that can be wrong with any part of it, beside a good one."""

import copy
import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.fuzzing import tries
from webhook.intake import Entry, Intake, Place
from webhook.provider import Json, Webhook, change

# A key that ends so is written without it: the key stands twice in the object.
_AGAIN: Final = "\ue000again"
# Stands where something follows that Python's JSON does not write.
_RAW: Final = "\ue000raw"

_REPLACEMENTS: Final[dict[str, Json]] = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "a number": 7,
    "a negative number": -1.5,
    "a number beyond all integers": 10**400,
    "a number beyond all floats": _RAW + "1e999",
    "minus zero": _RAW + "-0.0",
    "an empty text": "",
    "a text": "text",
    "a text that looks like a number": "NaN",
    "an empty list": [],
    "a list": ["text", None, 1],
    "a list in lists": [[[[[]]]]],
    "an empty object": {},
    "an object": {"id": "text", "code": 1, "__proto__": {"status": "read"}, "toString": None},
}

_TWICE: Final[tuple[Json, ...]] = (None, 7, {})

# Python reads these, and JSON has none of them.
_NO_JSON: Final = ("NaN", "Infinity", "-Infinity", "undefined", "0x10", "'text'", "01", "+1", "")

# A step is a key or a position.
Path = tuple[str | int, ...]

# Without these a report says nothing, or not of this message.
_VITAL: Final[set[Path]] = {
    ("changes", 0, "value", "metadata", "phone_number_id"),
    ("changes", 0, "value", "statuses", 0, "id"),
    ("changes", 0, "value", "statuses", 0, "status"),
}


def _valid(entry: Entry) -> Json:
    """Return an entry of the envelope with a report in which every field is filled."""
    report = entry.report(
        "failed",
        conversation={"id": "c", "origin": {"type": "marketing"}},
        errors=[
            {
                "code": 131026,
                "title": "Message undeliverable",
                "message": "Message undeliverable",
                "error_data": {"details": "Message Undeliverable."},
                "href": "https://example.org/errors",
            }
        ],
    )
    return {"id": "102290129340398", "changes": [change([report], sender=entry.sender)]}


def _paths(node: Json, path: Path = ()) -> Iterator[Path]:
    """Yield the way to every node, the outermost first."""
    yield path
    if isinstance(node, dict | list):
        for step, inner in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _paths(inner, (*path, step))


_SHAPE: Final = _valid(Entry(1, "campaign", "sender", "wamid", "reference"))
_PATHS: Final = list(_paths(_SHAPE))


def _name(path: Path) -> str:
    return ".".join(map(str, path)) or "entry"


def _mutated(document: Json, path: Path, change: str, value: Json) -> Json:
    """Return a copy in which the node at `path` is replaced, dropped, or there twice."""
    if not path:
        return value if change != "drop" else []
    document = copy.deepcopy(document)
    parent: Any = document
    for step in path[:-1]:
        parent = parent[step]
    last: Any = path[-1]
    if change == "drop":
        del parent[last]
    elif change == "replace":
        parent[last] = value
    elif isinstance(parent, list):
        parent.insert(last if change == "before" else last + 1, value)
    elif change == "before":
        kept = parent.pop(last)
        parent[last + _AGAIN] = value
        parent[last] = kept
    else:
        parent[last + _AGAIN] = value
    return document


def _encoded(document: Json) -> bytes:
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    text = text.replace(_AGAIN, "")
    for value in _REPLACEMENTS.values():
        if isinstance(value, str) and value.startswith(_RAW):
            text = text.replace(f'"{value}"', value.removeprefix(_RAW))
    return text.encode()


def _body(*entries: Json) -> bytes:
    return _encoded({"object": "whatsapp_business_account", "entry": list(entries)})


def _good(entry: Entry) -> Json:
    return {"id": "1", "changes": [change([entry.report()], sender=entry.sender)]}


def _allowed(intake: Intake, *spoilt: Entry) -> set[Place]:
    """Return what spoilt reports may move: messages, and the account where 0 became a code."""
    places = {place for entry in spoilt for place in entry.places}
    return places | {("provider_accounts", intake.sending.account)}


@pytest.mark.parametrize("path", _PATHS, ids=_name)
def test_a_part_that_is_not_what_it_should_be_loses_no_other_report(
    intake: Intake, path: Path
) -> None:
    good = intake.entry()
    mutations: list[tuple[str, Json]] = [
        ("drop", None),
        *(("replace", value) for value in _REPLACEMENTS.values()),
        *((place, value) for place in ("before", "after") for value in _TWICE),
    ]
    spoilt = [intake.entry() for _ in mutations]
    strange = [
        _mutated(_valid(entry), path, mutation, value)
        for entry, (mutation, value) in zip(spoilt, mutations, strict=True)
    ]
    middle = len(strange) // 2
    answer = intake.webhook.post(_body(*strange[:middle], _good(good), *strange[middle:]))
    intake.expect_delivered(answer, [good], also=_allowed(intake, *spoilt))
    if path in _VITAL:
        for entry, (mutation, value) in zip(spoilt, mutations, strict=True):
            # Of a key that stands twice the last counts.
            expected = "undelivered" if mutation == "before" else None
            assert intake.delivery(entry) == expected, (mutation, value)


@pytest.mark.parametrize("kind", _REPLACEMENTS)
def test_an_envelope_that_is_not_what_it_should_be_is_refused_whole_or_read(
    intake: Intake, kind: str
) -> None:
    value = _REPLACEMENTS[kind]
    in_place_of_an_entry, in_place_of_the_product, never_read = (intake.entry() for _ in range(3))

    answer = intake.webhook.post(_body(value, _good(in_place_of_an_entry)))
    intake.expect_delivered(answer, [in_place_of_an_entry])

    document = {"object": value, "entry": [_good(in_place_of_the_product)]}
    answer = intake.webhook.post(_encoded(document))
    if kind.startswith("a text"):
        # The name of another product, whose statuses are none of ours.
        intake.expect_nothing(answer, 200)
    else:
        intake.expect_delivered(answer, [in_place_of_the_product])

    answer = intake.webhook.post(_encoded({"entry": value, "entries": [_good(never_read)]}))
    intake.expect_nothing(answer, 200 if isinstance(value, list) else 400)
    intake.expect_nothing(intake.webhook.post(_encoded(value)), 400)


def test_words_that_are_no_json_make_the_whole_body_none(intake: Intake) -> None:
    body = _body({**_good(intake.entry()), "id": "@"})
    for word in _NO_JSON:
        intake.expect_nothing(intake.webhook.post(body.replace(b'"@"', word.encode())), 400)


_any_value = st.recursive(
    st.sampled_from(list(_REPLACEMENTS.values()))
    | st.text(max_size=30)
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4)
    ),
    max_leaves=6,
).filter(lambda value: value != 131050)


@tries(50)
@given(
    mutations=st.lists(
        st.tuples(
            st.sampled_from(_PATHS[1:]),
            st.sampled_from(["drop", "replace", "before", "after"]),
            _any_value,
        ),
        min_size=2,
        max_size=6,
    ),
    good_is_first=st.booleans(),
)
def test_several_things_wrong_at_once_lose_no_other_report(
    intake: Intake, mutations: list[tuple[Path, str, Json]], good_is_first: bool
) -> None:
    good, spoilt = intake.entry(), intake.entry()
    strange = _valid(spoilt)
    for path, change_, value in mutations:
        try:
            strange = _mutated(strange, path, change_, value)
        except (LookupError, TypeError, AttributeError):
            continue  # An earlier mutation took this place away.
    entries = [_good(good), strange] if good_is_first else [strange, _good(good)]
    try:
        body = _body(*entries)
    except UnicodeEncodeError:
        body = json.dumps({"entry": entries}).replace("\\ue000again", "").encode()
    answer = intake.webhook.post(body)
    intake.expect_delivered(answer, [good], also=_allowed(intake, spoilt))


@tries(30)
@given(strange=st.lists(_any_value, min_size=1, max_size=8), place=st.integers(0, 8))
def test_anything_in_the_list_of_statuses_loses_none_of_its_neighbours(
    intake: Intake, strange: list[Json], place: int
) -> None:
    before, after = intake.entry(), intake.entry()
    statuses = [before.report(), *strange]
    statuses.insert(place, after.report())
    answer = _post(intake.webhook, statuses)
    intake.expect_delivered(answer, [before, after])


def _post(webhook: Webhook, statuses: list[Json]) -> Any:
    try:
        return webhook.post(_body({"id": "1", "changes": [change(statuses)]}))
    except UnicodeEncodeError:
        return webhook.report(*statuses)
