"""The chat of a conversation: in parts, with quotes, reactions and advertisements, and events at their own time."""

import re
from datetime import timedelta

from domain.facts import AgentAccepted
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from infra.local.simulator.chat import Chat, Story
from infra.process.clock import utc_now
from tests.support.console import Browser, Console, ids
from tests.support.stories import NUMBER

LINE = BusinessNumber(NUMBER, "+39 300 555 0001", "1")


def chat(name: str = "chat") -> tuple[Story, Chat]:
    story = Story(name, utc_now())
    return story, story.chat(LINE, SimulatedCustomer("Ada", "393005550101"))


def opened(boss: Browser) -> str:
    """The panel of the only conversation on the list."""
    (row,) = ids(boss.get("/unmanaged?status=all").text)
    return boss.get(f"/unmanaged?open={row}", "panel").text


def bubbles(page: str) -> list[str]:
    """The words of each message."""
    found = re.findall(r'<div class="msg [^"]*"[^>]*>(.*?)</div>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", each).split()) for each in found]


def link(page: str, text: str) -> str:
    found = re.search(rf'<a class="btn"[^>]*href="([^"]+)"[^>]*>{text}', page)
    return found[1].replace("&amp;", "&") if found else ""


def texts(page: str) -> list[str]:
    return re.findall(r'<p dir="auto">(n\d+)</p>', page)


def test_a_long_conversation_opens_with_its_newest_part_and_the_rest_follows_on_demand(
    console: Console, boss: Browser
) -> None:
    maker, ago = console.office.maker, console.office.hours_ago
    console.office.process(*(maker.turn(ago(3 - n / 1000), f"n{n}") for n in range(250)))
    page = opened(boss)
    assert [f"n{n}" for n in range(150, 250)] == texts(page)
    found, url = [texts(page)], link(page, "Show earlier entries")
    assert "Show earlier entries (150)" in page
    while url:
        page = boss.get(url, "earlier").text
        found.insert(0, texts(page))
        url = link(page, "Show")
    assert [f"n{n}" for n in range(250)] == [each for part in found for each in part]
    assert [50, 100, 100] == [len(part) for part in found]


def test_the_beginning_is_one_click_away_and_what_lies_between_can_be_loaded(console: Console, boss: Browser) -> None:
    maker, ago = console.office.maker, console.office.hours_ago
    console.office.process(*(maker.turn(ago(3 - n / 1000), f"n{n}") for n in range(350)))
    page = boss.get(link(opened(boss), "Go to the first"), "earlier").text
    assert [f"n{n}" for n in range(100)] == texts(page)
    assert "Show earlier entries (150)" in page
    assert "Go to the first" not in page
    between = boss.get(link(page, "Show earlier entries"), "earlier").text
    assert [f"n{n}" for n in range(150, 250)] == texts(between)
    last = boss.get(link(between, "Show earlier entries"), "earlier").text
    assert [f"n{n}" for n in range(100, 150)] == texts(last)
    assert "" == link(last, "Show")


def test_thousands_of_messages_weigh_no_more_than_a_hundred(console: Console, boss: Browser) -> None:
    maker, ago = console.office.maker, console.office.hours_ago
    for start in range(0, 3000, 500):
        console.office.process(*(maker.turn(ago(3 - n / 2000), "x" * 20 + str(n)) for n in range(start, start + 500)))
    page = opened(boss)
    assert len(page) < 100_000
    assert 100 == len(bubbles(page))


def test_an_open_page_is_sent_everything_from_its_first_message_on(console: Console, boss: Browser) -> None:
    maker, ago = console.office.maker, console.office.hours_ago
    console.office.process(*(maker.turn(ago(3 - n / 1000), f"n{n}") for n in range(120)))
    page = opened(boss)
    console.office.process(*(maker.turn(ago(2 - n / 1000), f"n{n}") for n in range(120, 130)))
    found = re.search(r'hx-get="([^"]+/changes[^"]+)"', page)
    assert found is not None
    changes = boss.get(found[1].replace("&amp;", "&"), "panel").text
    assert [f"n{n}" for n in range(20, 130)] == texts(changes)
    assert {"#panel-head small", "#newest"} == set(re.findall(r'hx-swap-oob="innerHTML:([^"]+)"', changes))


def test_an_open_tab_is_sent_only_what_it_shows(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    shown = {}
    for tab in ("info", "email"):
        page = boss.get(f"/conversations/{row}/changes?tab={tab}", "panel").text
        shown[tab] = {name for name in ("#newest", "#info", 'id="mails"') if name in page}
    assert {"info": {"#info", 'id="mails"'}, "email": {'id="mails"'}} == shown


def test_invalid_places_in_an_address_are_ignored(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("n1")
    for query in ("before=x", "before=1-2-3", "before=-9-9-" + "0" * 32, "after=" + "9" * 40 + "-1-" + "0" * 32, ""):
        assert ["n1"] == texts(boss.get(f"/conversations/{row}/earlier?{query}", "earlier").text)
    assert 404 == boss.get(f"/conversations/{row.__class__(int=0)}/earlier").status_code


def test_a_reply_quotes_what_it_replies_to_also_from_an_earlier_part(console: Console, boss: Browser) -> None:
    story, ada = chat()
    asked = ada.bot_says("2:00", "The red or the green one?")
    ada.writes("1:59", "hm")
    ada.sends("1:58", "text", text={"body": "this one"}, context={"id": asked})
    ada.sends("1:57", "text", text={"body": "and that"}, context={"id": "wamid.of.last.year"})
    console.office.play(story)
    assert ["Customer: Bot The red or the green one? this one", "Customer: An earlier message and that"] == [
        re.sub(r" \d\d:\d\d · Reply$", "", each) for each in bubbles(opened(boss))[-2:]
    ]


def test_a_reaction_stands_on_its_message_and_a_removed_one_nowhere(console: Console, boss: Browser) -> None:
    story, ada = chat()
    first, second = ada.writes("2:00", "first"), ada.writes("1:59", "second")
    ada.reacts("1:58", first, "👎")
    ada.reacts("1:57", first, "👍")
    ada.reacts("1:56", second, "❤️")
    ada.sends("1:55", "reaction", reaction={"message_id": second})
    console.office.play(story)
    one, two = bubbles(opened(boss))
    assert one.endswith("Reactions: 👍")
    assert "Reaction" not in two


def test_an_advertisement_that_brought_the_customer_is_named(console: Console, boss: Browser) -> None:
    story, ada = chat()
    ad = {"source_type": "ad", "source_url": "https://fb.me/x", "headline": "Spring <sale>"}
    ada.sends("1:00", "text", text={"body": "hello"}, referral=ad)
    ada.sends("0:50", "text", text={"body": "again"}, referral={"headline": 5, "source_type": []})
    console.office.play(story)
    page = opened(boss)
    assert "From an ad: Spring &lt;sale&gt;" in page
    assert 1 == page.count("From an ad")


def test_an_acceptance_is_said_once(console: Console, boss: Browser) -> None:
    """The agent's report and the history tell of the same event; of two agents, each is named."""
    story, ada = chat()
    ada.writes("1:00", "hello")
    console.office.play(story)
    (row,) = ids(boss.get("/unmanaged").text)
    console.office.desktop_reports(AgentAccepted, "anna", row)
    console.office.desktop_reports(AgentAccepted, "ben", row)
    page = boss.get(f"/unmanaged?open={row}", "panel").text
    sentences = re.findall(r'<p class="sys"><span>(.*?)</span>', page)
    assert ["Accepted by anna.", "ben accepted too; anna has it."] == [s for s in sentences if "ccepted" in s]


def test_an_event_stands_where_it_became_true_and_says_when_it_was_learned(console: Console, boss: Browser) -> None:
    story, ada = chat()
    ada.writes("3:00", "hello")
    ada.bot_starts("2:59")
    ada.bot_ends("2:30", "solved")
    console.office.play(story)
    boss.post("/account/words", zone="UTC")
    sentences = [
        " ".join(re.sub(r"<[^>]+>", " ", each).split())
        for each in re.findall(r'<p class="sys">(.*?)</p>', opened(boss), re.DOTALL)
    ]
    ended = f"{story.now - timedelta(hours=2, minutes=30):%H:%M}"
    assert any(each.startswith(f"Closed. {ended} (learned at ") for each in sentences), sentences
    assert 1 == sum(each.startswith("Unmanaged: The Softbot ended it") for each in sentences)
