"""The sender of mails dies at every crash point: SES accepts at most one post of each mail, and a mail with an unknown
outcome is listed for a person (I5)."""

from collections import Counter
from collections.abc import Collection, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from psycopg import Connection

from domain.mail import MailRequest, mail_id
from domain.topics import Topics
from infra.local.ses import LocalSes
from infra.postgres import mails
from infra.postgres.connections.clock import database_now
from infra.process.crash_points import EXIT_CODE
from tests.support.office import open_office
from tests.support.ses import ses_settings
from tests.support.system import System
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def ses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSes]:
    with LocalSes(tmp_path_factory.mktemp("ses")) as server:
        yield server


def accepted(ses: LocalSes, names: Collection[str]) -> Counter[str]:
    """Counts the mails that SES accepted, by subject."""
    number = httpx.get(ses.mails_url).text.count("<li>")
    accepted_mails = [httpx.get(f"{ses.mails_url}/{n + 1}.eml").text for n in range(number)]
    return Counter(name for text in accepted_mails for name in names if f"Subject: {name}\n" in text.replace("\r", ""))


def states(connection: Connection[Any]) -> Counter[str]:
    return Counter(mail.state for mail in mails.page(connection, 100).mails)


@pytest.mark.parametrize(("point", "total"), [("mail.after-claim", 4), ("mail.after-ses-before-mark", 5)])
def test_a_sender_that_dies_leaves_one_mail_unknown_and_none_twice(
    point: str, total: int, ses: LocalSes, database: str, kafka: str, tmp_path: Path
) -> None:
    """The sender dies with the second mail; the next sender sends the others."""
    names = [f"{point} {number}" for number in range(5)]
    with open_office(database) as office:
        conversation = office.customer_writes()
        for name in names:
            request = MailRequest(conversation, ("a@example.com",), name, "b", False, timedelta())
            mails.request(office.connection, name, "boss", request, database_now(office.connection))
        settings = ses_settings(ses.endpoint)
        with System(kafka, database, Topics("none."), tmp_path) as system:
            (dying,) = system.start("mails", crash_at=f"{point}:2", **settings)
            assert EXIT_CODE == dying.wait_end()
            assert {"requested": 3, "sending": 1, "sent": 1} == states(office.connection)
            system.run("mails", **settings)
            wait_until(lambda: states(office.connection) == {"sending": 1, "sent": 4})
            office.connection.execute("update mails set claimed_at = claimed_at - interval '30 seconds'")
            wait_until(lambda: states(office.connection) == {"unknown": 1, "sent": 4})
            (unknown,) = mails.page(office.connection, 10, state="unknown").mails
            once = accepted(ses, names)
            assert (total, 1, total - 4) == (once.total(), max(once.values()), once[unknown.subject])
            assert mails.resend(office.connection, mail_id(unknown.subject), "boss")
            wait_until(lambda: states(office.connection) == {"sent": 5})
            assert total + 1 == accepted(ses, names).total()
