"""How each step of setting an installation up is judged."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.setup.judging import judge
from domain.setup.seen import (
    CertificateSeen,
    ServerClock,
    ServersSeen,
    SetupAccount,
    SetupNumber,
    SetupRecord,
    SetupTerms,
)
from domain.setup.sightings import Sighting, SightingKind
from domain.setup.steps import SetupStep, StepItem

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
EMPTY = SetupRecord(NOW, {}, administrators=0, version=0, users=0, numbers=(), accounts=(), templates=0)
NOTHING = ServersSeen(NOW)
BARE = SetupTerms()
ALL = SetupTerms("https://hooks.example.com", mails=True, files=True, sends=True)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def record(seen: dict[SightingKind | Sighting, float] | None = None, **changed: Any) -> SetupRecord:
    """The record with what was seen so many minutes ago."""
    found = {
        each if isinstance(each, Sighting) else Sighting(each): ago(minutes) for each, minutes in (seen or {}).items()
    }
    return replace(EMPTY, sightings=found, **changed)


def step(
    name: str, of: SetupRecord = EMPTY, terms: SetupTerms = BARE, servers: ServersSeen | None = NOTHING
) -> SetupStep:
    (found,) = [each for each in judge(of, terms, servers) if each.id == name]
    return found


def item(of: SetupStep, subject: str) -> StepItem:
    (found,) = [each for each in of.items if each.subject == subject]
    return found


def test_a_bare_installation_has_things_to_do_and_no_trouble() -> None:
    """What is optional is off, not demanded."""
    states = {each.id: each.state for each in judge(EMPTY, SetupTerms(), NOTHING)}
    assert {
        "administrator": "waiting",
        "directory": "waiting",
        "clocks": "off",
        "certificates": "off",
        "handshake": "waiting",
        "signature": "waiting",
        "subscribed": "off",
        "fields": "waiting",
        "numbers": "waiting",
        "mtls": "off",
        "templates": "off",
        "sending": "off",
        "softbot": "off",
        "desk": "off",
        "mails": "off",
        "files": "off",
    } == states


def test_every_step_that_is_not_done_says_what_to_do_or_that_nothing_is_needed() -> None:
    for each in judge(EMPTY, SetupTerms(), NOTHING):
        assert each.next is not None or each.state == "off" or each.id in ("clocks",), each.id


def test_an_installation_that_uses_everything_is_green() -> None:
    seen: dict[SightingKind | Sighting, float] = dict.fromkeys(
        ("handshake", "whatsapp", "client_certificate", "softbot", "desktop", "desk", "ses", "sns_confirmed"), 1.0
    )
    seen |= {Sighting("field", "messages"): 1, Sighting("message", "1"): 1, Sighting("echo", "1"): 1}
    whole = record(
        seen,
        administrators=1,
        version=3,
        users=2,
        numbers=[SetupNumber("1", "Shop", True, True, True)],
        accounts=[SetupAccount("a", ago(5), None, ["WitiOp"], 0.0)],
        templates=7,
        mailed_at=ago(3),
        fetched_at=ago(4),
    )
    servers = ServersSeen(
        NOW, [ServerClock("PostgreSQL", 0.0)], [CertificateSeen("Kafka k:9092", NOW + timedelta(days=90))]
    )
    assert {"done"} == {each.state for each in judge(whole, ALL, servers)}


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({"handshake": 5}, "done"),
        ({"handshake_refused": 5}, "trouble"),
        ({"handshake_refused": 5, "handshake": 3}, "done"),
        ({"handshake_refused": 3, "handshake": 5}, "trouble"),
        ({"handshake_refused": 5, "handshake": 9, "whatsapp": 1}, "done"),  # a stranger, as Meta posts
        ({"whatsapp": 1}, "done"),
    ],
)
def test_the_handshake(seen: dict[SightingKind | Sighting, float], state: str) -> None:
    assert state == step("handshake", record(seen)).state


def test_what_is_to_be_entered_at_meta_is_said() -> None:
    then = step("handshake", terms=ALL).next
    assert then is not None and "https://hooks.example.com/webhooks/whatsapp" in then.said()
    unknown = step("handshake").next
    assert unknown is not None and "https://YOUR-HOST/webhooks/whatsapp" in unknown.said()


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({"whatsapp": 5}, "done"),
        ({"whatsapp_refused": 5}, "trouble"),
        ({"whatsapp_refused": 5, "whatsapp": 3}, "done"),
        ({"whatsapp_refused": 3, "whatsapp": 5}, "trouble"),
    ],
)
def test_the_signature(seen: dict[SightingKind | Sighting, float], state: str) -> None:
    assert state == step("signature", record(seen)).state


def test_metas_test_button_is_shown() -> None:
    found = step("signature", record({"whatsapp": 5, "test": 5}))
    assert [("done", ago(5))] == [(each.state, each.at) for each in found.items]


@pytest.mark.parametrize(
    ("account", "state", "said"),
    [
        (SetupAccount("a", ago(5), None, ["WitiOp", "Other"], 0.0), "done", "subscribed: WitiOp, Other"),
        (SetupAccount("a", ago(5), None, [], 0.0), "trouble", "no app is subscribed, so Meta reports nothing"),
        (SetupAccount("a", None, "Meta's error 190", None, None), "trouble", "cannot be asked: Meta's error 190"),
        (SetupAccount("a", None, None, None, None), "waiting", "not asked yet"),
    ],
)
def test_the_subscription_of_an_account(account: SetupAccount, state: str, said: str) -> None:
    found = step("subscribed", record(accounts=[account]))
    assert (state, said) == (found.state, found.items[0].seen.said())


def test_one_account_without_an_app_is_trouble_beside_a_good_one() -> None:
    good, bad = (SetupAccount(id_, ago(5), None, apps, 0.0) for id_, apps in (("a", ["WitiOp"]), ("b", [])))
    assert "trouble" == step("subscribed", record(accounts=[good, bad])).state


def test_fields_seen_and_missing() -> None:
    """Only messages are needed; the others arrive when something of their kind happens."""
    found = step("fields", record({Sighting("field", "messages"): 5}), ALL)
    assert "done" == found.state
    states = {each.subject: each.state for each in found.items}
    assert ("done", "waiting", "off") == (
        states["messages"],
        states["message_template_status_update"],
        states["smb_message_echoes"],
    )
    assert "off" == item(step("fields"), "message_template_status_update").state  # nothing is sent from here
    assert "waiting" == step("fields", record({Sighting("field", "account_update"): 5}), ALL).state


def test_numbers_with_their_last_message_and_last_answer_from_the_app() -> None:
    numbers = [
        SetupNumber("1", "Shop", listed=True, at_meta=True, has_customers=True),
        SetupNumber("2", "Workshop", listed=True, at_meta=True, has_customers=False),
    ]
    seen: dict[SightingKind | Sighting, float] = {Sighting("message", "1"): 5, Sighting("echo", "1"): 9}
    found = step("numbers", record(seen, numbers=numbers))
    assert ("done", ago(5)) == (found.state, found.at)
    shop = item(found, "Shop")
    assert ("done", ago(5)) == (shop.state, shop.at)
    assert ago(9) == shop.seen.values["at"]
    assert ("waiting", "no message yet") == (item(found, "Workshop").state, item(found, "Workshop").seen.said())


def test_a_number_that_customers_write_to_and_the_directory_lacks_can_be_added() -> None:
    numbers = [SetupNumber("3", "", False, False, True), SetupNumber("4", "New", False, True, False)]
    found = step("numbers", record({Sighting("message", "3"): 5}, numbers=numbers))
    assert "trouble" == found.state
    assert [("trouble", "3", "3"), ("waiting", "New", "4")] == [
        (each.state, each.subject, each.add) for each in found.items
    ]


def test_the_number_of_metas_test_button_is_not_asked_to_be_added() -> None:
    found = step("numbers", record(numbers=[SetupNumber("123456123", "", False, False, True)]))
    assert ("waiting", 0) == (found.state, len(found.items))


@pytest.mark.parametrize(
    ("seen", "state"),
    [
        ({"client_certificate": 5}, "done"),
        ({"client_certificate_missing": 5}, "trouble"),
        ({"client_certificate_missing": 5, "client_certificate": 3}, "done"),
    ],
)
def test_metas_client_certificate(seen: dict[SightingKind | Sighting, float], state: str) -> None:
    assert state == step("mtls", record(seen)).state


@pytest.mark.parametrize(
    ("account", "state"),
    [
        (SetupAccount("a", ago(5), None, ["x"], 0.0), "done"),
        (SetupAccount("a", ago(90), None, ["x"], 0.0), "trouble"),
        (SetupAccount("a", ago(5), "HTTP 500", ["x"], 0.0), "trouble"),
        (SetupAccount("a", None, None, None, None), "waiting"),
    ],
)
def test_templates(account: SetupAccount, state: str) -> None:
    assert state == step("templates", record(accounts=[account])).state


@pytest.mark.parametrize(
    ("name", "accepted", "refused"), [("softbot", "softbot", "softbot_refused"), ("desk", "desktop", "agents_refused")]
)
def test_a_sender_of_ours_is_off_seen_or_refused(name: str, accepted: SightingKind, refused: SightingKind) -> None:
    """A refusal of long ago, of a sender of whom none was ever accepted, was a stranger's."""
    assert "off" == step(name).state
    assert "done" == step(name, record({accepted: 5})).state
    assert "trouble" == step(name, record({refused: 5})).state
    assert "off" == step(name, record({refused: 2 * 24 * 60})).state
    assert "trouble" == step(name, record({accepted: 5 * 24 * 60, refused: 2 * 24 * 60})).state
    assert "done" == step(name, record({refused: 5, accepted: 3})).state


def test_our_own_page_counts_as_a_desk() -> None:
    assert ("done", "Agents use the page My desk.") == (
        step("desk", record({"desk": 5})).state,
        step("desk", record({"desk": 5})).seen.said(),
    )


@pytest.mark.parametrize(
    ("seen", "mailed", "state"),
    [
        ({}, None, "waiting"),
        ({"sns_confirmed": 5}, None, "waiting"),
        ({"sns_confirmed": 5, "ses": 1}, ago(2), "done"),
        ({}, ago(2), "trouble"),  # nothing says what becomes of mails
        ({"sns_refused": 5}, None, "trouble"),
        ({"sns_refused": 5, "sns_confirmed": 3}, None, "waiting"),
    ],
)
def test_mails(seen: dict[SightingKind | Sighting, float], mailed: datetime | None, state: str) -> None:
    assert state == step("mails", record(seen, mailed_at=mailed), ALL).state


def test_files() -> None:
    assert ("waiting", "done") == (
        step("files", terms=ALL).state,
        step("files", record(fetched_at=ago(1)), ALL).state,
    )


def test_the_first_administrator_may_come_from_the_provider() -> None:
    assert "waiting" == step("administrator", terms=SetupTerms(provider=True)).state
    then = step("administrator").next
    assert then is not None and "witiop users create NAME --administrator" in then.said()
    assert "done" == step("administrator", record(administrators=1)).state


def test_clocks_that_differ_are_trouble() -> None:
    """Meta's is told by the process that asked it; a difference that the answer's way explains is none."""
    servers = ServersSeen(NOW, [ServerClock("PostgreSQL", 1.9), ServerClock("Kafka", -60.0)])
    found = step("clocks", record(accounts=[SetupAccount("a", NOW, None, [], 30.0)]), servers=servers)
    assert "trouble" == found.state
    assert {
        "PostgreSQL": "agrees with this machine",
        "Kafka": "60 seconds behind this machine",
        "Meta": "30 seconds ahead of this machine",
    } == {each.subject: each.seen.said() for each in found.items}
    assert "trouble" == step("clocks", servers=ServersSeen(NOW, unreachable=["Kafka"])).state


@pytest.mark.parametrize(
    ("certificate", "state"),
    [
        (CertificateSeen("x", NOW + timedelta(days=22)), "done"),
        (CertificateSeen("x", NOW + timedelta(days=20)), "trouble"),
        (CertificateSeen("x", NOW - timedelta(days=1)), "trouble"),
        (CertificateSeen("x", NOW + timedelta(days=90), "self-signed certificate"), "trouble"),
        (CertificateSeen("x", None, "Connection refused"), "trouble"),
    ],
)
def test_certificates(certificate: CertificateSeen, state: str) -> None:
    found = step("certificates", servers=ServersSeen(NOW, certificates=[certificate]))
    assert state == found.state
    assert (found.next is None) == (state == "done")


def test_servers_that_nobody_has_looked_at_yet_are_no_trouble() -> None:
    assert ["waiting", "waiting"] == [step(name, servers=None).state for name in ("clocks", "certificates")]
