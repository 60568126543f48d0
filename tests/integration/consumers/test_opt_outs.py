"""Customers who want no messages that they did not ask for: by a word, by what Meta reports, by a command. Templates do
not reach them; what they write is answered."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from domain.contract.channels import PublishedOptOut
from domain.conversations.customers.identities import phone_identity
from domain.directory import TextKind
from domain.facts import CustomerIdentityChanged, MarketingPreference, Party
from domain.ids import fact_id
from infra.postgres.opt_outs.in_force import opted_out_addresses
from tests.support.campaign_room import AUTUMN, CampaignRoom, open_campaign_room
from tests.support.office import COMPANY
from tests.support.stories import NUMBER, FactMaker

ADA, BOB = "16505550002", "16505550003"
"""The recipients of rows 2 and 3."""


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def writes(room: CampaignRoom, text: str, phone: str = ADA, hours_ago: float = 0.1, **named: Any) -> None:
    room.office.process(FactMaker(customer=Party(wa_id=phone, **named)).turn(room.office.hours_ago(hours_ago), text))


def commanded(room: CampaignRoom, name: str, *customers: str, **more: Any) -> tuple[str, str | None]:
    body = {"customers": customers or (ADA,), "phone_number_id": NUMBER, **more}
    (result,) = room.office.results_of(room.office.command(name, body, issuer="paola"))
    return result


def told_meta(room: CampaignRoom, *, wants: bool, hours_ago: float = 0.1, phone: str = ADA) -> None:
    now = datetime.fromtimestamp(datetime.now(UTC).timestamp() - hours_ago * 3600, UTC)
    fact = MarketingPreference(
        id=fact_id("preference", str(now)), at=now, sent_at=now, phone_number_id=NUMBER, customer=Party(wa_id=phone),
        wants=wants,
    )  # fmt: skip
    room.office.process(fact)


def scope(room: CampaignRoom, phone: str = ADA, number: str = NUMBER) -> str | None:
    key = phone_identity(number, phone)
    return opted_out_addresses(room.connection, [key]).get(key)


def events(room: CampaignRoom) -> list[tuple[str, str]]:
    """Returns the name and the key of each public event about opt-outs since the last command."""
    rows = room.office.rows("select key, headers from outbox where topic = 'witiop.campaigns.v1' order by id")
    names = [(row["headers"]["ce_type"], row["key"]) for row in rows]
    return [(name.split(".")[2], key) for name, key in names if name.startswith("witiop.opt_out.")]


def test_an_opt_out_that_was_committed_before_a_claim_is_respected(room: CampaignRoom) -> None:
    """C3: also if the message waits at the sender already."""
    autumn = room.planned(3)
    room.command("start", autumn)
    room.worker.poll()
    assert {"claimed": 3} == room.counts(autumn)
    assert ("applied", None) == commanded(room, "opt_out")
    room.run()
    assert ["+16505550003", "+16505550004"] == sorted(room.reached())
    assert {"accepted": 2, "skipped opted_out": 1} == room.counts(autumn)


@pytest.mark.parametrize(("wanted", "category", "reached"), [("marketing", "UTILITY", 1), ("all", "UTILITY", 0)])
def test_who_wants_no_marketing_gets_other_templates_and_who_wants_nothing_gets_none(
    room: CampaignRoom, wanted: str, category: str, reached: int
) -> None:
    room.store(AUTUMN._replace(category=category))
    assert ("applied", None) == commanded(room, "opt_out", scope=wanted)
    writes(room, "hello", hours_ago=1)
    message = {"template": {"name": "autumn_service", "language": "en", "parameters": ["Ada"]}}
    asked = {"phone_number_id": NUMBER, "customer": {"wa_id": ADA}, "message": message}
    outcome = [("applied", None)] if reached else [("rejected", "opted_out")]
    assert outcome == room.office.results_of(room.office.command("send", asked))
    answer = {"phone_number_id": NUMBER, "customer": {"wa_id": ADA}, "message": {"text": "hello Ada"}}
    assert [("applied", None)] == room.office.results_of(room.office.command("send", answer))


def test_a_word_stops_templates_and_another_allows_them_again(room: CampaignRoom) -> None:
    writes(room, "please stop by tomorrow", hours_ago=0.5)
    assert scope(room) is None
    writes(room, "STOP", hours_ago=0.4)
    assert ("all", None) == (scope(room), scope(room, number="another"))
    (row,) = room.office.rows("select evidence, actor, source from opt_outs where kind = 'w'")
    assert ("customer", "keyword") == (row["actor"], row["source"])
    assert row["evidence"] in [each["wamid"] for each in room.office.rows("select wamid from entries")]
    writes(room, "Start", hours_ago=0.3)
    assert scope(room) is None
    assert [("set", f"{NUMBER}:{ADA}"), ("ended", f"{NUMBER}:{ADA}")] == events(room)


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_the_latest_word_of_a_customer_counts_in_whatever_order_it_arrives(
    room: CampaignRoom, order: tuple[int, ...]
) -> None:
    said = [("stop", 0.5), ("start", 0.4), ("stop", 0.3)]
    for place in (order[0], *order, order[1]):
        writes(room, said[place][0], hours_ago=said[place][1])
    assert "all" == scope(room)
    writes(room, "start", hours_ago=0.35)
    assert "all" == scope(room)
    writes(room, "start", hours_ago=0.2)
    assert scope(room) is None


def test_the_conversation_of_a_word_stays_as_the_rules_say(room: CampaignRoom) -> None:
    writes(room, "stop")
    (row,) = room.office.rows("select status, unmanaged from conversations")
    assert {"status": "a", "unmanaged": True} == row


def test_what_a_member_of_a_group_writes_is_no_opt_out(room: CampaignRoom) -> None:
    writes(room, "stop", group_id="g1")
    assert [] == room.office.rows("select 1 from opt_outs")


def test_only_meta_ends_what_meta_said(room: CampaignRoom) -> None:
    """Meta would go on to refuse the messages."""
    told_meta(room, wants=False, hours_ago=0.5)
    writes(room, "start", hours_ago=0.4)
    assert "marketing" == scope(room)
    assert ("rejected", "opted_out") == commanded(room, "opt_in")
    assert "marketing" == scope(room)
    told_meta(room, wants=True, hours_ago=0.3)
    assert scope(room) is None


def test_meta_does_not_end_what_the_customer_wrote(room: CampaignRoom) -> None:
    writes(room, "stop", hours_ago=0.5)
    told_meta(room, wants=True, hours_ago=0.4)
    assert "all" == scope(room)


def test_a_customer_ends_by_a_word_what_a_person_noted(room: CampaignRoom) -> None:
    assert ("applied", None) == commanded(room, "opt_out", evidence="said so on the phone")
    assert "all" == scope(room)
    writes(room, "start", hours_ago=-0.01)
    assert scope(room) is None


def test_an_opt_out_follows_the_customer_through_all_known_ids(room: CampaignRoom) -> None:
    """Stopped under the user id alone; known by both since an earlier message."""
    writes(room, "hello", hours_ago=1, user_id="US.ada")
    assert ("applied", None) == commanded(room, "opt_out", "US.ada")
    assert ("all", None) == (scope(room), scope(room, BOB))
    assert ("applied", None) == commanded(room, "opt_in", ADA)
    assert scope(room) is None
    assert [] == room.office.rows("select 1 from opt_outs where in_force")


def test_an_opt_out_stays_with_its_customer_when_the_phone_changes_hands(room: CampaignRoom) -> None:
    """Ada keeps it under her new phone; who has her old one now did not opt out."""
    new = "16505550999"
    writes(room, "stop", hours_ago=2)
    now = datetime.now(UTC)
    moved = CustomerIdentityChanged(
        id=fact_id("moved"), phone_number_id=NUMBER, at=now, sent_at=now, wamid="wamid.moved",
        customer=Party(wa_id=ADA), becomes=Party(wa_id=new),
    )  # fmt: skip
    room.office.process(moved)
    assert ("all", None) == (scope(room, new), scope(room, ADA))


def test_an_opt_out_of_a_phone_stays_when_another_user_id_is_seen_with_it(room: CampaignRoom) -> None:
    """It may be another id of the same person, of which Meta told nothing."""
    writes(room, "STOP", hours_ago=2, user_id="US.1")
    writes(room, "hello", hours_ago=1, user_id="US.2")
    assert "all" == scope(room)
    writes(room, "START", hours_ago=0.5, user_id="US.2")
    assert scope(room) is None


def test_an_opt_out_from_all_numbers_ends_at_one_of_them_alone(room: CampaignRoom) -> None:
    writes(room, "hello", hours_ago=1)
    assert ("applied", None) == commanded(room, "opt_out", phone_number_id=None)
    assert ("all", "all") == (scope(room), scope(room, number="another"))
    assert ("applied", None) == commanded(room, "opt_in")
    assert (None, "all") == (scope(room), scope(room, number="another"))
    assert ("applied", None) == commanded(room, "opt_out")
    assert ("applied", None) == commanded(room, "opt_in", phone_number_id=None)
    assert (None, None) == (scope(room), scope(room, number="another"))


def test_what_many_addresses_want_is_looked_up_for_each_and_not_compared_with_every_opt_out(
    room: CampaignRoom,
) -> None:
    """Also with a plan for any number of addresses, made before there were statistics."""
    many = 1000
    room.connection.execute(
        "insert into opt_outs (phone_number_id, kind, value, source, scope, address, at, input_id, actor) "
        "select %b, 'w', (391000000 + n)::text, 'import', 'all', '', now(), gen_random_uuid(), 'test' "
        "from generate_series(1, %b) n",
        [NUMBER, many],
    )
    keys = [phone_identity(NUMBER, str(391_000_000 + n)) for n in range(1, 2 * many, 2)]
    room.connection.prepare_threshold = 0
    room.connection.execute("set plan_cache_mode = force_generic_plan")
    assert many // 2 == len(opted_out_addresses(room.connection, keys))
    (prepared,) = room.office.rows("select name from pg_prepared_statements where statement ~ '^\\s*with asked'")
    places = ", ".join(str(place) for place in range(many))
    columns = (",".join(column) for column in zip(*sorted(keys), strict=True))
    values = ", ".join(f"'{{{column}}}'" for column in columns)
    explained = room.connection.execute(
        f"explain (analyze, timing off, format json) execute {prepared['name']} "
        f"('{{{places}}}', {values}, array_fill(null::uuid, array[{many}]))"
    ).fetchone()
    assert explained is not None
    assert max(rows_seen(explained[0][0]["Plan"])) <= 2 * many


def rows_seen(node: dict[str, Any]) -> Iterator[float]:
    """Yields how many rows each node of a plan made or removed."""
    removed = sum(node.get(f"Rows Removed by {filter_}", 0) for filter_ in ("Filter", "Join Filter", "Index Recheck"))
    yield (node["Actual Rows"] + removed) * node["Actual Loops"]
    for below in node.get("Plans", ()):
        yield from rows_seen(below)


def test_of_two_commands_in_a_batch_the_later_one_counts(room: CampaignRoom) -> None:
    body = {"customers": [ADA], "phone_number_id": NUMBER}
    first, second = room.office.command("opt_out", body), room.office.command("opt_in", body)
    third = room.office.command("opt_out", body)
    assert [("applied", None)] * 2 == room.office.results_of(first, second)
    assert scope(room) is None
    again = room.office.command("opt_in", body)
    assert [("applied", None)] * 2 == room.office.results_of(again, third)
    assert "all" == scope(room)


def test_a_command_with_a_bad_phone_changes_nothing_and_names_it(room: CampaignRoom) -> None:
    assert ("rejected", "malformed") == commanded(room, "opt_out", ADA, "02 1234", "nobody")
    (row,) = room.office.rows("select value from outbox where topic = 'witiop.command-results.v1'")
    detail = json.loads(bytes(row["value"]))["detail"]
    assert detail.startswith("customers: neither phones nor user ids: '02 1234', 'nobody'")
    assert [] == room.office.rows("select 1 from opt_outs")
    assert ("rejected", "number_unknown") == commanded(room, "opt_out", phone_number_id="404")


def test_a_change_is_published_once_and_without_what_people_wrote(room: CampaignRoom) -> None:
    assert ("applied", None) == commanded(room, "opt_out", evidence="called us, angry")
    (row,) = room.office.rows("select value, headers from outbox where topic = 'witiop.campaigns.v1'")
    document = json.loads(bytes(row["value"]))
    assert "witiop.opt_out.set.v1" == row["headers"]["ce_type"]
    assert {"wa_id": ADA, "user_id": None} == document["customer"]
    assert set(PublishedOptOut.model_fields) == set(document)
    assert (
        json.loads(PublishedOptOut.model_validate(document).model_dump_json(exclude={"at"})).items() <= document.items()
    )
    assert ("admin", "all", "paola", None) == tuple(document[key] for key in ("source", "scope", "actor", "wamid"))
    assert ("applied", None) == commanded(room, "opt_out")
    assert [] == events(room)


def test_the_number_confirms_a_change_once(room: CampaignRoom) -> None:
    """A greeting or a remark on the menu would be out of place; the second *stop* changes nothing."""
    texts: dict[TextKind, str] = {
        "greeting": "Welcome!",
        "wrong_choice": "?",
        "opted_out": "No more messages.",
        "opted_in": "Welcome back.",
    }
    number = replace(COMPANY.numbers[NUMBER], texts={"en": texts}, stop_words=("basta",))
    room.office.apply_directory(replace(COMPANY, numbers={**COMPANY.numbers, NUMBER: number}))
    for place, text in enumerate(("Basta!", "stop", "start", "hello")):
        writes(room, text, hours_ago=0.1 - place / 60)
    sent = [row["text"] for row in room.office.rows("select text from sends order by requested_at")]
    assert ["No more messages.", "Welcome back."] == sent
