"""Every class of the provider's errors, as the reply to a real worker's request and as a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from typing import Any, Final

from bad_days.support import (
    FAST_ACCOUNT,
    FAST_CONCURRENCY,
    FAST_WORKERS,
    SPEED,
    Campaign,
    Stage,
    accepted,
    assert_each_got_it_once,
    call,
    people,
    requests,
    rule,
    run_clock,
    webhook,
)
from sendonce.simulator.process import SimulatorProcess
from support.database import Database
from worker.support import Workers, wait_until

# What the provider's documentation says of its codes; not read from the tables under test.
TRANSIENT: Final = (2, 131016, 133004, 131057, 131053)
AMBIGUOUS: Final = (1, 131000)
TEMPLATE: Final = (132001, 132007, 132015, 132016, 132068, 132069)
ACCOUNT: Final = (0, 3, 10, 190, 200, 250, 299, 368, 131031, 131042, 131045, 131048, 131064, 133010)
THROTTLE: Final = ("4", "80007", "130429", "plain_429")
FAILING: Final[Mapping[str, Sequence[int]]] = {
    "content": (*(100, 131008, 131009, 131021, 131051, 132000, 132005, 132008, 132012, 135000),),
    "recipient": (131026, 130497, 130472, 131062),
    "needs_template": (131047,),
    "opt_out": (131050,),
    "unlisted": (33, 131005, 131037),
}
PAIR_THROTTLE: Final = 131056
RECIPIENT_LATER: Final = 131049
OPT_OUT: Final = 131050

#: How long each kind waits before the attempts that follow, in seconds, before jitter.
TRANSIENT_WAITS: Final = (5, 20)
PAIR_WAITS: Final = (4, 16, 64)
#: The share that chance may add; it takes nothing away.
JITTER: Final = 0.25


def fast_account(stage: Stage, **options: Any) -> str:
    """An account in the database whose clock runs fast."""
    return stage.account(**FAST_ACCOUNT, **options)


def gaps(campaign: Campaign, recipient: str) -> list[timedelta]:
    """Between each attempt and the next."""
    entry_id = campaign.entry(recipient)["id"]
    attempts = [attempt for attempt in campaign.attempts() if attempt["entry_id"] == entry_id]
    return [
        datetime.fromisoformat(after["claimed_at"]) - datetime.fromisoformat(before["claimed_at"])
        for before, after in pairwise(attempts)
    ]


def assert_waits(campaign: Campaign, recipient: str, seconds: Sequence[int]) -> None:
    """It was tried again so often, and each time no sooner than this."""
    waited = gaps(campaign, recipient)
    assert len(waited) == len(seconds)
    assert all(
        gap >= timedelta(seconds=least) for gap, least in zip(waited, seconds, strict=True)
    ), waited


@dataclass(frozen=True)
class Wait:
    """What the database decided when an entry came back."""

    answers: int
    """How often the provider had answered by then."""
    error_class: str
    due_at: str
    since_claim: float
    """Seconds from the claim of the attempt that failed: a little more than it waits."""
    since_record: float
    """Seconds from when that was written down: a little less."""

    def assert_lasts(self, seconds: float) -> None:
        """So long, and up to a quarter longer by chance."""
        assert self.since_claim >= seconds, self
        assert self.since_record <= seconds * (1 + JITTER), self


class Waits:
    """The waits that the database decides upon, seen while the entries wait."""

    def __init__(self, campaign: Campaign) -> None:
        self._campaign = campaign
        self._seen: dict[tuple[str, int], Wait] = {}

    def look(self) -> None:
        """Note what waits at this moment, and for how long."""
        rows = self._campaign.stage.connection.execute(
            "select q.recipient,"
            " (select count(*) from public.messages answer where answer.entry_id = q.id),"
            " q.error_class, q.due_at::text,"
            " extract(epoch from q.due_at - m.claimed_at)::double precision,"
            " extract(epoch from q.due_at - m.recorded_at)::double precision"
            " from public.send_queue q"
            " join public.messages m on m.entry_id = q.id and m.attempt = q.attempt"
            " where q.campaign_id = %s and q.status = 'ready' and q.error_class is not null",
            [self._campaign.id],
        ).fetchall()
        for recipient, answers, *decided in rows:
            self._seen[recipient, answers] = Wait(answers, *decided)

    def of(self, error_class: str) -> list[Wait]:
        """Those of this class."""
        return [wait for wait in self._seen.values() if wait.error_class == error_class]


def test_each_code_of_a_reply_does_to_its_contact_what_its_class_says(
    fast_stage: Stage, simulator: SimulatorProcess
) -> None:
    """One campaign in which every code happens to somebody; everybody else just gets it."""
    stage = fast_stage
    numbers = iter(people(150))
    plan: dict[str, str] = {}
    faults: list[str] = []

    def somebody(code: int, expected: str, attempts: int | None = None) -> str:
        who = next(numbers)
        plan[who] = expected
        faults.append(rule(code, [who], attempts=attempts))
        return who

    failing = {
        somebody(code, "failed"): (error_class, str(code))
        for error_class, codes in FAILING.items()
        for code in codes
    }
    once = [somebody(code, "sent", 1) for code in TRANSIENT]
    twice = somebody(TRANSIENT[0], "sent", 2)
    always = somebody(TRANSIENT[0], "failed")
    unknown = [somebody(code, "unknown") for code in AMBIGUOUS]
    pair = somebody(PAIR_THROTTLE, "sent", 3)
    later = somebody(RECIPIENT_LATER, "sent", 1)
    others = [next(numbers) for _ in range(60)]

    simulator.control.set_faults(fail_recipients=faults)
    account = fast_account(stage, maximum_rate=200)
    everybody = [*others[:30], *plan, *others[30:]]
    campaign = stage.campaign(everybody, account=account, template=stage.template())
    waits = Waits(campaign)

    def only_one_waits() -> bool:
        waits.look()
        return campaign.count("ready", "processing", "unknown") == 1

    wait_until(only_one_waits, "all but the one for tomorrow have their outcome")

    # Recipient later: no sooner than in a day, and the campaign stays open for it.
    [tomorrow] = waits.of("recipient_later")
    assert tomorrow.answers == 1
    tomorrow.assert_lasts(timedelta(days=1).total_seconds())
    assert campaign.entry(later)["tries"] == 1
    assert campaign.status == "running"
    run_clock(stage.connection, SPEED, leap=timedelta(hours=32))
    wait_until(lambda: campaign.is_completed, "a day later the last one goes out")
    assert gaps(campaign, later)[0] >= timedelta(days=1)

    entries = campaign.entries()
    asked = requests(simulator, campaign.id)
    for who, (error_class, code) in failing.items():
        row = entries[who]
        assert (row["status"], row["error_class"], row["error_code"]) == (
            "failed",
            error_class,
            code,
        )
        assert asked[who] == 1, row
    # Transient: three tries, further and further apart, each with a jitter of its own.
    for who in once:
        assert (entries[who]["status"], entries[who]["tries"], asked[who]) == ("sent", 1, 2)
        assert_waits(campaign, who, TRANSIENT_WAITS[:1])
    assert (entries[twice]["status"], entries[twice]["tries"], asked[twice]) == ("sent", 2, 3)
    assert_waits(campaign, twice, TRANSIENT_WAITS)
    assert (entries[always]["status"], entries[always]["error_class"]) == ("failed", "transient")
    assert (entries[always]["tries"], asked[always]) == (3, 3)
    assert_waits(campaign, always, TRANSIENT_WAITS)
    decided = waits.of("transient")
    # Those of one batch came back at the same moment, and go again at different ones.
    assert len({wait.due_at for wait in decided}) == len(decided) >= len(TRANSIENT)
    for wait in decided:
        wait.assert_lasts(TRANSIENT_WAITS[wait.answers - 1])
    # Pair throttle: this one person waits, 4, 16 and 64 seconds, and no try is used.
    assert (entries[pair]["status"], entries[pair]["tries"], asked[pair]) == ("sent", 0, 4)
    assert_waits(campaign, pair, PAIR_WAITS)
    # Ambiguous: never asked again; without a report it fails as what it is.
    for who in unknown:
        assert entries[who]["error_class"] == "outcome_unknown"
        assert asked[who] == 1
    # All others were not held up by any of this, nor was the account slowed or paused.
    assert all(asked[who] == 1 and entries[who]["status"] == "sent" for who in others)
    row = stage.account_row(account)
    assert (row["paused_at"], row["rate_cut_at"], row["current_rate"]) == (None, None, 200)
    listed = stage.discrepancies("unlisted_code")
    assert {found["detail"]["code"] for found in listed} == {
        str(code) for code in FAILING["unlisted"]
    }
    assert {found["campaign_id"] for found in listed} == {campaign.id}
    sent = {who for who in everybody if plan.get(who, "sent") == "sent"}
    assert_each_got_it_once(simulator, campaign, sent)
    stage.assert_sound()


def test_who_opted_out_gets_nothing_from_any_campaign_any_more(
    fast_stage: Stage, simulator: SimulatorProcess
) -> None:
    """Withheld in the campaign under way, and in the one that is made later."""
    stage = fast_stage
    template = stage.template(category="MARKETING")
    who, other = people(2)
    waiting_account = fast_account(stage)
    call(stage.connection, "pause_account", waiting_account, "not yet")
    waiting = stage.campaign([who, other], account=waiting_account, template=template)
    simulator.control.set_faults(fail_recipients=[rule(OPT_OUT, [who])])
    first = stage.campaign([who, other], account=fast_account(stage), template=template)
    wait_until(lambda: first.is_completed, "the first campaign is through")
    assert (first.entry(who)["status"], first.entry(who)["error_class"]) == ("failed", "opt_out")

    simulator.control.restore_faults()
    stage.resume_account(waiting_account)
    wait_until(lambda: waiting.is_completed, "the campaign that waited is through")
    assert (waiting.entry(who)["status"], waiting.entry(who)["error_class"]) == (
        "skipped",
        "suppressed",
    )
    later = stage.campaign([who, other], account=first.account, template=template)
    wait_until(lambda: later.is_completed, "the campaign made later is through")
    assert later.entry(who)["status"] == "skipped"
    # It is marketing that this person wants no more of.
    necessary = stage.campaign([who], account=first.account, template=stage.template("receipt"))
    wait_until(lambda: necessary.is_completed, "the message that is no marketing is through")
    assert_each_got_it_once(simulator, necessary, [who])
    for campaign in (first, waiting, later):
        assert_each_got_it_once(simulator, campaign, [other])
    assert requests(simulator, waiting.id) == requests(simulator, later.id) == {other: 1}
    stage.assert_sound()


def test_an_account_error_pauses_the_account_and_burns_no_contact(
    fast_stage: Stage, simulator: SimulatorProcess
) -> None:
    """A token that expires with many requests in flight; and every other code of this class."""
    stage = fast_stage
    contacts = people(250)
    account = fast_account(stage)
    template = stage.template()
    simulator.control.set_faults(latency_mean=0.1)
    campaign = stage.campaign(contacts, account=account, template=template)
    wait_until(lambda: campaign.count("sent") >= 25, "the campaign is under way")
    simulator.control.set_faults(errors={"190": 1.0})
    wait_until(lambda: stage.account_row(account)["paused_at"] is not None, "it is paused")
    wait_until(lambda: campaign.count("processing") == 0, "what was in flight has come back")

    assert campaign.progress["account_paused"].startswith("error 190: ")
    paused = [event for event in stage.events("account.paused") if event["account_id"] == account]
    assert [event["detail"]["reason"] for event in paused] == [campaign.progress["account_paused"]]
    assert (campaign.status, set(campaign.counts())) == ("running", {"sent", "ready"})
    refused = [row for row in simulator.control.ledger(campaign.id) if row["code"] is not None]
    assert {row["code"] for row in refused} == {190}
    # Only what was in flight met it, and what started until its answer was known.
    in_flight = FAST_WORKERS * FAST_CONCURRENCY
    assert 1 < len(refused) <= 4 * in_flight
    assert {row["tries"] for row in campaign.entries().values()} == {0}

    simulator.control.restore_faults()
    stage.resume_account(account)
    wait_until(lambda: campaign.is_completed, "after resume_account all of it goes out")
    assert_each_got_it_once(simulator, campaign, contacts)
    assert campaign.progress["total_failed"] == 0

    # Every other code of the class, each with an account of its own.
    simulator.control.set_faults(
        fail_recipients=[
            rule(code, [who], attempts=1) for code, who in zip(ACCOUNT, contacts, strict=False)
        ]
    )
    singles = {
        code: stage.campaign([who], account=fast_account(stage), template=template)
        for code, who in zip(ACCOUNT, contacts, strict=False)
    }
    for code, single in singles.items():
        wait_until(partial(is_paused, single), f"{code} pauses the account")
        assert single.progress["account_paused"].startswith(f"error {code}: ")
        wait_until(partial(has_only_ready_entries, single), "its entry is back")
        stage.resume_account(single.account)
    wait_until(lambda: all(single.is_completed for single in singles.values()), "all of it goes")
    for who, single in zip(contacts, singles.values(), strict=False):
        assert_each_got_it_once(simulator, single, [who])
        assert single.entry(who)["tries"] == 0
    stage.assert_sound()


def is_paused(campaign: Campaign) -> bool:
    """Whether its account stands."""
    return campaign.progress["account_paused"] is not None


def is_stopped(campaign: Campaign) -> bool:
    """Whether its template stands."""
    return campaign.progress["template_stopped"] is not None


def has_only_ready_entries(campaign: Campaign) -> bool:
    """Whether nothing of it is settled or in a worker's hands."""
    return set(campaign.counts()) == {"ready"}


def test_a_template_error_stops_all_campaigns_of_that_template_and_no_other(
    fast_stage: Stage, simulator: SimulatorProcess
) -> None:
    """It goes on when the template is put in order, and no contact was burnt."""
    stage = fast_stage
    simulator.control.set_faults(latency_mean=0.05)
    bad = stage.template("bad")
    contacts = people(120)
    one_account = fast_account(stage)
    # By a slow account, so that it is on its way when the template stops.
    slow = stage.campaign(contacts, account=fast_account(stage, maximum_rate=10), template=bad)
    wait_until(lambda: slow.count("sent") >= 3, "the slow campaign is under way")
    simulator.control.set_faults(
        fail_recipients=[rule(TEMPLATE[0], people(1, start=500), attempts=1)]
    )
    first = stage.campaign(people(1, start=500), account=one_account, template=bad)
    wait_until(lambda: stage.template_row(bad)["stopped_at"] is not None, "the template stops")
    wait_until(lambda: slow.count("processing") + first.count("processing") == 0, "all is back")
    reason = stage.template_row(bad)["stop_reason"]
    assert reason.startswith(f"error {TEMPLATE[0]}: ")
    for campaign in (first, slow):
        assert (campaign.status, campaign.progress["template_stopped"]) == ("running", reason)
    stood_at = slow.count("sent")
    assert stood_at < len(contacts)

    # The other codes of the class, each with a template of its own; and a template in order.
    simulator.control.set_faults(
        fail_recipients=[
            rule(code, people(1, start=600 + place), attempts=1)
            for place, code in enumerate(TEMPLATE)
        ]
    )
    stopped = {
        code: stage.campaign(
            people(1, start=600 + place),
            account=fast_account(stage),
            template=stage.template(f"bad_{code}"),
        )
        for place, code in enumerate(TEMPLATE)
    }
    good = stage.campaign(people(20, start=700), account=one_account, template=stage.template())
    wait_until(lambda: good.is_completed, "a campaign of another template goes on")
    for code, campaign in stopped.items():
        wait_until(partial(is_stopped, campaign), f"{code} stops its template")
        assert campaign.progress["template_stopped"].startswith(f"error {code}: ")
    # Meanwhile nothing of the first template has gone out, in any campaign.
    assert slow.count("sent") == stood_at
    assert first.counts() == {"ready": 1}
    assert stage.account_row(one_account)["paused_at"] is None

    stage.set_account(slow.account, maximum_rate=None)
    assert stage.template("bad") == bad
    for code in TEMPLATE:
        stage.template(f"bad_{code}")
    everything = [slow, first, *stopped.values()]
    wait_until(lambda: all(one.is_completed for one in everything), "all of it goes out")
    for campaign in everything:
        entries = campaign.entries()
        assert {row["tries"] for row in entries.values()} == {0}
        assert_each_got_it_once(simulator, campaign, list(entries))
    stage.assert_sound()


def test_codes_that_come_by_report_never_resend_but_have_their_effects(
    fast_stage: Stage, fast_database: Database, simulator: SimulatorProcess
) -> None:
    """The provider had accepted these: each of them had one request, and gets no other."""
    stage = fast_stage
    codes = ("130429", "131056", "131016", "131000", "135000", "131026", "131049", "131050", "33")
    contacts = people(len(codes) + 2)
    undelivered = dict(zip(contacts, codes, strict=False))
    account = fast_account(stage, maximum_rate=100)
    marketing = stage.template("offer", category="MARKETING")
    with webhook(fast_database, simulator):
        simulator.control.set_faults(
            fail_reports=[rule(code, [who]) for who, code in undelivered.items()]
        )
        campaign = stage.campaign(contacts, account=account, template=marketing)
        wait_until(lambda: campaign.is_completed, "all of it is accepted")
        assert simulator.control.flush_reports()
        entries = campaign.entries()
        for who, code in undelivered.items():
            row = entries[who]
            assert (row["status"], row["delivery_status"]) == ("sent", "undelivered"), row
            assert row["delivery_error_code"] == code
        assert campaign.progress["total_undelivered"] == len(codes)
        # Slower, because of 130429; suppressed, because of 131050; nothing else.
        row = stage.account_row(account)
        assert row["rate_cut_at"] is not None
        assert (row["paused_at"], row["resting_until"]) == (None, None)
        assert stage.template_row(marketing)["stopped_at"] is None
        opted_out = [who for who, code in undelivered.items() if code == "131050"]
        again = stage.campaign(contacts, account=account, template=marketing)
        wait_until(lambda: again.is_completed, "the next campaign is through")
        assert simulator.control.flush_reports()
        assert [who for who, row in again.entries().items() if row["status"] == "skipped"] == (
            opted_out
        )

        # An account's error pauses the account; a template's stops the template.
        simulator.control.set_faults(
            fail_reports=[rule(190, contacts[:1]), rule(132015, contacts[1:2])]
        )
        last = stage.campaign(contacts[:2], account=account, template=stage.template("news"))
        wait_until(lambda: last.is_completed, "all of it is accepted")
        assert simulator.control.flush_reports()
        assert last.progress["account_paused"].startswith("error 190: ")
        assert last.progress["template_stopped"].startswith("error 132015: ")
        simulator.control.restore_faults()
        stage.resume_account(account)
        stage.template("news")
        # Nothing of all this is sent again, also when everything works again.
        sign = stage.campaign(contacts[2:3], account=account, template=stage.template("news"))
        wait_until(lambda: sign.is_completed, "the account works again")
        run_clock(stage.connection, SPEED, leap=timedelta(hours=30))
        sign = stage.campaign(contacts[2:3], account=account, template=stage.template("news"))
        wait_until(lambda: sign.is_completed, "and a day later")
        assert simulator.control.flush_reports()
    assert requests(simulator, campaign.id) == dict.fromkeys(contacts, 1)
    assert requests(simulator, last.id) == dict.fromkeys(contacts[:2], 1)
    stage.assert_sound()


def test_a_throttle_slows_this_account_only_and_uses_no_try(
    stage: Stage, simulator: SimulatorProcess, workers: Workers
) -> None:
    """The other account of the organization goes on at its rate."""
    contacts = people(90)
    throttled = contacts[10:26]
    simulator.control.set_faults(
        latency_mean=0.02,
        fail_recipients=[
            rule(code, throttled[place :: len(THROTTLE)], attempts=1)
            for place, code in enumerate(THROTTLE)
        ],
    )
    template = stage.template()
    slowed = stage.campaign(
        contacts, account=stage.account(maximum_rate=60), template=template, start=False
    )
    steady = stage.campaign(
        people(len(contacts), start=1000),
        account=stage.account(maximum_rate=60),
        template=template,
        start=False,
    )
    for campaign in (slowed, steady):
        call(stage.connection, "start_campaign", campaign.id)
    workers.start()
    wait_until(lambda: steady.is_completed, "the other account is through")
    assert not slowed.is_completed
    row = stage.account_row(slowed.account)
    # Halved, and on its way back since.
    assert row["current_rate"] < 60 * 0.8
    assert row["rate_cut_at"] is not None
    row = stage.account_row(steady.account)
    assert (row["current_rate"], row["rate_cut_at"]) == (60, None)

    wait_until(lambda: slowed.is_completed, "the slowed one too, in its time")
    entries = slowed.entries()
    assert {row["tries"] for row in entries.values()} == {0}
    assert {who for who, row in entries.items() if row["attempt"] > 1} == set(throttled)
    assert_each_got_it_once(simulator, slowed, contacts)
    assert accepted(simulator, steady.id) == requests(simulator, steady.id)
    stage.assert_sound()
