"""What the providers' codes mean, said and changed; and what did not fit."""

from __future__ import annotations

import json

from cli.command import refusal, sendonce
from cli.import_support import made
from support.database import Connection, Database


def test_a_code_that_nobody_knew_is_seen_and_given_a_class(
    database: Database, connection: Connection
) -> None:
    draft = made(database, connection)
    connection.execute(
        "select public.add_recipients(%s, %s)",
        [draft.campaign, json.dumps(["+99900000001", "+99900000002"])],
    )
    connection.execute("select public.start_campaign(%s)", [draft.campaign])
    assert "nothing that did not fit" in sendonce("discrepancies", url=database.url).stdout

    claim = draft.value("select public.claim_messages('w')")
    first, second = claim["entries"]

    def refused(entry: dict[str, object]) -> None:
        result = {"entry_id": entry["entry_id"], "attempt": 1, "outcome": "rejected"}
        result |= {"code": "131999", "message": "brand new"}
        connection.execute(
            "select public.record_results(%s, %s)", [claim["claim_id"], json.dumps([result])]
        )

    draft.value(
        "select public.begin_dispatch(%s, %s)",
        claim["claim_id"],
        [entry["entry_id"] for entry in claim["entries"]],
    )
    refused(first)
    (listed,) = sendonce("discrepancies", "--json", url=database.url).json()
    assert listed["kind"] == "unlisted_code"
    assert listed["campaign"] == "Spring"
    assert listed["detail"] == {"code": "131999", "message": "brand new"}
    table = sendonce("discrepancies", "--kind", "unlisted_code", url=database.url).stdout
    assert "131999" in table
    assert "nothing" in sendonce("discrepancies", "--kind", "other", url=database.url).stdout

    said = sendonce("errors", "set", "whatsapp", "131999", "recipient_later", url=database.url)
    assert said.stdout == "whatsapp 131999 is recipient_later (it was unlisted).\n"
    refused(second)
    assert draft.value(
        "select status::text from public.send_queue where id = %s", second["entry_id"]
    ) == ("ready")
    taken_off = sendonce("errors", "set", "whatsapp", "131999", "none", "--json", url=database.url)
    assert taken_off.json() == {
        "provider": "whatsapp",
        "code": "131999",
        "before": "recipient_later",
        "class": None,
    }


def test_codes_and_classes_are_listed(database: Database) -> None:
    listed = sendonce(
        "errors", "list", "--provider", "twilio", "--class", "opt_out", "--json", url=database.url
    ).json()
    assert [(row["provider"], row["code"]) for row in listed] == [("twilio", "21610")]
    assert "131026" in sendonce("errors", "list", url=database.url).stdout
    assert "no such code" in sendonce("errors", "list", "--class", "x", url=database.url).stdout
    classes = {
        row["class"]: row
        for row in sendonce("errors", "classes", "--json", url=database.url).json()
    }
    assert classes["transient"]["most_tries"] == 3
    assert "pauses the account" in sendonce("errors", "classes", url=database.url).stdout


def test_what_cannot_be_set_is_refused(database: Database) -> None:
    assert "no such provider" in refusal(
        sendonce("errors", "set", "pigeon", "1", "content", url=database.url)
    )
    assert "no code has this class" in refusal(
        sendonce("errors", "set", "whatsapp", "1", "misfortune", url=database.url)
    )
