"""A campaign on the office's database, with the process that runs it, a sender and a fake Graph API."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from typing import Any
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from consumers.changes.sends import SendChanges
from consumers.workers.campaigns.file_worker import CampaignFileWorker
from consumers.workers.campaigns.worker import CampaignWorker
from consumers.workers.sender import MessageSender, SenderTerms
from domain.campaigns.campaign import Campaign, campaign_id
from domain.campaigns.content import variables_of
from domain.facts import MessageStatus
from domain.ids import fact_id
from domain.phone_numbers import phone_key
from domain.sending.sends import SendState
from domain.sending.templates import Template
from domain.topics import Topics
from infra.postgres.campaign_files import files
from infra.postgres.campaign_files.files import CHUNK_BYTES
from infra.postgres.campaigns import campaigns
from infra.postgres.campaigns.answers import answer_counts_of, wrong_answer_counts
from infra.postgres.campaigns.counts import CountKey, Moves, counts_of, wrong_counts
from infra.postgres.connections.session import DatabaseSession
from infra.postgres.sending.library import store_templates
from infra.postgres.sending.sends import SendLogEntry
from tests.support.fake_graph import FakeGraph
from tests.support.office import Office, open_office
from tests.support.sending_room import NoWakeups
from tests.support.stories import NUMBER

ACCOUNT = "102290129340398"
AUTUMN = Template(
    ACCOUNT,
    "autumn_service",
    "en",
    "APPROVED",
    "MARKETING",
    "POSITIONAL",
    [
        {"type": "BODY", "text": "Hi {{1}}, your bike is due for its service."},
        {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Yes, please"}]},
    ],
)


class CampaignRoom:
    """Campaigns of the office's number, which may send 1,000 messages a second and has saved up for most of one."""

    def __init__(self, office: Office, dsn: str) -> None:
        self.office = office
        self.connection = office.connection
        self.graph = FakeGraph()
        self.session = DatabaseSession(dsn, "test")
        self.topics = Topics()
        self.connection.execute(
            "insert into graph_numbers (phone_number_id, account_id, display, name, quality, throughput, "
            "people_per_day, synchronised_at) values (%b, %b, '+1 650 555 0000', 'Shop', 'GREEN', 1000, null, now())",
            [NUMBER, ACCOUNT],
        )
        self.store(AUTUMN)
        office.may_send(700)
        self.worker = CampaignWorker(self.session.transaction, self.topics)
        self.files_session = DatabaseSession(dsn, "test files")
        self.files = CampaignFileWorker(self.files_session.transaction, self.topics)
        self.sender = MessageSender(
            self.session.transaction, self.graph, self.topics, NoWakeups(), SenderTerms(in_flight=16)
        )

    def _campaign(self, name: str) -> Campaign:
        return Campaign(
            id=campaign_id(name),
            name=name,
            phone_number_id=NUMBER,
            account_id=ACCOUNT,
            source={"file": {"file_id": str(UUID(int=1)), "mapping": {"phone": 0}}},
            into_active=False,
            terms={},
            actor="paola",
            created_at=datetime.now(UTC),
        )

    def store(self, *templates: Template) -> None:
        """Makes these the templates that Meta reports."""
        store_templates(self.connection, ACCOUNT, templates, datetime.now(UTC))

    def planned(self, people: int = 3, name: str = "Autumn", **changes: Any) -> Campaign:
        """Stores a campaign that is ready, with so many planned recipients, from row 2 on: +16505550002, ..."""
        campaign = replace(self._campaign(name), **{"state": "ready", "zones": {"UTC": people}, **changes})
        templates = [AUTUMN]
        assert campaigns.create(self.connection, campaign, templates)
        values = dict.fromkeys(variables_of(AUTUMN), "Oliver")
        rows = [(campaign.id, row, NUMBER, f"1650555{row:04}", Jsonb(values)) for row in range(2, people + 2)]
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into recipients (campaign_id, row_no, phone_number_id, address, address_kind, address_key, "
                "person, parameters, zone, state) select %s, %s, %s, p, 'phone', p, p, v, 'UTC', 'planned' "
                "from (select %s::text as p, %s::jsonb as v) t",
                rows,
            )
        moves = Moves()
        moves.add(CountKey(campaign.id, 1, 0, "planned", ""), people)
        moves.write(self.connection)
        return campaign

    def imported(
        self, *phones: str, name: str = "Autumn", templates: Sequence[Template] = (AUTUMN,), **changes: Any
    ) -> Campaign:
        """Stores a campaign whose rows were read and are to be planned: these phones or user ids, from row 2 on."""
        campaign = replace(self._campaign(name), **{"state": "planning", **changes})
        assert campaigns.create(self.connection, campaign, templates)
        self.add_rows(campaign, phones)
        return campaign

    def add_rows(self, campaign: Campaign, addresses: Sequence[str], first: int = 2) -> None:
        """Stores rows that were read."""
        values = Jsonb(dict.fromkeys(variables_of(AUTUMN), "Oliver"))
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "insert into recipients (campaign_id, row_no, phone_number_id, address, address_kind, address_key, "
                "parameters, state) values (%s, %s, %s, %s, %s, %s, %s, 'imported')",
                [
                    (campaign.id, row, NUMBER, each, "phone" if each.isdigit() else "user_id", phone_key(each), values)
                    for row, each in enumerate(addresses, first)
                ],
            )
        moves = Moves()
        moves.add(CountKey(campaign.id, 1, 0, "imported", ""), len(addresses))
        moves.write(self.connection)

    def rows_of(self, of: Campaign) -> dict[int, str]:
        """Returns row -> state and reason."""
        rows = self.connection.execute(
            "select row_no, concat_ws(' ', state, reason) from recipients where campaign_id = %s order by row_no",
            [of.id],
        ).fetchall()
        return dict(rows)

    def clock_goes(self, minutes: float, of: Campaign) -> None:
        """Lets that much time pass for a campaign: all its times lie so much further back."""
        self.connection.execute(
            "update campaigns set start_at = start_at - %(by)s, canary_until = canary_until - %(by)s, "
            "ended_at = ended_at - %(by)s where id = %(id)s",
            {"by": timedelta(minutes=minutes), "id": of.id},
        )

    def status(self, row: int, status: str, pricing: dict[str, Any] | None = None, code: int | None = None) -> None:
        """Processes a status that Meta reports of the last message to a row of `planned`."""
        to = f"1650555{row:04}"
        number = max(n for n, post in enumerate(self.graph.posts) if post["to"] == f"+{to}")
        now = datetime.now(UTC)
        fact = MessageStatus(
            id=fact_id("status", str(now)),
            at=now,
            sent_at=now,
            phone_number_id=NUMBER,
            wamid=f"wamid.{number + 1}",
            recipient=to,
            status=status,
            code=code,
            codes=(code,) if code is not None else (),
            pricing=pricing,
            callback=self.graph.callback(number),
        )
        self.office.process(fact)

    def fail_all(self, of: Campaign, code: int) -> None:
        """Lets all planned messages fail with a code of Meta's."""
        moved = self.connection.execute(
            "update recipients set state = 'failed', reason = %s, attempt = 1 "
            "where campaign_id = %s and state = 'planned'",
            [str(code), of.id],
        ).rowcount
        moves = Moves()
        moves.add(CountKey(of.id, 1, 0, "planned", ""), -moved)
        moves.add(CountKey(of.id, 1, 0, "failed", str(code)), moved)
        moves.write(self.connection)

    def change_send(self, of: UUID, state: SendState) -> None:
        """Gives a send another state."""
        with self.session.transaction() as connection:
            changes = SendChanges(connection, self.topics, [of])
            now = datetime.now(UTC)
            changes.change(replace(changes.sends[of], state=state), SendLogEntry(now, 1, state, "test"), now)
            changes.write()

    def log(self, of: Campaign) -> list[str]:
        """Returns what happened to a campaign, in order: events with their reasons."""
        return [f"{e.event} {e.reason or ''}".strip() for e in reversed(campaigns.log_of(self.connection, of.id))]

    def events(self) -> list[str]:
        """Returns the public events about campaigns that were published, in order."""
        rows = self.connection.execute(
            "select headers ->> 'ce_type' from outbox where topic = %s order by id", [self.topics.campaigns]
        ).fetchall()
        return [row[0].removeprefix("witiop.campaign.").removesuffix(".v1") for row in rows]

    def upload(self, content: bytes, name: str = "people.csv") -> UUID:
        """Stores a file that is to be read."""
        file = uuid4()
        digest = hashlib.sha256(content).hexdigest()
        chunks = [content[at : at + CHUNK_BYTES] for at in range(0, len(content), CHUNK_BYTES)]
        files.add(self.connection, file, name, len(content), digest, "paola", chunks)
        return file

    def read_files(self) -> None:
        """Lets the process read files and import their rows, once."""
        self.files.poll(Flag())

    def from_file(self, content: bytes, mapping: dict[str, Any], name: str = "Autumn", **changes: Any) -> Campaign:
        """Uploads a file, creates a campaign from it and imports its rows."""
        file = self.upload(content)
        self.read_files()
        campaign = self.created(file, mapping, name, **changes)
        self.read_files()
        return self.campaign(campaign)

    def created(self, file: UUID, mapping: dict[str, Any], name: str = "Autumn", **changes: Any) -> Campaign:
        """Creates a campaign from a file by a command."""
        body = {
            "name": name,
            "phone_number_id": NUMBER,
            "templates": [{"name": AUTUMN.name, "language": AUTUMN.language}],
            "file": {"file_id": str(file), "mapping": mapping},
            **changes,
        }
        named = f"create {name} {datetime.now(UTC)}"
        assert [("applied", None)] == self.office.results_of(self.office.command("campaign.create", body, named=named))
        (row,) = self.office.rows("select id from campaigns order by created_at desc limit 1")
        campaign = campaigns.find(self.connection, row["id"])
        assert campaign is not None
        return campaign

    def command(self, name: str, campaign: Campaign, issuer: str = "paola", **data: Any) -> tuple[str, str | None]:
        """Carries out a command about a campaign and returns its result."""
        named = f"{name} {datetime.now(UTC)}"
        body = {"campaign_id": str(campaign.id), **data}
        (result,) = self.office.results_of(self.office.command(f"campaign.{name}", body, named=named, issuer=issuer))
        return result

    def run_worker(self) -> None:
        """Lets the process that runs campaigns work until nothing changes."""
        before: object = None
        while (now := self._look()) != before:
            before = now
            self.worker.poll()

    def _look(self) -> object:
        return self.office.rows(
            "select k.id, k.state, k.work, array(select (wave, state, reason, n)::text from campaign_counts "
            "where campaign_id = k.id order by 1) from campaigns k order by k.id"
        )

    def run(self) -> None:
        """Lets the processes work until nothing more happens."""
        before: object = None
        while (now := (len(self.graph.posts), self._look())) != before or not self.sender.is_idle:
            before = now
            self.worker.poll()
            self.sender.poll()

    def campaign(self, of: Campaign) -> Campaign:
        """Returns a campaign as it is stored now."""
        found = campaigns.find(self.connection, of.id)
        assert found is not None
        return found

    def counts(self, of: Campaign) -> dict[str, int]:
        """Returns state (and reason) -> recipients, and checks that they are the recipients."""
        assert [] == wrong_counts(self.connection, [of.id])
        found: dict[str, int] = {}
        for count in counts_of(self.connection, of.id):
            name = f"{count.state} {count.reason}".strip()
            found[name] = found.get(name, 0) + count.n
        return found

    def answers(self, of: Campaign) -> dict[int, tuple[str, str]]:
        """Returns row -> proof and outcome of its answer, and checks that the counters are the answers."""
        assert [] == wrong_answer_counts(self.connection, [of.id])
        rows = self.connection.execute(
            "select a.row_no, a.proof, a.outcome from campaign_answers a join recipients r using (campaign_id, row_no) "
            "where campaign_id = %b and r.answered_at = a.at order by row_no",
            [of.id],
        ).fetchall()
        counted = sum(count.n for count in answer_counts_of(self.connection, of.id))
        assert counted == len(rows)
        return {row: (proof, outcome) for row, proof, outcome in rows}

    def reached(self) -> list[str]:
        """Returns to whom Meta was asked to send, in the order of the posts."""
        return [post["to"] for post in self.graph.posts]


@contextmanager
def open_campaign_room(dsn: str) -> Iterator[CampaignRoom]:
    """Opens a room on an empty database."""
    with open_office(dsn) as office:
        room = CampaignRoom(office, dsn)
        with closing(room.session), closing(room.files_session):
            yield room
