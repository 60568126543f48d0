"""Answering a customer from the console: the box, what it refuses, and what becomes of a message."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from uuid import UUID

import pytest

from domain.commands import Command, Recall, Resolve, SendMessage, read_command
from domain.facts import AgentAccepted
from domain.sending.acceptance import SendingPolicy
from domain.sending.numbers import GraphNumber
from domain.sending.templates import Template
from infra.postgres.sending import accounts, library
from tests.support.console import BOSS, Browser, Console, OpenList, hidden, open_console
from tests.support.office import SECRET
from tests.support.stories import NUMBER


def box_of(page: str) -> str:
    """The box on a page or panel."""
    return page.partition('<div id="answer"')[2].partition("</form>")[0]


def fields_of(browser: Browser, row: UUID) -> dict[str, str]:
    """The hidden fields of the box beside the list."""
    return hidden(box_of(browser.get(f"/unmanaged?open={row}", "panel").text))


def write(browser: Browser, row: UUID, text: str, into: str | None = "answer", **more: str) -> str:
    """Opens the conversation, writes and sends; returns what the page is sent."""
    return browser.post(f"/conversations/{row}/answer", into, **{**fields_of(browser, row), "text": text, **more}).text


def asked(console: Console) -> list[SendMessage | Recall | Resolve]:
    """The commands that were submitted and are not processed yet."""
    found = []
    for record in console.publisher.records:
        command = read_command(record.headers, record.value, [SECRET], datetime.now(UTC))
        assert isinstance(command, Command)
        assert isinstance(command.body, SendMessage | Recall | Resolve)
        found.append(command.body)
    return found


def bubbles(browser: Browser, row: UUID) -> list[tuple[str, str]]:
    """Text and state of everything that was sent from here, as the panel shows it."""
    panel = browser.get(f"/unmanaged?open={row}", "panel").text
    found = []
    for part in panel.split('<div class="msg ')[1:]:
        state = re.search(r'class="sent (\w+)">.*?</svg>\s*([^<]+)</span>', part, re.DOTALL)
        text = re.search(r'<p dir="auto">(.*?)</p>', part, re.DOTALL)
        if state:
            found.append((unescape(text[1]) if text else "", " ".join(state[2].split())))
    return found


def becomes(console: Console, state: str, **more: object) -> None:
    """Gives the only message this state, as the sender does."""
    console.office.connection.execute(
        "update sends set state = %s, error = %s, reason = %s", [state, more.get("error"), more.get("reason")]
    )


def templates(console: Console) -> None:
    """Synchronises two templates of the number's account: one that is approved, and one that is not."""
    now = datetime.now(UTC)
    body = [{"type": "BODY", "text": "Your order {{1}} is ready."}]
    found = [
        Template("a", name, "en", status, "UTILITY", "POSITIONAL", body)
        for name, status in (("order_update", "APPROVED"), ("old_offer", "PAUSED"))
    ]
    library.store_templates(console.office.connection, "a", found, now)
    number = GraphNumber(NUMBER, "+39 02 0000", "The shop", "GREEN", 80, 1000)
    accounts.store_numbers(console.office.connection, "a", [number], now)


def test_an_answer_waits_is_sent_and_read_in_one_bubble(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("is it open?")
    page = write(boss, row, "Yes,\r\nuntil six.")
    assert 'data-request="' in page
    assert "" == re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)[1]  # type: ignore[index]
    (command,) = asked(console)
    assert isinstance(command, SendMessage)
    assert ("Yes,\nuntil six.", 5) == (command.message.text.body, command.hold_seconds)  # type: ignore[union-attr]
    assert [("applied", None)] == console.process_commands()
    assert [("Yes,\nuntil six.", "waiting to be sent")] == bubbles(boss, row)
    for state, shown in (
        ("sending", "being sent"),
        ("accepted", "accepted by WhatsApp"),
        ("delivered", "delivered"),
        ("read", "read"),
        ("dropped", "not delivered in time"),
        ("recalled", "recalled, not sent"),
    ):
        becomes(console, state)
        assert [("Yes,\nuntil six.", shown)] == bubbles(boss, row)


def test_a_double_click_is_one_message(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    form = {**fields_of(boss, row), "text": "hello"}
    for _ in range(2):
        boss.post(f"/conversations/{row}/answer", "answer", **form)
    console.process_commands()
    assert 1 == len(console.office.rows("select from sends"))


def test_buttons_and_what_the_answer_replies_to_are_sent(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    wamid = re.search(r'data-reply="([^"]+)"', panel)
    assert wamid is not None
    write(boss, row, "Which one?", button1="Red", button2="Blue", reply_to=unescape(wamid[1]))
    (command,) = asked(console)
    assert isinstance(command, SendMessage)
    assert command.reply_to == unescape(wamid[1])
    assert ["Red", "Blue"] == [b.title for b in command.message.interactive.buttons]  # type: ignore[union-attr]
    console.process_commands()
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert '<span class="chip" dir="auto">Red</span>' in panel
    assert "hello</blockquote>" in panel


@pytest.mark.parametrize(
    ("text", "more", "why"),
    [
        ("  ", {}, "Write something first."),
        ("x" * 4097, {}, "The text has 4,097 characters; at most 4,096 fit."),
        ("x" * 1025, {"button1": "a"}, "The text has 1,025 characters; at most 1,024 fit."),
        ("hi", {"button1": "x" * 21}, "A button has at most 20 characters."),
        ("hi", {"button1": "a", "button2": "a"}, "Two buttons are the same."),
    ],
)
def test_what_meta_would_refuse_is_refused_before_and_stays_in_the_box(
    console: Console, boss: Browser, text: str, more: dict[str, str], why: str
) -> None:
    row = console.office.customer_writes()
    page = write(boss, row, text, **more)
    assert why in page
    assert f">{text}</textarea>" in page
    assert [] == asked(console)


def test_if_the_customer_wrote_meanwhile_the_page_says_so_before_the_answer_goes(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes("two, please")
    form = fields_of(boss, row)
    console.office.customer_writes("no, three!", hours_ago=0.5)
    page = boss.post(f"/conversations/{row}/answer", "answer", **form, text="Two are on their way")
    assert 422 == page.status_code
    assert "The customer wrote again meanwhile" in page.text
    assert ">Two are on their way</textarea>" in page.text
    assert [] == asked(console)
    again = hidden(box_of(page.text))
    boss.post(f"/conversations/{row}/answer", "answer", **again, text="Three are on their way")
    assert [("applied", None)] == console.process_commands()


def test_an_answer_that_is_refused_is_kept_also_if_the_page_is_closed_then(console: Console, boss: Browser) -> None:
    """What is being sent is no draft (D2): refused, it is one again, on the server."""
    row = console.office.customer_writes("two, please")
    form = fields_of(boss, row)
    console.office.customer_writes("no, three!", hours_ago=0.5)
    boss.post(f"/conversations/{row}/answer", "answer", **form, text="Two are on their way")
    assert ">Two are on their way</textarea>" in console.signed_in().get(f"/unmanaged?open={row}", "panel").text
    boss.post(f"/conversations/{row}/answer", "answer", **fields_of(boss, row), text=" ")
    assert ">Two are on their way</textarea>" in boss.get(f"/unmanaged?open={row}", "panel").text


def test_a_conversation_that_somebody_else_accepted_is_theirs(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    form = fields_of(boss, row)
    console.office.desktop_reports(AgentAccepted, "anna", row)
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert "anna has accepted the conversation, and only they can write." in panel
    assert 422 == boss.post(f"/conversations/{row}/answer", "answer", **form, text="me too").status_code
    assert [] == asked(console)


def test_after_the_window_only_a_template_is_offered(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes(hours_ago=25)
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert "only a template reaches them" in panel
    assert "<textarea" not in box_of(panel)
    answer = boss.post(f"/conversations/{row}/answer", "answer", **fields_of(boss, row), text="still there?")
    assert (422, []) == (answer.status_code, asked(console))


def test_a_template_is_filled_in_shown_and_sent(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes(hours_ago=25)
    templates(console)
    page = boss.get(f"/conversations/{row}/template", "dialog").text
    assert "order_update" in page
    assert "old_offer" not in page
    assert "1 template is not offered" in page
    form = {**hidden(page.partition('method="post"')[2]), "do": "preview"}
    missing = boss.post(f"/conversations/{row}/template", "dialog", **form)
    assert (422, True) == (missing.status_code, "{{1}} has to be filled in" in missing.text)
    shown = boss.post(f"/conversations/{row}/template", "dialog", **{**form, "of-1": "A 17"}).text
    assert "Your order A 17 is ready." in shown
    assert [] == asked(console)
    boss.post(f"/conversations/{row}/template", "dialog", **{**form, "of-1": "A 17", "do": "send"})
    (command,) = asked(console)
    assert isinstance(command, SendMessage)
    assert ("A 17",) == command.message.template.parameters  # type: ignore[union-attr]
    assert [("applied", None)] == console.process_commands()
    assert [("Your order A 17 is ready.", "waiting to be sent")] == bubbles(boss, row)


def test_a_parameter_that_meta_would_refuse_is_refused_before(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    templates(console)
    form = hidden(boss.get(f"/conversations/{row}/template", "dialog").text.partition('method="post"')[2])
    page = boss.post(f"/conversations/{row}/template", "dialog", **{**form, "of-1": "A\t17", "do": "send"})
    assert (422, True) == (page.status_code, "Meta takes no line breaks, tabs" in page.text)
    assert [] == asked(console)


def test_a_message_can_be_undone_from_its_bubble_while_it_waits(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    write(boss, row, "oh no")
    console.process_commands()
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    undo = re.search(r'action="(/messages/[^"]+/recall)"', panel)
    assert undo is not None
    notice = re.search(r'hx-get="(/commands/[^"]+)"', boss.post(undo[1], "notices", form="f").text)
    assert [("applied", None)] == console.process_commands()
    assert notice is not None
    undone = undo[1].split("/")[2]  # of all that was sent, the page writes this one again
    assert f'data-restores="{undone}"' in boss.get(unescape(notice[1]), "notices").text
    assert [("oh no", "recalled, not sent")] == bubbles(boss, row)
    again = re.search(r'href="(/conversations/[^"]+/answer\?again=[^"]+)"', boss.get(f"/unmanaged?open={row}").text)
    assert again is not None
    assert ">oh no</textarea>" in boss.get(unescape(again[1]), "answer").text
    boss.post(f"/conversations/{row}/draft", text="One moment")
    assert ">One moment\noh no</textarea>" in boss.get(unescape(again[1]), "answer").text


@pytest.mark.parametrize(
    ("as_", "shown"), [("assumed_sent", "counts as arrived"), ("send_again", "waiting to be sent")]
)
def test_a_message_that_meta_did_not_confirm_is_settled_by_a_person(
    console: Console, boss: Browser, as_: str, shown: str
) -> None:
    row = console.office.customer_writes()
    write(boss, row, "hello?")
    console.process_commands()
    becomes(console, "unknown")
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert "Meta has not answered; it may have arrived." in panel
    settle = re.search(r'action="(/messages/[^"]+/resolve)"', panel)
    assert settle is not None
    boss.post(settle[1], "notices", form="f", **{"as": as_})
    assert [("applied", None)] == console.process_commands()
    assert [("hello?", shown)] == bubbles(boss, row)


@pytest.mark.parametrize(
    ("code", "helps", "offers"),
    [
        (131047, "A template still reaches them.", "Send a template"),
        (131026, "The customer cannot be reached", "Write it again"),
        (131053, "Meta could not read the file.", "Write it again"),
        (131049, "Meta limits how much advertising", "Write it again"),
        (131050, "The customer wants no advertising", "Write it again"),
        (132000, "Meta refused what the message contains.", "Write it again"),
        (190, "Meta does not accept the access token", "Write it again"),
        (None, "Meta refused it without a reason that we know.", "Write it again"),
    ],
)
def test_a_failed_message_says_what_helps(
    console: Console, boss: Browser, code: int | None, helps: str, offers: str
) -> None:
    row = console.office.customer_writes()
    write(boss, row, "hello?")
    console.process_commands()
    becomes(console, "failed", error=code)
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert helps in panel
    assert re.search(rf">\s*{offers}</a>", panel)


def test_where_sending_is_off_nobody_is_offered_to_write(database: str) -> None:
    with open_console(database, sending=SendingPolicy()) as console:
        row = console.office.customer_writes()
        boss = console.signed_in()
        panel = boss.get(f"/unmanaged?open={row}", "panel").text
        assert ("textarea" in panel, "data-reply" in panel) == (False, False)
        assert 403 == boss.post(f"/conversations/{row}/answer", "answer", text="hi").status_code


@pytest.fixture
def anna(console: Console) -> Iterator[Browser]:
    """The browser of an agent."""
    console.person("anna", administrator=False)
    yield console.signed_in("anna")


def test_an_agent_writes_in_her_own_conversations_only(console: Console, anna: Browser) -> None:
    row = console.office.customer_writes()
    assert 403 == anna.post(f"/conversations/{row}/answer", "answer", text="hi").status_code
    console.office.desktop_reports(AgentAccepted, "anna", row)
    assert 200 == anna.post(f"/conversations/{row}/answer", "answer", form="f", text="hi").status_code
    assert [("applied", None)] == console.process_commands()
    becomes(console, "unknown")
    (send,) = console.office.rows("select id, command_id from sends")
    console.person("ben", administrator=False)
    ben = console.signed_in("ben")
    for path in (f"/messages/{send['command_id']}/recall", f"/messages/{send['id']}/resolve"):
        assert 403 == ben.post(path, "notices", form="f", **{"as": "assumed_sent"}).status_code
    assert (
        200 == anna.post(f"/messages/{send['id']}/resolve", "notices", form="f", **{"as": "assumed_sent"}).status_code
    )


def test_a_result_and_a_new_state_arrive_on_the_stream(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = OpenList(console, boss)
    page.listen(open=str(row))
    page.look()
    write(boss, row, "hello")
    console.process_commands()
    assert "event: results" in page.look()
    becomes(console, "delivered")
    assert "event: open" in page.look()
    assert "event: open" not in page.look()


def test_an_open_panel_gets_another_box_when_somebody_else_takes_the_conversation(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes()
    changes = f"/conversations/{row}/changes?tab=conversation&box=text"
    assert 'id="expected-last"' in boss.get(changes, "panel-look").text
    assert '<div id="answer"' not in boss.get(changes, "panel-look").text
    console.office.desktop_reports(AgentAccepted, "anna", row)
    assert '<div id="answer" data-mode="theirs" hx-swap-oob="true"' in boss.get(changes, "panel-look").text


def test_an_answer_that_kafka_does_not_take_stays_in_the_box(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    form = {**fields_of(boss, row), "text": "keep me"}
    console.publisher.unreachable = True
    page = boss.post(f"/conversations/{row}/answer", "answer", **form)
    assert (503, True) == (page.status_code, ">keep me</textarea>" in page.text)
    assert form["form"] == hidden(box_of(page.text))["form"]


def test_who_wrote_is_the_one_who_is_signed_in(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    write(boss, row, "hello")
    console.process_commands()
    assert [{"actor": BOSS}] == console.office.rows("select actor from sends")
