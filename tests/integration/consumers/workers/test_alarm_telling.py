"""Channels and people are told of alarms: each change once, in order, whatever fails."""

import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.workers.alarms.telling import AlarmTelling, TellingMeans, pause_after
from domain.alarms.channels import AlarmChannel, ChannelForm, ChannelSecrets
from domain.alarms.judging import AlarmSubject
from domain.alarms.kinds import AlarmKind
from domain.attempts import OutcomeUnknown
from domain.mail_body.compose import MailSender
from infra.hooks.poster import HookOutcome, HookPoster
from infra.postgres.alarms.alarms import AlarmToRaise, end_alarm, raise_alarm
from infra.postgres.alarms.channels import add_channel, remove_channel
from infra.postgres.alarms.deliveries import announce, claim_delivery, settle_delivery
from infra.postgres.alarms.silences import silence
from tests.support.fake_mailer import FakeMailer
from tests.support.listener import Listener, listening
from tests.support.office import Office, open_office

SECRET = "a secret of the channel"
URL = "https://console.example"


class Team:
    """A team's hook, and what tells it."""

    def __init__(self, office: Office, listener: Listener, mailer: FakeMailer | None = None) -> None:
        self.office = office
        self.connection = office.connection
        self.listener = listener
        sender = MailSender("witiop@example.com", "Zefiro")
        hooks = HookPoster(["127.0.0.1"])
        self.means = TellingMeans(hooks, lambda _: str, (lambda: mailer) if mailer else None, sender, URL)
        self.telling = AlarmTelling(office.connection.transaction_of, self.means)

    def channel(self, name: str = "team", form: ChannelForm = "text", **more: Any) -> UUID:
        id_ = uuid4()
        fields: dict[str, Any] = {"language": "en", "level": "amber", "system": True, "shows_customer": False, **more}
        address = fields.pop("address", f"{self.listener.url}/{name}")
        added = AlarmChannel(id_, name, form, "shown", **fields)
        assert add_channel(self.connection, added, ChannelSecrets(address, SECRET), "boss")
        return id_

    def raises(
        self, kind: AlarmKind = AlarmKind.LAG, key: str = "", conversation: UUID | None = None, **d: Any
    ) -> None:
        raise_alarm(self.connection, AlarmToRaise(kind, key, d or {"minutes": 3}, conversation, datetime.now(UTC)))

    def ends(self, kind: AlarmKind = AlarmKind.LAG, key: str = "") -> None:
        assert end_alarm(self.connection, kind, key, datetime.now(UTC))

    def tells(self) -> None:
        """Announces, and tells until nothing is due."""
        announce(self.connection)
        while self.telling.poll() == 0.0:
            pass

    def time_passes(self) -> None:
        """Everything that waits is due."""
        self.connection.execute("update alarm_deliveries set due_at = now() where state in ('due', 'sending')")

    def said(self) -> list[tuple[str, str]]:
        """The paths and first lines of what arrived."""
        return [(each.path, json.loads(each.body)["text"].split("\n")[0]) for each in self.listener.received]

    def states(self) -> list[tuple[str, str, int, str | None]]:
        rows = self.office.rows("select change, state, attempts, problem from alarm_deliveries order by id")
        return [tuple(row.values()) for row in rows]


@pytest.fixture
def team(database: str) -> Iterator[Team]:
    with open_office(database) as office, listening() as listener:
        yield Team(office, listener)


RED = "\N{LARGE RED CIRCLE} Incoming messages are processed 3 minutes late"
OVER = "\N{WHITE HEAVY CHECK MARK} Over: Incoming messages are processed 3 minutes late"


def test_a_team_is_told_once_that_an_alarm_began_and_once_that_it_is_over(team: Team) -> None:
    team.channel()
    team.raises()
    for _ in range(3):
        team.raises()
        team.tells()
    team.ends()
    team.tells()
    team.tells()
    assert team.said() == [("/team", RED), ("/team", OVER)]


def test_what_a_team_gets_is_signed_and_names_its_delivery(team: Team) -> None:
    team.channel()
    team.raises()
    team.tells()
    (received,) = team.listener.received
    expected = hmac.new(SECRET.encode(), received.body, hashlib.sha256).hexdigest()
    assert received.headers["X-Witiop-Signature-256"] == f"sha256={expected}"
    (row,) = team.office.rows("select id from alarm_deliveries")
    assert received.headers["Idempotency-Key"] == str(row["id"]) == json.loads(received.body)["alarm"]["id"]


@pytest.mark.parametrize("status", [500, 503, 429, 0])
def test_a_hook_that_fails_is_told_again_with_the_same_id_and_in_order(team: Team, status: int) -> None:
    team.channel()
    team.listener.answer = lambda n: 200 if n >= 2 else status
    team.raises()
    team.tells()
    team.ends()
    team.tells()
    assert len(team.listener.received) == 1  # the end waits for the beginning
    for _ in range(2):
        team.time_passes()
        team.tells()
    assert team.said() == [("/team", RED)] * 3 + [("/team", OVER)]
    ids = [each.headers["Idempotency-Key"] for each in team.listener.received]
    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]
    assert [state[:3] for state in team.states()] == [("began", "delivered", 3), ("ended", "delivered", 1)]


def test_a_hook_that_says_when_is_asked_no_earlier(team: Team) -> None:
    team.channel()
    team.listener.answer, team.listener.headers = (lambda _: 429), {"Retry-After": "600"}
    team.raises()
    team.tells()
    (row,) = team.office.rows("select due_at > now() + interval '9 minutes' as later from alarm_deliveries")
    assert row["later"]
    assert pause_after(1, None) == timedelta(seconds=5)
    assert pause_after(50, None) == timedelta(minutes=15)


@pytest.mark.parametrize("status", [301, 404])
def test_a_hook_that_is_gone_is_not_asked_again(team: Team, status: int) -> None:
    team.channel()
    team.listener.answer = lambda _: status
    team.raises()
    team.tells()
    team.time_passes()
    team.tells()
    assert team.states() == [("began", "failed", 1, f"http_{status}")]
    assert len(team.listener.received) == 1


def test_a_hook_that_fails_for_a_day_is_given_up(team: Team) -> None:
    team.channel()
    team.listener.answer = lambda _: 500
    team.raises()
    announce(team.connection)
    team.connection.execute("update alarm_deliveries set created_at = now() - interval '25 hours'")
    team.tells()
    assert team.states() == [("began", "failed", 1, "http_500")]


@pytest.mark.parametrize("ends_before", [True, False])
def test_who_was_never_told_that_it_began_is_not_told_that_it_is_over(team: Team, ends_before: bool) -> None:
    team.channel()
    team.listener.answer = lambda n: 404 if n == 0 else 200
    team.raises()
    if ends_before:
        announce(team.connection)
        team.ends()
        team.tells()
    else:
        team.tells()
        team.ends()
    team.tells()
    team.time_passes()
    team.tells()
    assert team.said() == [("/team", RED)]
    assert {state[1:2] + state[3:] for state in team.states()} == {("failed", "http_404")}


def test_a_channel_that_hangs_keeps_no_other_waiting(team: Team) -> None:
    team.channel("slow")
    team.channel("quick")
    team.raises()
    announce(team.connection)
    first = claim_delivery(team.connection)
    assert first is not None
    team.raises(AlarmKind.OUTBOX_STUCK)
    team.tells()  # another process, while the first post hangs
    paths = {each.path for each in team.listener.received}
    assert len(team.listener.received) == 2
    assert len(paths) == 1


def test_a_process_that_ends_in_the_middle_is_followed_by_another_one(team: Team) -> None:
    """Its answer, if it comes after all, changes nothing."""
    team.channel()
    team.raises()
    announce(team.connection)
    ended = claim_delivery(team.connection)
    assert ended is not None
    team.tells()
    assert team.said() == []  # the claim still lasts
    team.time_passes()
    team.tells()
    assert team.said() == [("/team", RED)]
    assert not settle_delivery(team.connection, ended, "time_out", timedelta(seconds=5))
    assert team.states() == [("began", "delivered", 2, None)]


def test_a_silenced_alarm_is_told_when_the_silence_is_over_if_it_still_lasts(team: Team) -> None:
    team.channel()
    silence(team.connection, AlarmSubject(AlarmKind.LAG), datetime.now(UTC) + timedelta(hours=1), "boss")
    team.raises()
    team.tells()
    assert team.said() == []
    silence(team.connection, AlarmSubject(AlarmKind.LAG), datetime.now(UTC), "boss")
    team.tells()
    assert team.said() == [("/team", RED)]


def test_an_alarm_that_began_and_ended_in_a_silence_is_told_to_nobody(team: Team) -> None:
    team.channel()
    silence(team.connection, AlarmSubject(AlarmKind.LAG), datetime.now(UTC) + timedelta(hours=1), "boss")
    team.raises()
    team.ends()
    team.tells()
    silence(team.connection, AlarmSubject(AlarmKind.LAG), datetime.now(UTC), "boss")
    team.tells()
    assert team.said() == []


def test_channels_get_the_alarms_that_they_are_for(team: Team) -> None:
    """A rule's alarm goes to the channel that the rule names, or to those of the system."""
    team.channel("all")
    team.channel("red", level="red")
    team.channel("sales", system=False)
    team.raises()
    team.raises(AlarmKind.DEAD_LETTERS, count=1)
    team.raises(AlarmKind.RULE, "night:1", rule="night", channel="sales")
    team.raises(AlarmKind.RULE, "night:2", rule="night", channel="gone")
    team.tells()
    paths = sorted(each.path for each in team.listener.received)
    assert paths == ["/all", "/all", "/all", "/red", "/red", "/sales"]


def test_a_channel_is_shown_the_customer_only_if_it_may_and_never_a_text(team: Team) -> None:
    conversation = team.office.customer_writes("my IBAN is DE00")
    team.channel("blind", system=True)
    team.channel("seeing", system=True, shows_customer=True)
    team.raises(AlarmKind.RULE, "night:1", conversation, rule="night")
    team.tells()
    texts = {each.path: each.body.decode() for each in team.listener.received}
    assert "16505551234" in texts["/seeing"]
    assert "16505551234" not in texts["/blind"]
    assert all("IBAN" not in text and f"{URL}/conversations/{conversation}" in text for text in texts.values())


def test_a_channel_that_was_removed_gets_nothing_more(team: Team) -> None:
    channel = team.channel()
    team.channel("other", system=False)
    team.raises()
    announce(team.connection)
    remove_channel(team.connection, channel, "boss")
    team.raises(AlarmKind.OUTBOX_STUCK)
    team.tells()
    assert team.said() == []
    assert [state[1] for state in team.states()] == ["failed"]
    ((address, secret),) = team.connection.execute(
        "select address, secret from alarm_channels where id = %s", [channel]
    ).fetchall()
    assert (address, secret) == ("", "")


def test_mails_go_to_addresses_and_to_people_and_are_repeated_if_nobody_knows(database: str) -> None:
    with open_office(database) as office, listening() as listener:
        mailer = FakeMailer(OutcomeUnknown("lost"))
        team = Team(office, listener, mailer)
        team.channel("mail", "mail", address="a@example.com,b@example.com", system=True)
        office.connection.execute(
            "insert into sign_ins (name, password, level) values ('anna', 'x', 'read_only'), ('root', 'x', 'read_only')"
        )
        team.raises()
        team.raises(AlarmKind.RUNNING_OUT, "anna", minutes=60, count=2)
        team.raises(AlarmKind.RUNNING_OUT, "root", minutes=60, count=2)
        team.tells()
        team.time_passes()
        team.tells()
        mails = [message_from_bytes(body, policy=policy.default) for _, body in mailer.accepted]
        assert sorted(str(mail["To"]) for mail in mails) == ["a@example.com, b@example.com", "anna@example.com"]
        problems = {state[3] for state in team.states() if state[1] == "failed"}
        assert problems == {"no_address"}
        assert len(mailer.posts) == 3
        assert mailer.posts[0] in mailer.posts[1:]


class _Broken:
    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HookOutcome:
        return HookOutcome("time_out")


def test_an_installation_without_mails_says_so(team: Team) -> None:
    team.telling = AlarmTelling(team.connection.transaction_of, TellingMeans(_Broken(), lambda _: str))
    team.channel("mail", "mail", address="a@example.com")
    team.raises()
    team.tells()
    assert team.states() == [("began", "failed", 1, "no_mails")]
