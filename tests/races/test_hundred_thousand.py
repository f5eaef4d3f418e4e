"""A campaign of 100,000 contacts through the SQL surface, by two workers and a webhook at once."""

import threading
from decimal import Decimal

from races.sessions import World
from support.database import Connection

CONTACTS = 100_000

# One batch of a worker: claimed, dispatched and recorded, set by set. One in 400 fails.
SEND = """
with claimed as materialized (
    select claim_messages(%(worker)s, core.account_of(%(campaign)s), 1000) as claim
),
dispatched as materialized (
    select c.claim, begin_dispatch(
        (c.claim ->> 'claim_id')::bigint,
        array(
            select (e.value ->> 'entry_id')::bigint
            from jsonb_array_elements(c.claim -> 'entries') e
        )
    ) as answer
    from claimed c
    where c.claim ->> 'claim_id' is not null
)
select record_results(
    (d.claim ->> 'claim_id')::bigint,
    (
        select jsonb_agg(jsonb_build_object(
            'entry_id', e.value, 'attempt', 1,
            'outcome', case when e.value::bigint %% 400 = 0 then 'rejected' else 'accepted' end,
            'code', '135000', 'provider_message_id', core.wamid(e.value::bigint, 1)
        ))
        from jsonb_array_elements(d.answer -> 'dispatched') e
    )
)
from dispatched d
"""

# What the provider reports of what was sent: half delivered, half read, each told twice.
REPORT = """
select ingest_delivery_reports('whatsapp', (
    select jsonb_agg(jsonb_build_object(
        'app', 'default', 'sender', core.account_column(%(campaign)s, 'sender'),
        'provider_message_id', q.provider_message_id, 'timestamp', '1772452800',
        'status', case when q.id %% 2 = 0 then 'read' else 'delivered' end
    ))
    from generate_series(1, 2)
    cross join unnest(%(entries)s::bigint[]) e (id)
    join send_queue q on q.id = e.id and q.status = 'sent'
))
"""


def test_100_000_contacts_end_with_every_number_right(world: World) -> None:
    campaign = world.campaign(CONTACTS)
    assert world.counter(campaign, "total_contacts") == str(CONTACTS)
    ids = world.entries(campaign)
    failures: list[BaseException] = []

    def send(number: int) -> None:
        try:
            session = world.session()
            while session.execute(
                SEND, {"worker": f"worker-{number}", "campaign": campaign}
            ).fetchone():
                pass
        except BaseException as failure:
            failures.append(failure)

    def report(session: Connection, chunk: list[int]) -> None:
        session.execute(REPORT, {"campaign": campaign, "entries": chunk})

    workers = [threading.Thread(target=send, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert failures == []
    assert world.status(campaign) == "completed"
    for begin in range(0, CONTACTS, 5000):
        report(world.owner, ids[begin : begin + 5000])

    failed = sum(1 for entry in ids if entry % 400 == 0)
    read = sum(1 for entry in ids if entry % 400 and entry % 2 == 0)
    assert world.counter(campaign, "total_failed") == str(failed)
    assert world.counter(campaign, "total_sent") == str(CONTACTS - failed)
    assert world.counter(campaign, "total_delivered") == str(CONTACTS - failed)
    assert world.counter(campaign, "total_read") == str(read)
    cost = Decimal("0.05") * (CONTACTS - failed)
    assert Decimal(world.counter(campaign, "actual_cost")) == cost
    assert world.value("select count(*) from messages") == CONTACTS
    assert world.value("select count(*) from claims") == 0
    world.sound(campaign)
