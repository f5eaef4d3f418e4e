"""Everything in a POST reaches SQL, in one call and in the provider's own words."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from webhook.conftest import HandedOver, Running
from webhook.provider import (
    APP,
    SENDER,
    Webhook,
    change,
    encoded,
    envelope,
    other_change,
    status,
)


def _ids(reports: list[dict[str, Any]]) -> list[Any]:
    return [report["provider_message_id"] for report in reports]


def test_a_status_is_handed_over_unchanged(webhook: Webhook, handed_over: HandedOver) -> None:
    answer = webhook.report(
        status(
            "wamid.HBgN",
            status="failed",
            timestamp="1764000000123",
            errors=[
                {
                    "code": 131049,
                    "title": "the title",
                    "message": "the message",
                    "error_data": {"details": "the details"},
                },
                {"code": 1, "title": "a second error"},
            ],
        )
    )
    assert answer.status == 200
    assert handed_over() == [
        [
            {
                "app": APP,
                "sender": SENDER,
                "provider_message_id": "wamid.HBgN",
                "status": "failed",
                "timestamp": "1764000000123",
                "reference": "so1:campaign:wamid.HBgN:1",
                "code": "131049",
                "message": "the details",
                "category": "marketing",
                "pricing_type": "regular",
            }
        ]
    ]


def test_what_a_status_does_not_say_is_null(webhook: Webhook, handed_over: HandedOver) -> None:
    assert webhook.report({"id": "wamid.1", "status": "played"}).status == 200
    assert handed_over() == [
        [
            {
                "app": APP,
                "sender": SENDER,
                "provider_message_id": "wamid.1",
                "status": "played",
                "timestamp": None,
                "reference": None,
                "code": None,
                "message": None,
                "category": None,
                "pricing_type": None,
            }
        ]
    ]


@pytest.mark.parametrize(
    ("errors", "code", "message"),
    [
        ([{"code": 1, "title": "title", "message": "message"}], "1", "title"),
        ([{"code": "1", "message": "message"}], "1", "message"),
        ([{"code": 1, "title": "title", "error_data": {"details": ""}}], "1", "title"),
        ([{"code": 1, "error_data": "only text"}], "1", "only text"),
        ({"code": 1, "title": "no list"}, "1", "no list"),
        (["only text"], None, "only text"),
        ([], None, None),
        (None, None, None),
    ],
)
def test_an_error_gives_its_code_and_its_most_telling_text(
    webhook: Webhook, handed_over: HandedOver, errors: Any, code: str | None, message: str | None
) -> None:
    assert webhook.report(status("wamid.1", status="failed", errors=errors)).status == 200
    [[report]] = handed_over()
    assert (report["code"], report["message"]) == (code, message)


def test_every_entry_change_and_status_is_read_and_handed_over_in_one_call(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    document = envelope(
        change([status("a"), status("b")], sender="1"), change([status("c")], sender="2")
    )
    document["entry"].append({"id": "2", "changes": [change([status("d")], sender="3")]})
    document["entry"].append({"id": "3", "changes": []})
    document["entry"].append(
        {"id": "4", "changes": [other_change("account_update"), change([status("e")])]}
    )
    answer = webhook.post(encoded(document))
    assert answer.status == 200
    assert answer.json()["statuses"] == 5
    assert answer.json()["other_changes"] == 1
    [reports] = handed_over()
    assert _ids(reports) == ["a", "b", "c", "d", "e"]
    assert [report["sender"] for report in reports] == ["1", "1", "2", "3", SENDER]


@pytest.mark.parametrize(
    "changes",
    [
        [other_change("messages", messages=[{"from": "5511900000001", "id": "wamid.in"}])],
        [other_change("message_template_status_update", event="APPROVED")],
        [other_change("phone_number_quality_update"), other_change("user_preferences")],
        [],
    ],
)
def test_a_signed_post_without_statuses_is_taken_and_ignored(
    running: Running, handed_over: HandedOver, changes: list[Any]
) -> None:
    answer = running.webhook.post(encoded(envelope(*changes)))
    assert (answer.status, answer.json()) == (
        200,
        {"statuses": 0, "other_changes": len(changes), "unreadable": 0},
    )
    assert handed_over() == []


def test_statuses_beside_incoming_messages_are_read(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    both = change([status("wamid.1")])
    both["value"]["messages"] = [{"from": "5511900000001", "id": "wamid.in"}]
    assert webhook.post(encoded(envelope(both))).status == 200
    assert [_ids(reports) for reports in handed_over()] == [["wamid.1"]]


def test_another_product_of_the_provider_is_ignored(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    answer = webhook.post(encoded({**envelope(change([status("a")])), "object": "page"}))
    assert (answer.status, answer.json()["other_changes"]) == (200, 1)
    assert handed_over() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b"[]",
        b"null",
        b'"text"',
        b"{}",
        b'{"object":"whatsapp_business_account"}',
        b'{"object":"whatsapp_business_account","entry":{}}',
        encoded(envelope(change([status("a")])))[:-1],
    ],
)
def test_a_signed_body_that_is_no_envelope_is_unreadable(
    running: Running, handed_over: HandedOver, body: bytes
) -> None:
    assert running.webhook.post(body).status == 400
    assert handed_over() == []


_STRANGE: list[Any] = [
    None,
    7,
    "text",
    True,
    [],
    [["nested"]],
    {},
    {"id": 5, "status": 7, "timestamp": 1764000000},
    {"id": {"not": "text"}, "status": ["sent"], "pricing": "free", "errors": 3},
    {"id": "x", "status": None, "timestamp": None, "errors": [None], "pricing": None},
    {"id": True, "status": "sent", "biz_opaque_callback_data": 1.5},
    {"__proto__": {"id": "x"}, "constructor": 1},
]


@pytest.mark.parametrize("strange", _STRANGE)
def test_a_strange_status_is_handed_over_and_fails_no_other(
    webhook: Webhook, handed_over: HandedOver, strange: Any
) -> None:
    answer = webhook.report(status("before"), strange, status("after"))
    assert answer.status == 200
    [reports] = handed_over()
    assert len(reports) == 3
    assert (_ids(reports)[0], _ids(reports)[2]) == ("before", "after")
    assert all(value is None or isinstance(value, str) for value in reports[1].values())


def test_values_of_another_type_are_handed_over_as_their_json_text(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    webhook.report({"id": {"a": 1}, "status": ["sent"], "timestamp": 1764000000}, 7)
    [[first, second]] = handed_over()
    assert (first["provider_message_id"], first["status"]) == ('{"a":1}', '["sent"]')
    assert first["timestamp"] == "1764000000"
    assert (second["provider_message_id"], second["message"]) == (None, "7")


def test_a_status_nested_beyond_reason_fails_no_other(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    depth = 100_000
    deep = "[" * depth + "]" * depth
    body = encoded(envelope(change([status("before"), {"id": "@"}, status("after")])))
    assert webhook.post(body.replace(b'"@"', deep.encode())).status == 200
    [reports] = handed_over()
    assert (_ids(reports)[0], _ids(reports)[2]) == ("before", "after")


@pytest.mark.parametrize(
    "part",
    [
        None,
        "text",
        {"field": "messages"},
        {"field": "messages", "value": None},
        {"field": "messages", "value": ["statuses"]},
    ],
)
def test_an_unreadable_part_is_counted_and_the_rest_is_taken(
    running: Running, handed_over: HandedOver, part: Any
) -> None:
    answer = running.webhook.post(encoded(envelope(part, change([status("a")]))))
    assert (answer.status, answer.json()["unreadable"]) == (200, 1)
    assert [_ids(reports) for reports in handed_over()] == [["a"]]
    document = envelope(change([status("b")]))
    document["entry"].insert(0, "no entry")
    answer = running.webhook.post(encoded(document))
    assert (answer.status, answer.json()["unreadable"]) == (200, 1)
    assert [_ids(reports) for reports in handed_over()] == [["a"], ["b"]]


def test_a_single_status_where_a_list_belongs_is_taken(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    assert webhook.post(encoded(envelope(change(status("a"))))).status == 200
    assert [_ids(reports) for reports in handed_over()] == [["a"]]


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        (b"a\\u0000b", "a\u2400b"),
        (b"a\\ud800b", "a\ufffdb"),
        (b"a\\udc00", "a\ufffd"),
        (b"\\ud83d\\ude00", "\U0001f600"),
        ("Olá 😀 שלום".encode(), "Olá 😀 שלום"),
        (b"\\\\u0000", "\\u0000"),
        (b"a\xffb", "a\ufffdb"),
        (b'it\'s \\"quoted\\" $1 \\\\', 'it\'s "quoted" $1 \\'),
    ],
)
def test_characters_that_cannot_be_stored_are_replaced_visibly_and_all_others_kept(
    webhook: Webhook, handed_over: HandedOver, raw: bytes, stored: str
) -> None:
    document = envelope(
        change(
            [
                status("@", biz_opaque_callback_data="@", errors=[{"code": 1, "title": "@"}]),
                {"id": {"@": "@"}},
            ]
        )
    )
    assert webhook.post(encoded(document).replace(b"@", raw)).status == 200
    [[first, second]] = handed_over()
    assert first["provider_message_id"] == stored
    assert first["reference"] == stored
    assert first["message"] == stored
    assert "\u0000" not in second["provider_message_id"]


def test_a_byte_order_mark_does_no_harm(webhook: Webhook, handed_over: HandedOver) -> None:
    body = b"\xef\xbb\xbf" + encoded(envelope(change([status("a")])))
    assert webhook.post(body).status == 200
    assert [_ids(reports) for reports in handed_over()] == [["a"]]


def test_ten_thousand_statuses_in_one_post_are_one_call(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    body = encoded(envelope(change([status(f"wamid.{n}") for n in range(10_000)])))
    assert 2_000_000 < len(body) < 3_000_000
    assert webhook.post(body).status == 200
    [reports] = handed_over()
    assert _ids(reports) == [f"wamid.{n}" for n in range(10_000)]


def test_more_statuses_than_the_provider_sends_in_one_post_are_several_calls(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    names = [f"wamid.{n}" for n in range(20_001)]
    answer = webhook.report(*({"id": name, "status": "sent"} for name in names))
    assert (answer.status, answer.json()["statuses"]) == (200, len(names))
    calls = handed_over()
    assert [len(reports) for reports in calls] == [10_000, 10_000, 1]
    assert [name for reports in calls for name in _ids(reports)] == names


def test_posts_at_the_same_time_are_all_taken_each_whole_in_one_call(
    webhook: Webhook, handed_over: HandedOver
) -> None:
    with ThreadPoolExecutor(32) as pool:
        answers = list(
            pool.map(lambda n: webhook.report(status(f"{n}.1"), status(f"{n}.2")), range(200))
        )
    assert {answer.status for answer in answers} == {200}
    pairs = [
        tuple(ids[start : start + 2])
        for ids in map(_ids, handed_over())
        for start in range(0, len(ids), 2)
    ]
    assert sorted(pairs) == sorted((f"{n}.1", f"{n}.2") for n in range(200))
