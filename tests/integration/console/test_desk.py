"""The agents' page: who may open it, presence, offers, accepting, declining and closing, and what its stream tells."""

import re
from functools import partial
from html import unescape
from uuid import UUID, uuid4

import pytest

from domain.facts import AgentAccepted, AgentClosed, AgentDeclined, AgentMessage, AgentPresenceChanged
from tests.support.console import Browser, Console, OpenDesk, hidden
from tests.support.conversation_rows import end_window
from tests.support.office import COMPANY


@pytest.fixture
def anna(console: Console) -> Browser:
    """The browser of Anna, an agent who is signed in."""
    console.office.apply_directory(COMPANY)
    console.person("anna", administrator=False)
    return console.signed_in("anna")


@pytest.fixture
def ben(console: Console) -> Browser:
    console.office.apply_directory(COMPANY)
    console.person("ben", administrator=False)
    return console.signed_in("ben")


def is_ready(console: Console, agent: Browser, page: UUID | None = None) -> None:
    """The agent says that they are ready, on a page that rings."""
    answer = agent.post("/desk/presence", "presence-sent", state="ready", page=page or uuid4(), rings="1")
    assert 204 == answer.status_code
    console.process_facts()


def offered(console: Console, boss: Browser, agent: str = "anna", text: str = "hello", phone: str = "391") -> UUID:
    """A conversation that is offered to an agent."""
    row = console.office.customer_writes(text, phone)
    boss.submit(f"/conversations/{row}/transfer/user", "dialog", to=agent, mode="immediate")
    assert [("applied", None)] == console.process_commands()
    return row


# who may open it


def test_an_agent_who_signs_in_lands_on_the_desk_and_an_administrator_on_the_list(
    console: Console, anna: Browser
) -> None:
    assert "/desk" == anna.get("/").location
    assert "My desk" in anna.get("/desk").text
    assert 403 == anna.get("/unmanaged").status_code
    assert "/unmanaged" == console.signed_in().get("/").location
    assert 200 == console.signed_in().get("/desk").status_code


def test_an_agent_reads_only_conversations_of_their_own_customers(
    console: Console, boss: Browser, anna: Browser
) -> None:
    is_ready(console, anna)
    mine, other = offered(console, boss), console.office.customer_writes("not for anna", "392")
    assert [200, 404] == [anna.get(f"/desk/{row}").status_code for row in (mine, other)]
    assert 204 == anna.get(f"/desk/changes?open={mine}&seen={seen(anna.get(f'/desk/{mine}').text)}").status_code
    assert "not for anna" not in anna.get(f"/desk/changes?open={other}").text
    assert [200, 404] == [anna.get(f"/conversations/{row}/earlier?first=1").status_code for row in (mine, other)]
    assert [str(other)] == [str(each["conversation_id"]) for each in console.audited("forbidden")]


def seen(page: str) -> str:
    found = re.search(r'id="desk-look"[^>]*data-seen="([^"]*)"', page)
    assert found is not None
    return found[1]


# presence


def test_the_page_says_why_nobody_is_offered(console: Console, boss: Browser, anna: Browser) -> None:
    assert "you are not ready" in anna.get("/desk").text
    page = uuid4()
    is_ready(console, anna, page)
    desk = anna.get("/desk").text
    assert "0 of 2 slots" in desk
    assert 'class="why"' not in desk
    anna.post("/desk/presence", "presence-sent", state="paused", reason="break", page=page, rings="1")
    (fact,) = console.process_facts()
    assert isinstance(fact, AgentPresenceChanged)
    assert ("anna", "paused", "break") == (fact.agent_id, fact.state, fact.reason)
    assert re.search(r"paused since \d+:\d\d: Break", anna.get("/desk").text)
    is_ready(console, anna, page)
    for phone in ("391", "392"):
        offered(console, boss, phone=phone)
    assert "full: all your slots are used" in anna.get("/desk").text


def test_an_agent_reads_and_adds_notes_and_tags_of_their_own_conversations(
    console: Console, boss: Browser, anna: Browser
) -> None:
    is_ready(console, anna)
    mine, other = offered(console, boss), console.office.customer_writes("not for anna", "392")
    boss.post(f"/conversations/{mine}/notes", "kept", text="She prefers the morning", form="one")
    shown = anna.get(f"/desk/{mine}").text
    assert "She prefers the morning" in shown
    assert "/unmanaged?tag" not in anna.post(f"/conversations/{mine}/notes/tags", "kept", tag="vip").text
    anna.post(f"/conversations/{mine}/notes", "kept", text="Then I call at nine", form="two")
    assert "Then I call at nine" in boss.get(f"/unmanaged?open={mine}&tab=notes", "panel").text
    assert 403 == anna.post(f"/conversations/{other}/notes", "kept", text="Not mine", form="three").status_code
    assert [] == console.office.rows("select * from notes where text = 'Not mine'")


def test_an_agent_is_not_ready_on_a_page_that_cannot_ring(console: Console, anna: Browser) -> None:
    answer = anna.post("/desk/presence", "presence-sent", state="ready", page=uuid4(), rings="")
    assert (422, "none") == (answer.status_code, answer.headers["HX-Reswap"])
    assert "this page cannot ring" in answer.text
    assert [] == console.process_facts()


def test_whom_no_page_can_ring_any_more_is_paused_and_is_ready_again_once_one_can(
    console: Console, anna: Browser
) -> None:
    page = uuid4()
    is_ready(console, anna, page)
    states = []
    for rings in ("1", "", "1"):
        anna.post("/desk/alive", "desk-alive", page=page, rings=rings)
        states += [
            (fact.state, fact.reason) for fact in console.process_facts() if isinstance(fact, AgentPresenceChanged)
        ]
    assert [("ready", None), ("paused", "no sound"), ("ready", None)] == states


def test_two_pages_are_one_presence(console: Console, anna: Browser) -> None:
    first, second = uuid4(), uuid4()
    is_ready(console, anna, first)
    anna.post("/desk/alive", "desk-alive", page=second, rings="")  # the other page still rings
    anna.post("/desk/presence", "presence-sent", state="paused", reason="meeting", page=second, rings="")
    anna.post("/desk/alive", "desk-alive", page=first, rings="1")
    states = [fact.state for fact in console.process_facts() if isinstance(fact, AgentPresenceChanged)]
    assert ["ready", "paused", "paused"] == states
    assert "Meeting" in anna.get("/desk").text


def test_a_sign_of_life_that_overtakes_a_pause_does_not_undo_it(console: Console, anna: Browser) -> None:
    page = uuid4()
    is_ready(console, anna, page)
    anna.post("/desk/alive", "desk-alive", page=page, rings="1")
    anna.post("/desk/presence", "presence-sent", state="paused", reason="break", page=page, rings="1")
    console.publisher.records.reverse()
    console.process_facts()
    assert "Break" in anna.get("/desk").text


def test_a_sign_of_life_brings_no_declined_customer_back(console: Console, anna: Browser) -> None:
    page = uuid4()
    row = console.office.customer_writes("1")  # sales
    is_ready(console, anna, page)
    assert 1 == console.office.routing.poll()
    anna.post(f"/desk/{row}/decline", "notices", form="f")
    console.process_facts()
    console.office.routing.poll()
    console.office.connection.execute("update agent_presence set seen_at = now() - interval '200 s'")
    anna.post("/desk/alive", "desk-alive", page=page, rings="1")
    console.process_facts()
    console.office.routing.poll()
    assert [{"owner_id": "sales"}] == console.office.rows("select owner_id from conversations")
    ((heard,),) = console.office.connection.execute("select seen_at > now() - interval '9 s' from agent_presence")
    assert heard


def test_who_was_away_for_long_is_not_ready_by_opening_the_page_again(console: Console, anna: Browser) -> None:
    page = uuid4()
    is_ready(console, anna, page)
    console.office.connection.execute("update agent_presence set seen_at = now() - interval '301 s'")
    console.office.connection.execute("update desk_presence set since = now() - interval '1 hour'")
    assert "you are not ready" in anna.get("/desk").text
    anna.post("/desk/alive", "desk-alive", page=page, rings="1")
    assert [] == console.process_facts()


def test_a_page_of_somebody_who_never_was_ready_says_nothing(console: Console, anna: Browser) -> None:
    assert 204 == anna.post("/desk/alive", "desk-alive", page=uuid4(), rings="1").status_code
    assert [] == console.process_facts()


def test_who_signs_out_is_offline_and_who_was_not_on_the_desk_is_not_touched(
    console: Console, boss: Browser, anna: Browser
) -> None:
    is_ready(console, anna)
    boss.post("/sign-out")
    assert [] == console.process_facts()
    anna.post("/sign-out")
    (fact,) = console.process_facts()
    assert isinstance(fact, AgentPresenceChanged)
    assert ("anna", "offline") == (fact.agent_id, fact.state)


def test_without_kafka_nothing_is_said_and_the_next_sign_of_life_repeats_it(console: Console, anna: Browser) -> None:
    page = uuid4()
    console.publisher.unreachable = True
    answer = anna.post("/desk/presence", "presence-sent", state="ready", page=page, rings="1")
    assert 503 == answer.status_code
    assert "the message queue (Kafka) is not responding" in answer.text
    console.publisher.unreachable = False
    anna.post("/desk/alive", "desk-alive", page=page, rings="1")
    assert ["ready"] == [fact.state for fact in console.process_facts() if isinstance(fact, AgentPresenceChanged)]


def test_nobody_is_offered_to_an_agent_whose_last_page_is_gone(console: Console, boss: Browser, anna: Browser) -> None:
    """An offer is seen and heard, or it is not made (D1)."""
    page = uuid4()
    is_ready(console, anna, page)
    console.office.connection.execute("update desk_pages set seen_at = now() - interval '16 s'")
    row = console.office.customer_writes("hello", "391")
    transfer = partial(boss.submit, f"/conversations/{row}/transfer/user", "dialog", to="anna", mode="immediate")
    assert "offline" in transfer(to="").text.partition(">anna</b>")[2]
    transfer()
    assert [("rejected", "user_not_ready")] == console.process_commands()
    anna.post("/desk/here", None, page=page, rings="")  # it is back, and deaf
    transfer()
    assert [("rejected", "user_not_ready")] == console.process_commands()
    anna.post("/desk/here", None, page=page, rings="1")
    transfer()
    assert [("applied", None)] == console.process_commands()
    assert 'class="offer"' in anna.get("/desk").text


def test_an_offer_to_a_page_that_is_gone_goes_to_the_next_agent_at_once_and_outlasts_a_reload(
    console: Console, anna: Browser, ben: Browser
) -> None:
    """The page of an offer is silent for a moment while it is loaded again; after 15 s it counts as gone (D1)."""
    page = uuid4()
    is_ready(console, anna, page)
    row = console.office.customer_writes("1", "391")  # for sales
    assert 1 == console.office.routing.poll()
    console.office.presence("ben", "ready")
    silent = "update desk_pages set seen_at = now() - %s * interval '1 s' where page = %s"
    console.office.connection.execute(silent, (14, page))
    assert 0 == console.office.routing.poll()
    assert 'class="offer"' in anna.get("/desk").text

    console.office.connection.execute(silent, (16, page))
    assert 2 == console.office.routing.poll()  # taken back, and offered
    assert 'class="offer"' not in anna.get("/desk").text
    assert f'data-offer="{row}"' in ben.get("/desk").text


def test_another_desktop_does_not_need_an_open_page(console: Console, boss: Browser, anna: Browser) -> None:
    is_ready(console, anna)
    console.office.connection.execute("update desk_pages set seen_at = now() - interval '1 hour'")
    console.office.presence("anna", "ready")
    offered(console, boss)


# offers


def test_an_offer_shows_how_it_came_what_was_said_and_is_accepted_once(
    console: Console, boss: Browser, anna: Browser
) -> None:
    is_ready(console, anna)
    for text in ("one", "two", "three"):
        console.office.customer_writes(text, hours_ago=1)
    row = console.office.customer_writes("four", hours_ago=0.9)
    boss.submit(f"/conversations/{row}/transfer/user", "dialog", to="anna", mode="immediate")
    console.process_commands()
    page = anna.get("/desk").text
    card = page.partition('class="offer"')[2].partition("</section>")[0]
    assert ["two", "three", "four"] == re.findall(r'<li dir="auto">(\w+)</li>', card)
    assert re.search(r"\d+ h \d\d min</span> left", card)
    assert "Unmanaged:" in card
    form = re.search(r'name="form" value="([^"]+)"', card)
    assert form is not None
    for _ in range(2):  # a double click
        answer = anna.post(f"/desk/{row}/accept", "notices", form=form[1])
        assert 204 == answer.status_code
    once, again = console.process_facts()
    assert isinstance(once, AgentAccepted)
    assert once == again.model_copy(update={"arrival": once.arrival})
    assert [{"owner_state": "x"}] == console.office.rows("select owner_state from conversations")
    page = anna.get("/desk").text
    assert 'class="offer"' not in page
    assert f'data-line="{row}"' in page


def test_an_offer_is_declined_with_a_reason(console: Console, boss: Browser, anna: Browser) -> None:
    is_ready(console, anna)
    row = offered(console, boss)
    anna.post(f"/desk/{row}/decline", "notices", form="f", note="  on the phone ")
    (fact,) = console.process_facts()
    assert isinstance(fact, AgentDeclined)
    assert ("anna", "on the phone") == (fact.agent_id, fact.note)
    assert 'class="offer"' not in anna.get("/desk").text


def test_nobody_accepts_what_is_not_offered_to_them(
    console: Console, boss: Browser, anna: Browser, ben: Browser
) -> None:
    is_ready(console, anna)
    row = offered(console, boss)
    for action in ("accept", "decline", "close"):
        answer = ben.post(f"/desk/{row}/{action}", "notices", form="f")
        assert (422, True) == (answer.status_code, "not yours any more" in answer.text)
    assert 422 == anna.post(f"/desk/{row}/close", "notices", form="f").status_code  # not accepted yet
    assert [] == console.process_facts()


def test_own_conversations_are_ordered_by_the_time_left(console: Console, boss: Browser, anna: Browser) -> None:
    is_ready(console, anna)
    late = console.office.customer_writes("late", "391", hours_ago=1)
    soon = console.office.customer_writes("soon", "392", hours_ago=20)
    for row in (late, soon):
        boss.submit(f"/conversations/{row}/transfer/user", "dialog", to="anna", mode="immediate")
        console.process_commands()
        anna.post(f"/desk/{row}/accept", "notices", form="f")
        console.process_facts()
    assert [str(soon), str(late)] == re.findall(r'data-line="([^"]+)"', anna.get("/desk").text)


def test_a_conversation_is_closed_with_an_outcome_and_a_note(console: Console, boss: Browser, anna: Browser) -> None:
    is_ready(console, anna)
    row = offered(console, boss)
    anna.post(f"/desk/{row}/accept", "notices", form="f")
    console.process_facts()
    answer = anna.submit(f"/desk/{row}/close", "dialog", outcome="solved", note="paid")
    assert (200, "") == (answer.status_code, answer.text)
    (fact,) = console.process_facts()
    assert isinstance(fact, AgentClosed)
    assert ("solved", "paid", row) == (fact.outcome, fact.note, fact.conversation_id)
    assert f'data-line="{row}"' not in anna.get("/desk").text


# the stream


def test_an_open_page_is_told_of_an_offer_and_of_what_the_customer_writes(
    console: Console, boss: Browser, anna: Browser, ben: Browser
) -> None:
    desk, other = OpenDesk(console, anna), OpenDesk(console, ben)
    assert [True, True] == ["event: open" in (each.look() or "") for each in (desk, other)]  # the first look
    assert ["", ""] == [desk.look(), other.look()]
    is_ready(console, anna)
    assert "event: open" in (desk.look() or "")
    row = offered(console, boss)
    assert [True, False] == ["event: open" in (each.look() or "") for each in (desk, other)]
    reading = OpenDesk(console, boss, f"/desk/live?open={row}")
    reading.look()
    console.office.customer_writes("are you there?", "391", hours_ago=0.5)
    assert [True, True] == ["event: open" in (each.look() or "") for each in (desk, reading)]


def test_a_page_that_has_everything_is_sent_nothing_and_another_what_it_lacks(
    console: Console, boss: Browser, anna: Browser
) -> None:
    is_ready(console, anna)
    row = offered(console, boss)
    page = anna.get(f"/desk/{row}").text
    address = f"/desk/changes?open={row}&seen={seen(page)}"
    assert 204 == anna.get(address, "desk-look").status_code
    console.office.customer_writes("and now?", "391", hours_ago=0.5)
    answer = anna.get(address, "desk-look")
    assert 200 == answer.status_code
    assert {"standing", "slots", "offers", "list", "newest"} <= set(re.findall(r'innerHTML:#([\w-]+)"', answer.text))
    assert seen(page) != seen(answer.text)
    assert "and now?" in answer.text


def test_what_changes_while_a_page_asks_is_asked_for_afterwards(console: Console, boss: Browser, anna: Browser) -> None:
    """The stream says each change once: an answer that was accepted while the page asked stayed *being sent* (D3)."""
    is_ready(console, anna)
    row = offered(console, boss)
    desk, panel = anna.get(f"/desk/{row}").text, boss.get(f"/unmanaged?open={row}").text
    for page, element in ((desk, "desk-look"), (panel, "panel-look")):
        assert re.search(rf'id="{element}"[^>]*hx-trigger="live from:body"[^>]*hx-sync="this:queue last"', page)


def test_a_stream_ends_with_its_session(console: Console, anna: Browser) -> None:
    desk = OpenDesk(console, anna)
    assert desk.look() is not None
    anna.post("/sign-out")
    assert desk.look() is None


def test_a_stream_tells_nothing_of_a_conversation_that_its_agent_may_not_read(console: Console, anna: Browser) -> None:
    row = console.office.customer_writes()
    desk = OpenDesk(console, anna, f"/desk/live?open={row}")
    desk.look()
    console.office.customer_writes("more", hours_ago=0.5)
    assert "" == desk.look()


# writing


def accepted(console: Console, boss: Browser, anna: Browser, hours_ago: float = 1) -> UUID:
    """A conversation that Anna accepted."""
    is_ready(console, anna)
    row = console.office.customer_writes("hello", "391", hours_ago)
    boss.submit(f"/conversations/{row}/transfer/user", "dialog", to="anna", mode="immediate")
    console.process_commands()
    anna.post(f"/desk/{row}/accept", "notices", form="f")
    console.process_facts()
    return row


def box_of(page: str) -> str:
    return page.partition('id="answer"')[2].partition("</section>")[0]


def test_an_agent_writes_once_however_often_the_form_is_sent_and_sees_the_bubble(
    console: Console, boss: Browser, anna: Browser
) -> None:
    row = accepted(console, boss, anna)
    box = box_of(anna.get(f"/desk/{row}").text)
    fields = {**hidden(box), "text": "Of course"}
    for _ in range(2):
        assert 200 == anna.post(f"/conversations/{row}/answer", "answer", **fields).status_code
    assert {("applied", None)} == set(console.process_commands()) - {("repeated", None)}
    assert [("Of course", "anna")] == [
        (s["text"], s["actor"]) for s in console.office.rows("select text, actor from sends")
    ]
    assert "Of course" in anna.get(f"/desk/{row}").text.partition('id="newest"')[2]


def test_a_draft_is_kept_on_the_server_until_it_is_sent_and_comes_back_when_it_is_refused(
    console: Console, boss: Browser, anna: Browser
) -> None:
    row = accepted(console, boss, anna)
    assert 204 == anna.post(f"/conversations/{row}/draft", text="Half a sen").status_code
    page = anna.get(f"/desk/{row}").text
    assert ">Half a sen</textarea>" in page
    assert "your draft" in page
    assert "Half a sen" not in boss.get(f"/desk/{row}").text  # it is hers
    fields = {**hidden(box_of(page)), "text": "Half a sentence"}
    anna.post(f"/conversations/{row}/answer", "answer", **fields)
    anna.post(f"/conversations/{row}/draft", text="Half a sentence")  # told late
    assert "Half a sentence" not in box_of(anna.get(f"/desk/{row}").text)
    console.office.customer_writes("I have found it", "391", hours_ago=0.5)
    assert [("rejected", "customer_wrote_meanwhile")] == console.process_commands()
    assert ">Half a sentence</textarea>" in anna.get(f"/desk/{row}").text


def test_an_agent_keeps_no_draft_where_they_may_not_write(console: Console, anna: Browser) -> None:
    row = console.office.customer_writes()
    assert 403 == anna.post(f"/conversations/{row}/draft", text="x").status_code
    assert [] == console.office.rows("select * from drafts")


# giving away


def test_an_agent_hands_over_with_a_note_that_the_next_one_reads(
    console: Console, boss: Browser, anna: Browser
) -> None:
    row = accepted(console, boss, anna)
    assert all(word in anna.get(f"/desk/{row}").text for word in ("Hand over …", "Park …", "Give back …"))
    nobody = anna.submit(f"/desk/{row}/hand-over", "dialog")
    assert (422, True) == (nobody.status_code, "Choose a recipient first." in nobody.text)
    answer = anna.submit(f"/desk/{row}/hand-over", "dialog", to="user:ben", note="he has paid")
    assert "Hand over to ben" in answer.text
    assert [("applied", None)] == console.process_commands()
    assert [("r", "ben")] == [
        (each["owner_state"], each["owner_id"]) for each in console.office.rows("select * from conversations")
    ]
    assert 'data-line="' not in anna.get("/desk").text
    assert "he has paid" in boss.get(f"/desk/{row}").text


def test_a_parked_conversation_is_listed_apart_and_can_be_continued_at_once(
    console: Console, boss: Browser, anna: Browser
) -> None:
    row = accepted(console, boss, anna)
    answer = anna.submit(f"/desk/{row}/park", "dialog", note="asks for his size")
    assert "Park until" in answer.text
    assert [("applied", None)] == console.process_commands()
    page = anna.get("/desk").text
    assert f'data-line="{row}"' in page.partition("Parked")[2]
    assert 200 == anna.get(f"/desk/{row}").status_code  # still theirs to read
    anna.submit(f"/desk/{row}/take-over", "dialog")
    assert [("applied", None)] == console.process_commands()
    assert "Parked" not in anna.get("/desk").text
    assert [{"owner_state": "x", "owner_id": "anna"}] == console.office.rows(
        "select owner_state, owner_id from conversations"
    )


def test_what_is_given_back_is_on_the_list_and_only_its_agent_or_an_administrator_gives_it(
    console: Console, boss: Browser, anna: Browser, ben: Browser
) -> None:
    row = accepted(console, boss, anna)
    for how in ("hand-over", "park", "give-back", "take-over"):
        assert 403 == ben.get(f"/desk/{row}/{how}", "dialog").status_code
    assert 403 == ben.post(f"/desk/{row}/give-back", "dialog", form="f").status_code
    answer = anna.submit(f"/desk/{row}/give-back", "dialog", note="not my customer")
    assert "Give back:" in answer.text
    assert [("applied", None)] == console.process_commands()
    page = boss.get(f"/desk/{row}").text
    assert "Back on the list (anna). “not my customer”" in page
    assert f"row-{row}" in boss.get("/unmanaged").text


# what agents choose from


def test_quick_replies_are_the_nearest_of_each_shortcut_with_what_is_known_filled_in(
    console: Console, boss: Browser, anna: Browser
) -> None:
    row = accepted(console, boss, anna)
    for whom, shortcut, text in (
        ("all:", "hi", "Hello {name}"),
        ("all:", "open", "9 to 19"),
        ("skillset:sales", "open", "Sales: {agent} answers until 18"),
    ):
        kept = boss.post("/desk/choices/quick", **{"for": whom, "shortcut": f"/{shortcut}", "text": text})
        assert 303 == kept.status_code
    anna.post("/desk/choices/quick", **{"for": "user:", "shortcut": "bye", "text": "See you"})
    assert 403 == anna.post("/desk/choices/quick", **{"for": "all:", "shortcut": "x", "text": "y"}).status_code
    assert 422 == anna.post("/desk/choices/quick", **{"for": "user:", "shortcut": "a b", "text": "y"}).status_code
    offered_texts = re.findall(r'data-text="([^"]*)"', anna.get(f"/conversations/{row}/quick-replies").text)
    assert ["See you", "Hello {name}", "Sales: anna answers until 18"] == offered_texts  # nobody knows the name
    assert "See you" not in boss.get("/desk/choices").text  # it is hers
    id_ = re.findall(r"/desk/choices/quick/([^/]+)/delete", boss.get("/desk/choices").text)[0]
    anna.post(f"/desk/choices/quick/{id_}/delete")
    assert "Hello {name}" in anna.get("/desk/choices").text  # not hers
    boss.post(f"/desk/choices/quick/{id_}/delete")
    assert "Hello {name}" not in anna.get("/desk/choices").text
    assert 6 == len(console.audited("choices_changed"))


def test_a_placeholder_that_nothing_filled_in_is_not_sent(console: Console, boss: Browser, anna: Browser) -> None:
    row = accepted(console, boss, anna)
    fields = {**hidden(box_of(anna.get(f"/desk/{row}").text)), "text": "Hello {name}"}
    answer = anna.post(f"/conversations/{row}/answer", "answer", **fields)
    assert (422, True) == (answer.status_code, "Replace {name} first" in answer.text)
    assert [] == console.process_commands()


def test_administrators_keep_the_reasons_of_a_pause_and_the_outcomes(
    console: Console, boss: Browser, anna: Browser
) -> None:
    row = accepted(console, boss, anna)
    boss.post("/desk/choices/reasons", reason="Stock-taking")
    boss.post("/desk/choices/reasons", reason="meeting", delete="1")
    boss.post("/desk/choices/outcomes", outcome="Sold", skillset="sales")
    boss.post("/desk/choices/outcomes", outcome="Repaired", skillset="support")
    boss.post("/desk/choices/outcomes", outcome="elsewhere", delete="1")
    assert 403 == anna.post("/desk/choices/reasons", reason="Nap").status_code
    page = anna.get("/desk").text
    assert ["Break", "Training", "Other work", "Stock-taking"] == re.findall(r"<button>Pause: ([^<]+)</button>", page)
    dialog = anna.get(f"/desk/{row}/close", "dialog").text
    assert ["solved", "no answer", "not for us", "Sold"] == re.findall(r'name="outcome" value="([^"]+)"', dialog)


def test_what_a_colleague_was_writing_is_not_lost_when_the_customer_is_handed_over(
    console: Console, boss: Browser, anna: Browser
) -> None:
    """Nothing that was typed is lost (D2)."""
    row = accepted(console, boss, anna)
    anna.post(f"/conversations/{row}/draft", text="We have found your")
    assert "We have found your" not in boss.get(f"/desk/{row}").text
    anna.submit(f"/desk/{row}/hand-over", "dialog", to="user:ben")
    assert [("applied", None)] == console.process_commands()
    box = box_of(boss.get(f"/desk/{row}").text)
    assert "anna's draft:" in box
    assert "We have found your" in box


# waiting for a reply


def test_whose_window_ended_while_an_agent_had_them_the_agent_reaches_with_a_template_only(
    console: Console, boss: Browser, anna: Browser, ben: Browser
) -> None:
    """What the agent was typing is there again when the customer answers (D2)."""
    row = accepted(console, boss, anna, hours_ago=23)
    fields = hidden(box_of(anna.get(f"/desk/{row}").text))
    anna.post(f"/conversations/{row}/draft", text="Your bike is")
    end_window(console.office.connection, row)
    for _ in range(2):  # before and after the timer has seen it
        box = box_of(anna.get(f"/desk/{row}").text)
        assert ("<textarea" in box, "Send a template" in box) == (False, True)
        assert "Your draft is kept:" in box
        assert "Your bike is" in box
        assert 200 == anna.get(f"/conversations/{row}/template", "dialog").status_code
        refused = anna.post(f"/conversations/{row}/answer", "answer", **fields, text="Your bike is ready")
        assert 422 == refused.status_code
        console.office.timer.close_due()
    assert [{"status": "c"}] == console.office.rows("select status from conversations")
    assert 404 == ben.get(f"/desk/{row}").status_code
    assert [] == console.process_commands()

    again = console.office.customer_writes("Is it ready?", "391", hours_ago=0)
    assert 'data-mode="off"' in anna.get(f"/desk/{row}").text  # there is a conversation that can be answered
    boss.submit(f"/conversations/{again}/transfer/user", "dialog", to="anna", mode="immediate")
    console.process_commands()
    anna.post(f"/desk/{again}/accept", "notices", form="g")
    console.process_facts()
    assert "Your bike is ready</textarea>" in anna.get(f"/desk/{again}").text
    anna.post(f"/conversations/{again}/draft", text="")  # not wanted any more
    assert "Your bike is" not in anna.get(f"/desk/{again}").text


def test_a_conversation_that_is_not_theirs_any_more_gives_way_to_the_list(
    console: Console, boss: Browser, anna: Browser
) -> None:
    row = accepted(console, boss, anna)
    anna.submit(f"/desk/{row}/hand-over", "dialog", to="user:ben")
    assert [("applied", None)] == console.process_commands()
    answer = anna.get(f"/desk/changes?open={row}&seen=x", "desk-look")
    assert "/desk" == answer.headers["HX-Replace-Url"]
    assert "Open a conversation, or wait for the next offer." in answer.text
    assert "hello" not in answer.text


def test_customers_who_wait_for_a_reply_are_listed_by_waiting_time_and_page_by_page(
    console: Console, boss: Browser, anna: Browser
) -> None:
    rows = []
    for n, agent in enumerate(("anna", "anna", "ben", *["anna"] * 9)):
        row = console.office.customer_writes(phone=f"39{n:03}", hours_ago=2)
        console.office.desktop_reports(AgentMessage, agent, row, minutes_ago=90 - n)
        console.office.customer_writes("and now?", f"39{n:03}", hours_ago=(80 - n) / 60)
        rows.append(str(row))
    console.office.connection.execute("update sign_ins set page_rows = 10")
    listed = partial(re.findall, r'href="/desk/([0-9a-f-]{36})"')
    page = boss.get("/desk/replies").text
    assert rows[:10] == listed(page)
    rest = re.search(r'rel="next" href="([^"]+)"', page) or re.search(r'href="([^"]+)">Next', page)
    assert rest is not None
    assert rows[10:] == listed(boss.get(unescape(rest[1])).text)
    assert rows[2] not in listed(anna.get("/desk/replies").text)
    assert rows[0] == listed(anna.get("/desk/replies").text)[0]
    assert "Waiting for a reply" in anna.get("/desk").text
    assert 400 == anna.get("/desk/replies?after=x").status_code
