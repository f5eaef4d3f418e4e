"""The same POST again and again, and arrays as long as a body can hold."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.fuzzing import tries
from webhook.intake import Intake
from webhook.provider import SENDER, Json, change, encoded, envelope, status

WORDS: Final = ("sent", "delivered", "read", "played", "failed", "deleted", "warning", "nonsense")
STATUS_LIMIT: Final = 100_000


def test_a_post_that_comes_many_times_at_once_counts_once(intake: Intake) -> None:
    entries = [intake.entry() for _ in range(5)]
    body = intake.good_post(*entries)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: intake.webhook.post(body), range(60)))
    assert {answer.status for answer in answers} == {200}
    intake.expect_delivered(answers[0], entries)
    for _ in range(10):
        intake.expect_nothing(intake.webhook.post(body), 200)


@tries(12)
@given(
    words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5),
    seed=st.integers(0, 2**32),
    code=st.sampled_from([None, 131026, 131049, 7]),
)
def test_reports_in_any_order_and_number_end_in_the_same_row(
    intake: Intake, words: list[str], seed: int, code: int | None
) -> None:
    query = (
        "select status, delivery_status, delivery_error_code, sent_at, delivered_at, read_at"
        " from public.send_queue where id = any (%s)"
    )
    shuffle = random.Random(seed)
    once, often = intake.entry(), intake.entry()
    errors: list[Json] = [] if code is None else [{"code": code}]
    times = [str(1_795_000_000 + n) for n in range(len(words))]
    told = list(zip(words, times, strict=True))

    def reports(of: list[tuple[str, str]], again: bool) -> list[Json]:
        entry = often if again else once
        return [entry.report(word, timestamp=at, errors=errors) for word, at in of]

    assert intake.webhook.report(*reports(told, False)).status == 200
    many = told * 3
    shuffle.shuffle(many)
    size = shuffle.randint(2, len(many))
    for start in range(0, len(many), size):
        assert intake.webhook.report(*reports(many[start : start + size], True)).status == 200
    assert intake.look() <= once.places | often.places
    rows = intake.connection.execute(query, [[once.id, often.id]]).fetchall()
    assert len(rows) == 2
    assert rows[0] == rows[1]


def test_a_long_array_of_strangers_is_taken_with_the_good_report_in_it(intake: Intake) -> None:
    number = 10_000
    good = intake.entry()
    statuses: list[Json] = [{"id": f"wamid.{number}.{n}", "status": "read"} for n in range(number)]
    statuses[number // 2] = good.report()
    before = intake.logged()
    intake.expect_delivered(intake.webhook.report(*statuses), [good])
    assert intake.logged() == before + number


def test_an_array_at_the_limit_is_taken_with_the_good_report_in_it(intake: Intake) -> None:
    good = intake.entry()
    strange = ["0", "{}", "null", '{"id":1}', '[{"status":"read"}]']
    body = encoded(envelope(change(["@", good.report()])))
    body = body.replace(b'"@"', ",".join((strange * STATUS_LIMIT)[: STATUS_LIMIT - 1]).encode())
    before = intake.logged()
    intake.expect_delivered(intake.webhook.post(body), [good])
    assert intake.logged() == before + STATUS_LIMIT


@pytest.mark.parametrize("number", [STATUS_LIMIT, 1_000_000])
def test_an_array_beyond_the_limit_is_refused_whole(intake: Intake, number: int) -> None:
    body = encoded(envelope(change(["@", intake.entry().report()])))
    body = body.replace(b'"@"', ",".join(["{}"] * number).encode())
    before = intake.logged()
    intake.expect_nothing(intake.webhook.post(body), 413)
    assert intake.logged() == before


def test_a_long_sender_over_a_long_array_is_not_written_out_for_each(intake: Intake) -> None:
    # 1 MB in each of 10,000 reports would be 10 GB.
    body = encoded(envelope(change(["@"], sender=SENDER + "9" * 1_000_000)))
    body = body.replace(b'"@"', ",".join(["{}"] * 10_000).encode())
    intake.expect_nothing(intake.webhook.post(body), 200)


def test_long_lists_around_the_statuses_are_read_to_their_end(intake: Intake) -> None:
    good = intake.entry()
    document = envelope()
    document["entry"] = [
        *[{}] * 100_000,
        *[None] * 50_000,
        {"changes": [*[{"value": {}}] * 100_000, *[7] * 50_000, change([good.report()])]},
    ]
    answer = intake.webhook.post(encoded(document))
    intake.expect_delivered(answer, [good])
    assert answer.json() == {"statuses": 1, "other_changes": 100_000, "unreadable": 100_000}


def test_a_post_in_its_own_time_while_a_long_array_is_taken(intake: Intake) -> None:
    good = intake.entry()
    long = [status(f"wamid.long.{n}", biz_opaque_callback_data=None) for n in range(12_000)]
    with ThreadPoolExecutor(8) as pool:
        large = pool.submit(intake.webhook.report, *long)
        small = [pool.submit(intake.webhook.report, good.report()) for _ in range(20)]
        assert {post.result().status for post in [*small, large]} == {200}
    intake.expect_delivered(large.result(), [good])
