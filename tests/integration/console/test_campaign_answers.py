"""Who answered a campaign and was left alone, on the list of unmanaged conversations and in their conversation."""

import re
from collections.abc import Iterator
from html import unescape

import pytest

from tests.support.campaign_pages import campaign_pages
from tests.support.campaign_room import CampaignRoom
from tests.support.console import Browser, Console, ids


@pytest.fixture
def room(console: Console) -> Iterator[CampaignRoom]:
    with campaign_pages(console) as room:
        yield room


def test_the_list_of_a_campaign_has_its_answers_alone_each_with_its_name(boss: Browser, room: CampaignRoom) -> None:
    autumn = room.planned(2, name="Autumn & service")
    room.command("start", autumn)
    room.run()
    answer = room.office.customer_writes("I would like to", "16505550002", 0)
    other = room.office.customer_writes("Who are you?", "16505559999", 0)
    page = boss.get(f"/unmanaged?campaign={autumn.id}").text
    assert [answer] == ids(page)
    assert "answered campaign Autumn &amp; service" in page
    assert f'name="campaign" value="{autumn.id}" checked' in page
    everything = boss.get("/unmanaged").text
    assert ({answer, other}, 1) == ({*ids(everything)}, everything.count("answered campaign"))
    file = boss.download(f"/unmanaged.csv?campaign={autumn.id}").decode()
    assert (True, False) == ("I would like to" in file, "Who are you?" in file)


def test_the_counts_above_the_list_of_a_campaign_are_of_its_answers(boss: Browser, room: CampaignRoom) -> None:
    """Also those of who runs out soon or was lost, and they lead there."""
    autumn = room.planned(4)
    room.command("start", autumn)
    room.run()
    moved = "update recipients set accepted_at = accepted_at - interval '3 days'"
    room.connection.execute(moved)
    for phone, hours in (("16505550002", 21), ("16505550003", 30), ("16505550004", 1)):
        room.office.customer_writes("I would like to", phone, hours)
    for phone, hours in (("16505559991", 22), ("16505559992", 23), ("16505559993", 26), ("16505559994", 28)):
        room.office.customer_writes("Who are you?", phone, hours)
    every = re.findall(r'id="(?:soon|lost)"[^>]*><a href="[^"]*"[^>]*>(\d+)', boss.get("/unmanaged").text)
    assert ["3", "3"] == every
    page = boss.get(f"/unmanaged?campaign={autumn.id}").text
    links = re.findall(r'id="(?:soon|lost)"[^>]*><a href="([^"]*)"[^>]*>(\d+)', page)
    assert ["1", "1"] == [n for _, n in links]
    assert all(f"campaign={autumn.id}" in address for address, _ in links)
    with_reason = f"/unmanaged?campaign={autumn.id}&reason=bot_closed"
    assert [] == re.findall(r'id="(?:soon|lost)"[^>]*><a href="([^"]*)"[^>]*>1 ', boss.get(with_reason).text)


def test_the_number_on_analytics_leads_to_the_answers_that_it_counts(boss: Browser, room: CampaignRoom) -> None:
    """Also to those whose window is over."""
    autumn = room.planned(4)
    room.command("start", autumn)
    room.run()
    room.connection.execute("update recipients set accepted_at = accepted_at - interval '3 days'")
    for phone, hours in (("16505550002", 21), ("16505550003", 30), ("16505550004", 1)):
        room.office.customer_writes("I would like to", phone, hours)
    found = re.search(r'href="(/unmanaged\?campaign=[^"]*)">(\d+)<', boss.get("/analytics").text)
    assert found is not None
    assert ("3", 3) == (found[2], len(ids(boss.get(unescape(found[1])).text)))


def test_the_conversation_says_which_campaign_it_answers_and_who_got_it(boss: Browser, room: CampaignRoom) -> None:
    to = {"target": {"kind": "user", "id": "anna"}, "mode": "exclusive", "holds_hours": 72}
    autumn = room.planned(1, answers_to=to)
    room.command("start", autumn)
    room.run()
    answer = room.office.customer_writes("hello", "16505550002", 0)
    page = boss.get(f"/unmanaged?open={answer}&tab=info").text
    assert f'href="/unmanaged?campaign={autumn.id}&amp;status=all">Autumn</a>' in page
    assert "the campaign Autumn" in page
