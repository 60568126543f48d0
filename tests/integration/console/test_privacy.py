"""*Personal data* in the console: what is known of a person, a copy of it, and their erasure. Administrators only, and
whom it is about is in no address and no log."""

import io
import json
import zipfile

import pytest

from consumers.workers.retention.worker import RetentionWorker
from domain.ids import customer_id
from infra.postgres.retention.personal import HOLDINGS
from infra.postgres.roles import PRIVILEGES
from tests.support.console import BOSS, Browser, Console, hidden
from tests.support.stories import NUMBER

ADA, SHOWN = "16505551234", "+1 650-555-1234"


def wrote(console: Console, text: str = "hello") -> str:
    return str(console.office.customer_writes(text, ADA))


def erase(console: Console, boss: Browser, again: str) -> str:
    page = boss.post("/privacy", who=ADA).text
    form = page.partition('action="/privacy/erase"')[2]
    return boss.post("/privacy/erase", **{**hidden(form), "again": again}).text


NOTHING = "No conversation, message or mail of this person is known."


def test_nobody_was_erased_at_first(boss: Browser) -> None:
    assert "Nobody was erased yet." in boss.get("/privacy").text


@pytest.mark.parametrize("who", ["+1 650 555 1234", customer_id(NUMBER, "w", ADA)])
def test_a_person_is_found_by_phone_and_by_id(console: Console, boss: Browser, who: object) -> None:
    wrote(console)
    page = boss.post("/privacy", who=str(who)).text
    assert "1 conversation<" in page
    assert "1 message or other update<" in page


def test_a_conversation_leads_to_its_customer(console: Console, boss: Browser) -> None:
    page = boss.get(f"/privacy?conversation={wrote(console)}").text
    assert "1 conversation<" in page
    assert "This is a customer of one business number." in page
    assert "This is a customer of one business number." not in boss.post("/privacy", who=ADA).text


def test_who_is_only_in_a_row_of_a_campaign_gets_a_copy_of_it(console: Console, boss: Browser) -> None:
    """A message to them failed. Such rows are found by reading all of them, so the page cannot say it at once."""
    console.office.connection.execute(
        "insert into recipients (campaign_id, row_no, phone_number_id, address, address_kind, address_key, name, "
        "state) values (gen_random_uuid(), 2, %s, %s, 'phone', %s, 'Ada', 'failed')",
        [NUMBER, ADA, ADA],
    )
    page = boss.post("/privacy", who=ADA).text
    assert (True, True) == (NOTHING in page, "Download a copy" in page)
    _, content = boss.fetch("/privacy/copy", {"who": ADA})
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert ["Ada"] == [row["name"] for row in json.loads(archive.read("recipients.json"))]


def test_what_is_no_phone_is_said(boss: Browser) -> None:
    answer = boss.post("/privacy", who="nobody")
    assert (422, True) == (answer.status_code, "This is no phone with its country code" in answer.text)
    assert NOTHING in boss.post("/privacy", who="+39 333 1234567").text


def test_the_copy_has_what_was_written(console: Console, boss: Browser) -> None:
    wrote(console, "is my bike ready?")
    answer, content = boss.fetch("/privacy/copy", {"who": ADA})
    assert "application/zip" == answer.content_type
    assert ADA not in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        (entry,) = json.loads(archive.read("entries.json"))
        about = json.loads(archive.read("about.json"))
        assert "is my bike ready?" == entry["body"]
        assert (1, [ADA]) == (about["rows"]["conversations"], about["addresses"])
        assert {"kind": "zip", "what": "person"} == console.audited("downloaded")[0]["detail"]


def test_an_erasure_needs_the_same_phone_twice(console: Console, boss: Browser) -> None:
    wrote(console)
    assert "Nothing was erased: this is not the same as above." in erase(console, boss, "+39 333 1234567")
    assert [] == console.process_commands()


def test_an_erasure_is_a_command_of_the_person_and_is_listed(console: Console, boss: Browser) -> None:
    wrote(console)
    erase(console, boss, "+1 (650) 555-1234")
    assert [("applied", None)] == console.process_commands()
    assert "waiting" in boss.get("/privacy").text
    worker = RetentionWorker(console.office.connection.transaction_of)
    assert worker.erase()
    page = boss.get("/privacy").text
    assert (True, True, False) == ("erased" in page, BOSS in page, ADA in page)
    assert [] == console.office.rows("select from conversations")
    assert "erase" in str(console.audited("asked")[0]["detail"])
    assert NOTHING in boss.post("/privacy", who=ADA).text


def test_only_administrators_may(console: Console) -> None:
    console.person("anna", administrator=False)
    agent = console.signed_in("anna")
    for answer in (agent.get("/privacy"), agent.post("/privacy/erase", who=ADA, again=ADA)):
        assert 403 == answer.status_code
    assert 303 == console.browser().get("/privacy").status_code


def test_the_role_of_the_console_is_enough() -> None:
    """It reads what a person gets a copy of, and no dead letters."""
    allowed = PRIVILEGES["console"]
    assert [] == [each.table for each in HOLDINGS if each.exported and "select" not in allowed.get(each.table, "")]
