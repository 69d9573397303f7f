"""S6: a message that can't be applied waits, with what comes behind it; everything else goes on; an operator decides."""

import json
from typing import Any

from tests.stories.world import F0, fresh_id

CONSUMERS = ("hr", "invoicing", "projects")


def parked(lumen: F0, deal: str) -> list[dict[str, Any]]:
    listed = lumen.world.platform.run("events", "parked", "list", "--key", f"Deal/{deal}", "--json")
    assert listed.returncode == 0, listed.stderr
    return json.loads(listed.stdout)


def poison(lumen: F0) -> tuple[str, str]:
    """Publish a won deal whose amount is no number, with a sound closing of the same deal behind it."""
    sound_deal = lumen.open_deal()
    lumen.win(sound_deal)
    sound = lumen.envelope(sound_deal)
    deal, subject = fresh_id(), f"evt.{lumen.tenant}.deal.close.won"
    first = {**sound, "id": fresh_id(), "subject": deal, "sequence": 1}
    first["data"] = {**sound["data"], "dealId": deal, "amount": {"amount": "abc", "currency": lumen.currency}}
    second = {**sound, "id": fresh_id(), "subject": deal, "sequence": 2, "data": {**sound["data"], "dealId": deal}}
    for message in (first, second):
        lumen.world.publish(subject, message)
    lumen.world.settle()  # parked, and the notices are sent
    return deal, first["id"]


def test_poison_parks_its_deal_and_an_operator_skips_it(lumen: F0) -> None:
    """S6"""
    platform = lumen.world.platform

    deal, event = poison(lumen)

    other = lumen.open_deal()
    lumen.win(other)
    lumen.world.settle()
    assert (len(lumen.drafts(other)), len(lumen.commissions(other))) == (1, 1)
    rows = parked(lumen, deal)
    seen = [(row["module"], row["sequence"], row["attempts"]) for row in rows]
    assert seen == [(module, *row) for module in CONSUMERS for row in ((1, 3), (2, 0))]
    assert "amount" in rows[0]["error"]
    shown = json.loads(platform.run("events", "parked", "show", event).stdout)
    assert [row["module"] for row in shown] == list(CONSUMERS)
    assert '"abc"' in shown[0]["body"]
    for module in CONSUMERS:
        assert platform.module(module)["state"] == "ready"
        notices = lumen.world.dead_letters(f"dlq.{module}.{lumen.tenant}.deal.close.won")
        assert len([one for one in notices if one["id"] == event]) == 1

    where = ("--tenant", "lumen", "--key", f"Deal/{deal}")
    again = platform.run("events", "parked", "replay", "--module", "invoicing", *where)
    assert again.returncode == 1
    assert "mend the handler, or skip the event" in again.stderr
    assert len(parked(lumen, deal)) == 2 * len(CONSUMERS)

    for module in CONSUMERS:
        skipped = platform.run("events", "parked", "skip", "--module", module, *where, "--reason", "a broken import")
        assert skipped.returncode == 0, skipped.stderr
        replayed = platform.run("events", "parked", "replay", "--module", module, *where)
        assert replayed.returncode == 0, replayed.stderr
        assert "1 applied" in replayed.stdout
    assert parked(lumen, deal) == []
    assert len(lumen.drafts(deal)) == 1
    assert len(lumen.commissions(deal)) == 1


def test_the_way_of_an_event_can_be_followed(lumen: F0) -> None:
    """ux.md, C: an operator asks where a fact is"""
    deal = lumen.open_deal()
    lumen.win(deal)
    lumen.world.settle()
    event = lumen.envelope(deal)["id"]

    shown = lumen.world.platform.run("events", "show", event, "--json")

    assert shown.returncode == 0, shown.stderr
    way = json.loads(shown.stdout)
    assert way["module"] == "crm"
    assert way["envelope"]["subject"] == deal
    assert way["stream"]["sequence"] > 0
    assert way["written_at"] < way["sent_at"]
    states = {one["module"]: one["state"] for one in way["heard"]}
    assert {name: states[name] for name in CONSUMERS} == dict.fromkeys(CONSUMERS, "APPLIED")
    tail = lumen.world.platform.run(
        "events", "tail", "--no-follow", "-n", "1000", "--tenant", "lumen", "--type", "deal.close.won"
    )
    assert event in tail.stdout, tail.stderr
    absent = lumen.world.platform.run("events", "show", fresh_id())
    assert absent.returncode == 1
    assert "No module has sent" in absent.stderr
