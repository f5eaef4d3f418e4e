"""Which message a report is about: nobody moves another one's, whatever the reference says."""

import random
from typing import Final
from uuid import uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from support.database import Connection, Database
from webhook.conftest import Start
from webhook.fuzzing import tries
from webhook.intake import SECOND_SENDER, Entry, Intake, Sending, one
from webhook.provider import (
    OTHER_APP,
    OTHER_SECRET,
    SENDER,
    Json,
    change,
    encoded,
    envelope,
    status,
)

UNKNOWN_SENDER: Final = "999999999999999"
OTHER_PATH: Final = f"/delivery-webhook/whatsapp/{OTHER_APP}"


def _told_of(entry: Entry, *, reference: str | None = None, message_id: str | None = None) -> Json:
    """Return a report of delivery with another reference, or under another id."""
    return status(
        message_id or entry.message_id,
        status="delivered",
        biz_opaque_callback_data=entry.reference if reference is None else reference,
    )


def _part(entry: Entry, position: int, value: object) -> str:
    parts = entry.reference.split(":")
    parts[position] = str(value)
    return ":".join(parts)


@pytest.mark.parametrize("owner", ["second", "of_other_app", "of_other_tenant"])
def test_nobody_reports_about_a_message_of_another_account(intake: Intake, owner: str) -> None:
    sending: Sending = getattr(intake, owner)
    others = intake.entry_of(sending)
    own = intake.entry()
    new_id = f"wamid.{uuid4()}"
    reports = [
        # As it is, but from a number that did not send it.
        _told_of(others),
        _told_of(others, message_id=new_id),
        _told_of(others, reference=""),
        # Its reference on a message of ours, and ours on its.
        _told_of(own, reference=others.reference),
        _told_of(others, reference=own.reference),
        # Its campaign with our entry, and our campaign with its entry.
        _told_of(own, reference=_part(own, 1, others.campaign_id), message_id=new_id),
        _told_of(own, reference=_part(own, 2, others.id), message_id=new_id),
        _told_of(own, reference=_part(own, 1, sending.account), message_id=new_id),
    ]
    good = intake.entry()
    answer = intake.webhook.report(*reports[:4], good.report(), *reports[4:])
    # Our id under a reference that names nothing here is still our message.
    intake.expect_delivered(answer, [good], also=own.places)
    assert intake.delivery(others) is None


def test_another_id_under_a_right_reference_moves_nothing(intake: Intake) -> None:
    entry, other = intake.entry(), intake.entry()
    reports = [
        _told_of(entry, message_id=message_id)
        for message_id in (f"wamid.{uuid4()}", entry.message_id.upper(), other.message_id, " ")
    ]
    intake.expect_nothing(intake.webhook.report(*reports), 200)


@pytest.mark.parametrize("letter", ["x", "é", "\U0001f600"])
def test_a_lost_message_is_found_by_an_id_as_long_as_ids_may_be_and_by_no_longer_one(
    database: Database, connection: Connection, start: Start, letter: str
) -> None:
    # In a database of its own: replies that are lost give the account a rest.
    intake = Intake(start(database.worker_url).webhook, connection)
    [entry] = intake.sending.campaign(1, outcome="ambiguous")
    intake.look()
    for length in (501, 502, 700, 5000):
        report = _told_of(entry, message_id=letter * length)
        intake.expect_nothing(intake.webhook.report(report), 200)
    # Each letter another one, so that the index cannot pack them.
    letters = [chr(ord(letter) + n % 64) for n in random.Random(1).choices(range(64), k=500)]
    report = _told_of(entry, message_id="".join(letters))
    intake.expect_delivered(intake.webhook.report(report), [entry])
    assert intake.violations() == []


def test_a_report_signed_by_the_wrong_app_moves_nothing_in_any_account(intake: Intake) -> None:
    entries = [
        intake.entry(),
        intake.entry_of(intake.second),
        intake.entry_of(intake.of_other_tenant),
    ]
    of_the_app = intake.entry_of(intake.of_other_app)
    body = intake.good_post(*entries, of_the_app)
    answer = intake.webhook.post(body, path=OTHER_PATH, secret=OTHER_SECRET)
    intake.expect_delivered(answer, [of_the_app])
    # Nor does it keep the right one from applying later.
    intake.expect_delivered(intake.webhook.post(intake.good_post(*entries)), entries)


_valid_uuids: Final = st.uuids().map(str)
_numbers: Final = st.integers(0, 5_000) | st.sampled_from(
    [2**31 - 1, 2**31, 10**9 - 1, 10**18 - 1, 2**63 - 1, 2**63, 10**20]
)
_forms: Final = st.one_of(
    st.builds("so1:{}:{}:{}".format, _valid_uuids, _numbers, _numbers),
    st.from_regex(r"so[0-9]:[0-9a-f-]{36}:[0-9]{1,20}:[0-9]{1,11}", fullmatch=True),
    st.from_regex(r"(so1)?(:[0-9a-fx:-]{0,40}){0,6}", fullmatch=True),
)


@tries(40)
@given(reference=_forms, has_known_id=st.booleans())
@example(reference=f"so1:{uuid4()}:{10**18 - 1}:{10**9 - 1}", has_known_id=False)
@example(reference=f"so1:{uuid4()}:{2**63}:1", has_known_id=False)
@example(reference=f"so1:{uuid4()}:1:{2**31}", has_known_id=False)
def test_a_reference_of_valid_form_that_names_nothing_moves_nothing(
    intake: Intake, reference: str, has_known_id: bool
) -> None:
    good, spoilt = intake.entry(), intake.entry()
    message_id = spoilt.message_id if has_known_id else f"wamid.{uuid4()}"
    answer = intake.webhook.report(
        _told_of(spoilt, reference=reference, message_id=message_id), good.report()
    )
    # What has a known id is that message, whatever stands in its reference.
    intake.expect_delivered(answer, [good], also=spoilt.places if has_known_id else ())


@tries(40)
@given(
    position=st.integers(0, 3),
    value=_numbers | st.integers(-1, 10**20) | st.text(max_size=40) | _valid_uuids,
)
def test_a_reference_with_one_part_of_another_moves_nothing(
    intake: Intake, position: int, value: object
) -> None:
    entry = intake.entry()
    reference = _part(entry, position, value)
    is_a_later_attempt = position == 3 and str(value).isascii() and str(value).isdigit()
    if is_a_later_attempt:
        # That of a claim that was lost is evidence, not nonsense, and has its own test below.
        reference = _part(entry, 3, "0")
    answer = intake.webhook.report(
        _told_of(entry, reference=reference, message_id=f"wamid.{uuid4()}")
    )
    intake.expect_nothing(answer, 200)


@pytest.mark.parametrize("attempt", ["0", "00000000001", "9999999999", "-1", "1.0", ""])
def test_an_attempt_that_cannot_be_is_none(intake: Intake, attempt: str) -> None:
    entry = intake.entry()
    reference = _part(entry, 3, attempt)
    answer = intake.webhook.report(
        _told_of(entry, reference=reference, message_id=f"wamid.{uuid4()}")
    )
    intake.expect_nothing(answer, 200)


def test_an_attempt_that_nobody_here_made_is_shown_and_unmakes_none(
    database: Database, connection: Connection, start: Start
) -> None:
    # A database that lost commits in a fail-over never knew of it, so it counts as evidence. In a
    # database of its own, because verify_invariants shows it for ever.
    intake = Intake(start(database.worker_url).webhook, connection)
    for attempt in (2, 999_999_999):
        entry = intake.entry()
        reference = _part(entry, 3, attempt)
        answer = intake.webhook.report(
            _told_of(entry, reference=reference, message_id=f"wamid.{uuid4()}")
        )
        assert answer.status == 200
        assert intake.look() <= entry.places
        kept = one(
            connection,
            "select provider_message_id from public.send_queue where id = %s",
            entry.id,
        )
        assert kept == entry.message_id
        assert ("attempt_was_handed_out", entry.id) in {
            (violation[1], violation[3]) for violation in intake.violations()
        }
        intake.expect_delivered(intake.webhook.report(entry.report()), [entry])


@tries(20)
@given(seed=st.integers(0, 2**32), size=st.integers(2, 14))
def test_several_accounts_entries_and_changes_in_one_post_all_apply_among_nonsense(
    intake: Intake, seed: int, size: int
) -> None:
    shuffle = random.Random(seed)
    accounts = [intake.sending, intake.second, intake.of_other_tenant]
    good = [intake.entry_of(shuffle.choice(accounts)) for _ in range(size)]
    lost = intake.entry()
    changes: list[Json] = [change([entry.report()], sender=entry.sender) for entry in good]
    changes += [
        None,
        {"field": "messages", "value": []},
        change([lost.report()], sender=UNKNOWN_SENDER),
        change([lost.report()], sender=SECOND_SENDER),
        change([status("wamid.of.nobody", biz_opaque_callback_data=None)], sender=SENDER),
        change(None),
        change({}),
        change([[], None]),
    ]
    shuffle.shuffle(changes)
    document = envelope()
    document["entry"] = [7, None, {"id": "1"}]
    while changes:
        take = shuffle.randint(1, 4)
        document["entry"].append({"id": "2", "changes": changes[:take]})
        changes = changes[take:]
    intake.expect_delivered(intake.webhook.post(encoded(document)), good)
    assert intake.delivery(lost) is None


@tries(25)
@given(sender=st.text(max_size=30) | st.integers() | st.none() | st.lists(st.just(SENDER)))
def test_a_sender_that_nobody_knows_moves_nothing(intake: Intake, sender: Json) -> None:
    entry = intake.entry()
    part = change([entry.report()])
    part["value"]["metadata"]["phone_number_id"] = sender
    intake.expect_nothing(intake.webhook.post(encoded(envelope(part))), 200)
