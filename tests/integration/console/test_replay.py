"""*What was known when*: a conversation moment by moment."""

import re
from datetime import UTC, datetime, timedelta

from domain.arrival import arrival
from domain.facts import Party
from tests.support.console import Browser, Console
from tests.support.stories import FactMaker


def replayed(console: Console) -> str:
    """A conversation whose answer from the phone app became known an hour late. Returns the page's address."""
    office, now = console.office, datetime.now(UTC)
    maker = FactMaker(customer=Party(wa_id="390000000009", name="Sara"))
    turn = maker.turn(office.hours_ago(3), "is my bike ready?")
    office.process(turn.model_copy(update={"arrival": arrival(now - timedelta(hours=3))}), arrived_hours_ago=3)
    echo = maker.echo(office.hours_ago(2))
    office.process(echo.model_copy(update={"arrival": arrival(now - timedelta(hours=1))}), arrived_hours_ago=1)
    ((id_,),) = office.connection.execute("select id from conversations where wa_id = '390000000009'")
    return f"/conversations/{id_}/history"


def test_a_moment_says_what_was_known_and_why_the_conversation_was_on_the_list(console: Console, boss: Browser) -> None:
    path = replayed(console)
    first = boss.get(f"{path}?moment=1").text
    assert "On the list" in first
    assert "is my bike ready?" in first
    assert "we are here" not in first
    assert "did not choose anything" in first
    last = boss.get(path).text
    assert "Not on the list" in last
    assert "we are here" in last
    assert "learned at" in last
    assert 'rel="prev"' in last
    assert 'rel="next"' in first


def test_the_slider_works_without_script_and_bears_any_moment(console: Console, boss: Browser) -> None:
    path = replayed(console)
    page = boss.get(path).text
    most = re.search(r'type="range" name="moment" min="1" max="(\d+)" value="(\d+)"', page)
    assert most is not None
    assert most[1] == most[2]
    for wrong in ("0", "-5", "99999", "x"):
        assert 200 == boss.get(f"{path}?moment={wrong}").status_code


def test_a_replay_is_only_for_who_may_read_the_conversation(console: Console) -> None:
    path = replayed(console)
    console.person("anna", administrator=False)
    assert 404 == console.signed_in("anna").get(path).status_code


def test_a_deleted_text_is_not_shown_at_any_moment(console: Console, boss: Browser) -> None:
    office = console.office
    maker = FactMaker(customer=Party(wa_id="390000000010"))
    turn = maker.turn(office.hours_ago(2), "my IBAN is secret")
    office.process(turn, maker.deletes(office.hours_ago(1), turn))
    ((id_,),) = office.connection.execute("select id from conversations where wa_id = '390000000010'")
    for moment in range(1, 4):
        assert "secret" not in boss.get(f"/conversations/{id_}/history?moment={moment}").text
