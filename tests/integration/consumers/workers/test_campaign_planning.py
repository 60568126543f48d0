"""The plan of a campaign on a real database: which rows get a message, and why the others get none."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection

from consumers.workers.campaigns import customers, planning
from consumers.workers.campaigns.worker import CampaignTerms, CampaignWorker
from domain.campaigns.campaign import Campaign
from domain.facts import MarketingPreference, Party
from domain.ids import FactId
from domain.sending.acceptance import SendingPolicy
from domain.topics import Topics
from infra.postgres.campaigns.customers import CustomerFilter, count_fitting
from infra.postgres.connections.session import DatabaseSession
from tests.support.campaign_room import AUTUMN, CampaignRoom, open_campaign_room
from tests.support.stories import NUMBER

ROME, MILAN, BERLIN = "393471234567", "393481234567", "4915112345678"
UTILITY = AUTUMN._replace(name="your_order", category="UTILITY")


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


@contextmanager
def second_process(room: CampaignRoom, database: str) -> Iterator[CampaignWorker]:
    with closing(DatabaseSession(database, "second")) as session:
        yield CampaignWorker(session.transaction, room.topics)


def few_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "ROWS", 2)
    monkeypatch.setattr(customers, "ROWS", 2)


def planned(room: CampaignRoom, *phones: str, **changes: Any) -> dict[int, str]:
    autumn = room.imported(*phones, **changes)
    room.run_worker()
    room.counts(autumn)
    return room.rows_of(autumn)


def test_good_rows_are_planned_some_at_a_time_and_then_the_campaign_is_ready(
    room: CampaignRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_rows_at_once(monkeypatch)
    autumn = room.imported(ROME, MILAN, BERLIN, "12025550123")
    room.worker.poll()
    assert ("planning", {"planned": 1, "imported": 3}) == (room.campaign(autumn).state, room.counts(autumn))
    room.run_worker()
    ready = room.campaign(autumn)
    assert ("ready", None, {"Europe/Rome": 2, "Europe/Berlin": 1}) == (ready.state, ready.work, ready.zones)
    assert {"0": {"IT": 2, "DE": 1}} == ready.countries
    assert {"planned": 3, "skipped us_marketing": 1} == room.counts(autumn)
    assert ["planned"] == room.events()


def test_a_person_is_one_recipient_whatever_row_and_id_names_them(
    room: CampaignRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """C1: also rows of different transactions, and a phone and a user id of one customer."""
    few_rows_at_once(monkeypatch)
    both = Party(wa_id=ROME, user_id="IT.1349")
    room.office.process(
        room.office.maker.turn(room.office.hours_ago(30), "hello").model_copy(update={"customer": both})
    )
    autumn = room.imported(ROME, BERLIN, BERLIN, "IT.1349", ROME)
    room.run_worker()
    twice = "skipped duplicate"
    assert {2: "planned", 3: "planned", 4: twice, 5: twice, 6: twice} == room.rows_of(autumn)
    repeats = room.office.rows("select repeats from recipients where repeats is not null order by row_no")
    assert [3, 2, 2] == [row["repeats"] for row in repeats]


def test_a_national_variant_of_a_phone_is_the_same_person(room: CampaignRoom) -> None:
    assert {2: "planned", 3: "skipped duplicate"} == planned(room, "5511987654321", "551187654321")


def test_who_opted_out_of_marketing_gets_no_marketing_but_other_templates(room: CampaignRoom) -> None:
    now = datetime.now(UTC)
    stops = MarketingPreference(
        id=FactId(uuid4()), at=now, sent_at=now, phone_number_id=NUMBER, customer=Party(wa_id=ROME), wants=False
    )
    room.office.process(stops)
    room.store(AUTUMN, UTILITY)
    assert {2: "skipped opted_out", 3: "planned"} == planned(room, ROME, BERLIN)
    assert {2: "planned", 3: "planned"} == planned(room, ROME, BERLIN, name="Order", templates=[UTILITY])


def test_customers_in_an_active_conversation_are_skipped_unless_they_are_wanted(room: CampaignRoom) -> None:
    room.office.customer_writes(phone=ROME, hours_ago=1)
    assert {2: "skipped active_conversation", 3: "planned"} == planned(room, ROME, BERLIN)
    assert {2: "planned", 3: "planned"} == planned(room, ROME, BERLIN, name="All", into_active=True)


def test_who_got_a_campaign_within_the_frequency_cap_is_skipped(room: CampaignRoom) -> None:
    """Under whichever id they were reached."""
    both = Party(wa_id=ROME, user_id="IT.1349")
    room.office.process(
        room.office.maker.turn(room.office.hours_ago(30), "hello").model_copy(update={"customer": both})
    )
    first = room.imported(ROME)
    room.run_worker()
    room.command("start", first)
    room.run()
    assert {2: "skipped recently_reached", 3: "planned"} == planned(
        room, "IT.1349", BERLIN, name="Again", terms={"cap_days": 7}
    )
    assert {2: "planned"} == planned(room, ROME, name="Any time")
    room.connection.execute("update recipients set accepted_at = accepted_at - interval '8 days'")
    assert {2: "planned"} == planned(room, ROME, name="Later", terms={"cap_days": 7})


def test_only_allowed_recipients_are_planned(room: CampaignRoom, database: str) -> None:
    terms = CampaignTerms(SendingPolicy(enabled=True, allowed_to=frozenset({ROME})))
    room.worker = CampaignWorker(room.session.transaction, room.topics, terms)
    assert {2: "planned", 3: "skipped recipient_not_allowed"} == planned(room, ROME, BERLIN)


def test_marketing_goes_to_the_united_states_only_if_the_setting_says_so(room: CampaignRoom) -> None:
    room.store(AUTUMN, UTILITY)
    american, canadian = "12025550123", "14165550123"
    assert {2: "skipped us_marketing", 3: "planned"} == planned(room, american, canadian)
    assert {2: "planned"} == planned(room, american, name="Order", templates=[UTILITY])
    room.worker = CampaignWorker(room.session.transaction, room.topics, CampaignTerms(us_marketing=True))
    assert {2: "planned"} == planned(room, american, name="All the same")


def test_the_zone_is_the_rows_or_the_countrys_or_the_campaigns_or_the_numbers(room: CampaignRoom) -> None:
    autumn = room.imported(ROME, ROME[:-1] + "8", "5511987654321", terms={"zone": "America/Sao_Paulo"})
    room.connection.execute("update recipients set zone = 'Asia/Tokyo' where row_no = 2")
    room.connection.execute("update numbers set time_zone = 'Europe/Lisbon' where phone_number_id = %s", [NUMBER])
    other = room.imported("5511987654321", name="Without a zone")
    room.run_worker()
    assert {"Asia/Tokyo": 1, "Europe/Rome": 1, "America/Sao_Paulo": 1} == room.campaign(autumn).zones
    assert {"Europe/Lisbon": 1} == room.campaign(other).zones


def test_each_address_keeps_its_template_when_several_are_compared(room: CampaignRoom) -> None:
    winter = AUTUMN._replace(name="winter_service")
    german = AUTUMN._replace(name="autumn_service", language="de")
    room.store(AUTUMN, winter, german)
    phones = [f"39347{n:07}" for n in range(40)]
    autumn = room.imported(*phones, templates=[AUTUMN, winter])
    again = room.imported(*reversed(phones), name="Again", templates=[AUTUMN, winter])
    languages = room.imported(*phones, name="Languages", templates=[AUTUMN, german])
    room.connection.execute("update recipients set language = 'de' where campaign_id = %s", [languages.id])
    room.run_worker()
    chosen = [
        dict(
            room.connection.execute(
                "select address, variant from recipients where campaign_id = %s", [campaign.id]
            ).fetchall()
        )
        for campaign in (autumn, again)
    ]
    assert chosen[0] == chosen[1]
    assert {0, 1} == set(chosen[0].values())
    assert {"1": {"IT": 40}} == {
        key: value for key, value in (room.campaign(languages).countries or {}).items() if value
    }


def test_a_campaign_that_nobody_gets_is_cancelled_with_the_reason(room: CampaignRoom) -> None:
    autumn = room.imported("12025550123")
    room.run_worker()
    assert ("cancelled", "nobody") == (room.campaign(autumn).state, room.campaign(autumn).reason)
    assert ["cancelled"] == room.events()


def test_a_defect_pauses_the_campaign_that_has_it_and_no_other(room: CampaignRoom) -> None:
    """It can be resumed where it stood."""
    broken, good = room.imported(ROME, name="Broken", terms={"cap_days": "seven"}), room.imported(BERLIN, name="Good")
    room.run_worker()
    assert ("paused", "defect") == (room.campaign(broken).state, room.campaign(broken).reason)
    assert "ready" == room.campaign(good).state
    assert ("applied", None) == room.command("resume", broken)
    assert "planning" == room.campaign(broken).state
    room.connection.execute("update campaigns set terms = '{}' where id = %s", [broken.id])
    room.run_worker()
    assert ("ready", {"planned": 1}) == (room.campaign(broken).state, room.counts(broken))


def test_a_campaign_whose_work_is_too_slow_keeps_no_other_waiting(
    room: CampaignRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database answers, so what is wrong is that work alone; the process says so, and tries again."""

    def plan(connection: Connection[Any], topics: Topics, campaign: Campaign, *others: Any) -> Campaign:
        if campaign.id == slow.id:
            raise QueryCanceled
        return planning.plan(connection, topics, campaign, *others)

    class QueryCanceled(psycopg.errors.QueryCanceled):
        sqlstate = "57014"

    monkeypatch.setattr("consumers.workers.campaigns.worker.plan", plan)
    slow, good = room.imported(ROME, name="Slow"), room.imported(BERLIN, name="Good")
    with pytest.raises(psycopg.errors.QueryCanceled):
        room.worker.poll()
    assert ("planning", "ready") == (room.campaign(slow).state, room.campaign(good).state)


def test_customers_who_fit_a_filter_become_recipients(room: CampaignRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    few_rows_at_once(monkeypatch)
    for phone, hours in ((ROME, 30), (MILAN, 40), (BERLIN, 50), ("16505551234", 60)):
        room.office.customer_writes(phone=phone, hours_ago=hours)
    room.connection.execute("update conversations set customer_name = 'Olivia  Rossi' where wa_id <> %s", [MILAN])
    source = {"customers": {"values": {"1": "{name}"}}}
    everybody = room.imported(name="Everybody", state="importing", source=source)
    room.run_worker()
    assert {"planned": 2, "skipped us_marketing": 1, "skipped parameter_empty": 1} == room.counts(everybody)
    rows = room.office.rows("select row_no, parameters from recipients where state = 'planned' order by row_no")
    assert [{"1": "Olivia Rossi"}] * 2 == [row["parameters"] for row in rows]
    assert 4 == count_fitting(room.connection, CustomerFilter(NUMBER))


def test_customers_are_looked_at_some_at_a_time_however_few_of_them_fit(
    room: CampaignRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other campaigns go on meanwhile, and commands wait for no long statement."""
    few_rows_at_once(monkeypatch)
    for phone in (ROME, MILAN, BERLIN, "393331234567", "393341234567"):
        room.office.customer_writes(phone=phone, hours_ago=30)
    source = {"customers": {"language": "de", "values": {"1": "you"}}}
    germans = room.imported(name="Germans", state="importing", source=source)
    states = []
    for _ in range(3):
        room.worker.poll()
        states.append(room.campaign(germans).state)
    assert ["importing", "importing", "planning"] == states
    room.run_worker()
    assert {"planned": 1} == room.counts(germans)


def test_the_filter_of_customers(room: CampaignRoom) -> None:
    """By time, reason, language of their country, and an earlier campaign and its answer."""
    for phone, hours in ((ROME, 30), (MILAN, 100), (BERLIN, 50)):
        room.office.customer_writes(phone=phone, hours_ago=hours)
    room.connection.execute("update conversations set unmanaged = true, reason = 1 where wa_id = %s", [BERLIN])
    first = room.imported(MILAN, "393331234567", name="First")
    room.run_worker()
    room.command("start", first)
    room.run()

    def count(**wanted: Any) -> int:
        return count_fitting(room.connection, CustomerFilter(NUMBER, **wanted))

    ago = {hours: room.connection.execute(f"select now() - interval '{hours} hours'").fetchone() for hours in (40, 60)}
    assert 1 == count(since=(ago[40] or [None])[0])
    assert 1 == count(since=(ago[60] or [None])[0], until=(ago[40] or [None])[0])
    assert (1, 2, 0) == (count(reasons=[1]), count(reasons=[7]), count(reasons=[2]))
    assert (2, 0) == (count(codes=["39", "41"]), count(codes=[]))
    assert (1, 1, 0) == (
        count(campaign=first.id),
        count(campaign=first.id, answered=False),
        count(campaign=first.id, answered=True),
    )


def test_two_processes_plan_and_send_a_campaign_as_one(room: CampaignRoom, database: str) -> None:
    """C1: whichever of them has its lock; the other waits for nothing."""
    with second_process(room, database) as second:
        autumn = room.imported(*(f"39347{n:07}" for n in range(6)))
        with room.session.transaction() as connection:
            connection.execute("select from campaigns where id = %s for update", [autumn.id])
            second.poll()
            assert {"imported": 6} == room.counts(autumn)
        for worker in (room.worker, second, room.worker):
            worker.poll()
        room.command("start", autumn)
        for _ in range(3):
            room.worker.poll()
            second.poll()
            room.sender.poll()
        room.run()
        assert (6, 6) == (len(room.reached()), len(set(room.reached())))
        assert {"accepted": 6} == room.counts(autumn)


def test_a_campaign_that_was_cancelled_while_it_was_planned_reaches_nobody(room: CampaignRoom) -> None:
    autumn = room.imported(ROME, BERLIN)
    assert ("applied", None) == room.command("cancel", autumn)
    room.run_worker()
    assert {"cancelled": 2} == room.counts(autumn)
    assert room.campaign(autumn).work is None
