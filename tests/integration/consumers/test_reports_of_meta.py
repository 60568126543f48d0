"""What Meta's webhooks report between two synchronisations: templates, numbers, accounts, and customers who want no
marketing. Of everything the latest by Meta's time counts, however often and in whatever order it arrives."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.facts import Fact, Party
from domain.inbound.whatsapp.reader import read
from domain.sending.numbers import GraphNumber
from domain.sending.templates import Template
from infra.postgres.sending import accounts, claims
from infra.postgres.sending.library import StoredLibrary, store_templates
from tests.support.payloads import body, value_of
from tests.support.sending_room import SendingRoom, open_room
from tests.support.stories import NUMBER

ACCOUNT = "a"
PHONE = "16505551234"
SHOWN = "+44 20 7946 0001"


@pytest.fixture
def room(database: str) -> Iterator[SendingRoom]:
    with open_room(database) as room:
        yield room


def reported(name: str, minutes: float, number: str = NUMBER, **fields: Any) -> list[Fact]:
    """Returns the facts in a body that Meta sends that many minutes from now."""
    document = body(name)
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    document["entry"][0] |= {"id": ACCOUNT, "time": int(at.timestamp())}
    value = value_of(document)
    for preference in value.get("user_preferences", ()):
        preference |= {"timestamp": int(at.timestamp()), "wa_id": PHONE}
        value["metadata"]["phone_number_id"] = number
        value["contacts"] = [{"wa_id": PHONE}]
    value |= fields
    return list(read(json.dumps(document).encode(), at + timedelta(hours=1)).facts)


def process(room: SendingRoom, *facts: Fact) -> None:
    room.office.process(*facts)


def template(**fields: Any) -> Template:
    parts = [{"type": "BODY", "text": "Come and see our offers."}]
    return Template(ACCOUNT, "visit_reminder", "en_US", "APPROVED", "MARKETING", "POSITIONAL", parts)._replace(**fields)


def synchronised(room: SendingRoom, minutes: float = -10, **fields: Any) -> None:
    """Meta says this of the template and the number, asked that many minutes from now."""
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    store_templates(room.office.connection, ACCOUNT, [template(**fields)], at)
    number = GraphNumber(NUMBER, SHOWN, "The shop", "GREEN", 80, 250)
    accounts.store_numbers(room.office.connection, ACCOUNT, [number], at)


def asked(room: SendingRoom, named: str) -> list[tuple[str, str | None]]:
    return room.ask(named=named, message={"template": {"name": "visit_reminder", "language": "en_US"}})


def known(room: SendingRoom) -> tuple[str, str, str]:
    found = StoredLibrary(room.office.connection).template(NUMBER, "visit_reminder", "en_US")
    assert found is not None
    return found.status, found.category, found.quality


def test_a_customer_who_stopped_marketing_is_sent_none_until_they_want_it_again(room: SendingRoom) -> None:
    """Refused before Meta is asked; a template that is no marketing and an answer still reach them."""
    synchronised(room)
    process(room, *reported("preference_stop", -5))
    assert [("rejected", "opted_out")] == asked(room, "c1")
    assert [("applied", None)] == room.ask(named="c2")
    synchronised(room, -4, category="UTILITY")
    assert [("applied", None)] == asked(room, "c3")
    synchronised(room, -3)
    process(room, *reported("preference_resume", -2))
    assert [("applied", None)] == asked(room, "c4")
    room.office.may_send(10)
    room.post_all()
    assert 3 == len(room.graph.posts)


@pytest.mark.parametrize("order", [(0, 2, 1), (2, 0, 1)])
def test_the_latest_that_a_customer_said_counts(room: SendingRoom, order: tuple[int, ...]) -> None:
    """Also if it arrives first, and again."""
    synchronised(room)
    told = [reported("preference_stop", -9), reported("preference_resume", -8), reported("preference_stop", -7)]
    for place in (order[0], *order):
        process(room, *told[place])
    assert [("rejected", "opted_out")] == asked(room, "c")


def test_another_number_may_still_send_marketing(room: SendingRoom) -> None:
    synchronised(room)
    process(room, *reported("preference_stop", -5, number="999"))
    assert [("applied", None)] == asked(room, "c")


def test_a_failure_says_that_the_customer_stopped_marketing(room: SendingRoom) -> None:
    """131050: what Meta refused for this reason once is not tried again."""
    synchronised(room)
    assert [("applied", None)] == asked(room, "c1")
    room.meta_reports("failed", "wamid.other", code=131050, recipient=PHONE)
    assert [("rejected", "opted_out")] == asked(room, "c2")


def test_marketing_that_waits_is_not_posted_to_who_stopped_it_meanwhile(room: SendingRoom) -> None:
    synchronised(room)
    assert [("applied", None)] == asked(room, "c")
    process(room, *reported("preference_stop", 0))
    room.office.may_send(10)
    room.post_all()
    assert (("expired", "opted_out"), []) == ((room.state("c"), room.send("c").reason), room.graph.posts)


def test_the_customers_wish_stays_theirs_under_another_phone(room: SendingRoom) -> None:
    """What they said under an earlier phone counts."""
    synchronised(room)
    earlier = "447700900009"
    process(room, *(_of(earlier, fact) for fact in reported("preference_stop", -5)))
    assert [("applied", None)] == asked(room, "c1")
    room.office.connection.execute(
        "insert into identities (phone_number_id, kind, value, customer_id, at) "
        "select phone_number_id, 'w', %s, customer_id, now() from identities where value = %s",
        [earlier, PHONE],
    )
    assert [("rejected", "opted_out")] == asked(room, "c2")


def _of(phone: str, fact: Fact) -> Fact:
    return fact.model_copy(update={"customer": Party(wa_id=phone)})


def test_a_template_that_meta_pauses_is_refused_at_once_and_sent_once_it_is_back(room: SendingRoom) -> None:
    synchronised(room)
    process(room, *_status("PAUSED", -5))
    assert ([("rejected", "template_not_approved")], "PAUSED") == (asked(room, "c1"), known(room)[0])
    process(room, *_status("REINSTATED", -4))
    assert [("applied", None)] == asked(room, "c2")
    process(room, *_status("FLAGGED", -3))
    assert ("APPROVED", [("applied", None)]) == (known(room)[0], asked(room, "c3"))


def _status(event: str, minutes: float) -> list[Fact]:
    named = {"message_template_name": "visit_reminder", "message_template_language": "en-US"}
    return reported("template_status", minutes, event=event, **named)


def test_a_report_counts_until_meta_is_asked_later(room: SendingRoom) -> None:
    """A late copy of an old report changes nothing; one that came while Meta was asked does."""
    process(room, *_status("REJECTED", -20))
    synchronised(room, -10)
    assert "APPROVED" == known(room)[0]
    process(room, *_status("PAUSED", -5))
    process(room, *_status("REJECTED", -20))
    synchronised(room, -10)
    assert "PAUSED" == known(room)[0]
    synchronised(room, -4)
    assert "APPROVED" == known(room)[0]


def test_quality_and_category_of_a_template_are_those_that_meta_reported_last(room: SendingRoom) -> None:
    synchronised(room, category="UTILITY")
    process(room, *reported("template_category", -5), *reported("template_quality", -5))
    process(room, *reported("template_quality", -6, new_quality_score="RED"))
    assert ("APPROVED", "MARKETING", "YELLOW") == known(room)


def test_a_number_has_the_limits_that_meta_reported_last(room: SendingRoom) -> None:
    """Its sender may post that fast from the next claim on."""
    synchronised(room)
    shown = {"display_phone_number": SHOWN.removeprefix("+").replace(" ", "")}
    process(room, *reported("number_flagged", -6, **shown), *reported("number_throughput", -5, **shown))
    process(room, *reported("capability", -4, max_daily_conversations_per_business="TIER_UNLIMITED"))
    (number,) = [n for n in accounts.numbers(room.office.connection) if n.phone_number_id == NUMBER]
    assert ("RED", 1000, None) == (number.quality, number.throughput, number.people_per_day)
    with room.session.transaction() as connection:
        assert 1000 == claims.wait_for_lane(connection, NUMBER).bucket.throughput
    process(room, *reported("capability", -5, max_daily_conversations_per_business=2000))
    (number,) = [n for n in accounts.numbers(room.office.connection) if n.phone_number_id == NUMBER]
    assert number.people_per_day is None


def test_a_restricted_account_says_so_until_meta_lifts_it(room: SendingRoom) -> None:
    def restriction() -> str | None:
        (number,) = [n for n in accounts.numbers(room.office.connection) if n.phone_number_id == NUMBER]
        return number.restriction

    synchronised(room)
    process(room, *reported("account_restricted", -5))
    assert "ACCOUNT_RESTRICTION: RESTRICTED_BIZ_INITIATED_MESSAGING" == restriction()
    process(room, *reported("account_disabled", -4))
    process(room, *reported("account_restricted", -5))
    assert restriction() is None
