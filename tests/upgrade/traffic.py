"""What happens to an installation while it is upgraded: updates from Meta with a ledger, and an administrator's mails,
messages and transfers, each of which must happen once."""

import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import psycopg

from domain.commands import Email, SendMessage, Transfer, new_command, signed
from infra.kafka.config import KafkaConfig
from infra.kafka.producer import KafkaPublisher
from infra.local.simulator.bodies import BusinessNumber
from infra.local.simulator.load import Ledger, Load, Summary, run
from infra.local.simulator.traffic import Mix, Traffic
from tests.support.commander import Commander
from tests.support.graph import ACCOUNT
from tests.support.stories import NUMBER
from tests.support.system import COMMAND_SECRET
from tests.upgrade.installation import MixedInstallation

LINE = BusinessNumber(NUMBER, "+39 06 555 0100", ACCOUNT)
_SLICE_SECONDS = 5.0
_RETRY_SECONDS = 60.0
_PAUSE_SECONDS = 0.5
"""Between two commands."""


class UnderLoad:
    """Load from the beginning of the block to its end. Raises there what went wrong with the load itself."""

    def __init__(self, site: MixedInstallation, rate: float, ledger: Path) -> None:
        self.ledger = ledger
        self.summaries: list[Summary] = []
        self.commands: dict[str, str] = {}
        """Commands by id, with what each must lead to once: `mail N`, `text N` or `transfer`."""
        self._site = site
        self._rate = rate
        self._stop = threading.Event()
        self._errors: list[BaseException] = []
        self._threads = [threading.Thread(target=self._guarded, args=(each,)) for each in (self._post, self._command)]

    def __enter__(self) -> "UnderLoad":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _guarded(self, work: Any) -> None:
        try:
            work()
        except BaseException as error:
            self._errors.append(error)

    def _post(self) -> None:
        """Posts slice after slice; as Meta does, what was not answered 200 is posted again."""
        with self.ledger.open("w", encoding="utf-8") as file:
            while not self._stop.is_set():
                traffic = Traffic(Mix(LINE, customers=200, repeats=0.05), datetime.now(UTC), self._rate)
                load = Load(self._rate, _SLICE_SECONDS, retry_seconds=_RETRY_SECONDS)
                self.summaries.append(run(load, traffic, self._site.webhooks, Ledger(file)))

    def _command(self) -> None:
        """Publishes a command every half second, about conversations that are active."""
        topic = self._site.topics.commands
        with closing(KafkaPublisher(KafkaConfig((self._site.kafka,)), [topic])) as publisher:
            number = 0
            while not self._stop.wait(_PAUSE_SECONDS):
                conversations = self._active()
                if not conversations or publisher.not_ready_reasons():
                    continue
                what, body = _order(number, conversations[number % len(conversations)])
                id_, now = str(uuid4()), datetime.now(UTC)
                expires_at = now + timedelta(minutes=10)
                command = new_command(body, id_=id_, source="/upgrade", issuer="boss", at=now, expires_at=expires_at)
                self.commands[id_] = what
                publisher.publish([signed(command, topic, COMMAND_SECRET.encode())], 20)
                number += 1

    def _active(self) -> Sequence[UUID]:
        with psycopg.connect(self._site.dsn, autocommit=True) as connection:
            rows = connection.execute("select id from conversations where status = 'a' order by id limit 50").fetchall()
        return [id_ for (id_,) in rows]


def _order(number: int, conversation: UUID) -> tuple[str, Email | SendMessage | Transfer]:
    if number % 3 == 0:
        mail = {"to": ["a@example.com"], "subject": f"mail {number}", "body": "b"}
        return f"mail {number}", Email.model_validate({"conversation_id": conversation, **mail})
    if number % 3 == 1:
        message = {"text": {"body": f"text {number}"}}
        return f"text {number}", SendMessage.model_validate({"conversation_id": conversation, "message": message})
    target = {"kind": "skillset", "id": "sales"}
    transfer = {"conversation_id": conversation, "target": target, "mode": "exclusive"}
    return "transfer", Transfer.model_validate(transfer)


def results_of(site: MixedInstallation) -> dict[str, Counter[str]]:
    """Returns the outcomes of each command, each event counted once."""
    found: dict[str, Counter[str]] = {}
    for result in Commander(site.kafka, site.topics).results():
        found.setdefault(str(result["command_id"]), Counter())[str(result["outcome"])] += 1
    return found


def mails_posted(mails_url: str) -> Counter[str]:
    """Counts the mails that SES accepted, by subject."""
    number = httpx.get(mails_url, timeout=30).text.count("<li>")
    mails = [httpx.get(f"{mails_url}/{n + 1}.eml", timeout=30).text for n in range(number)]
    subjects = (line for mail in mails for line in mail.splitlines() if line.startswith("Subject: "))
    return Counter(line.removeprefix("Subject: ") for line in subjects)


def gap_of(summaries: Sequence[Summary]) -> int:
    """Returns how many posts were not answered 200 at first."""
    return sum(n for each in summaries for answer, n in each.answers.items() if answer != "200")
