"""One conversation beside the list: manual facts S11, S12, S13."""

import re

import pytest

from domain.facts import AgentAccepted, AgentMessage, MailEvent, Party
from domain.ids import fact_id
from infra.process.clock import utc_now
from tests.support.console import BOSS, Browser, Console, ids
from tests.support.stories import FactMaker


def test_the_plus_opens_the_whole_conversation_beside_the_list(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("first")
    maker = console.office.maker
    console.office.process(maker.turn(console.office.hours_ago(0.5), None), maker.echo(console.office.hours_ago(0.2)))
    page = boss.get(f"/unmanaged?open={row}").text
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert '<section class="drawer"' in page
    assert "<html" not in panel
    for shown in ("first", "Photo", "we are here"):
        assert shown in panel
    assert ["customer", "customer", "agent"] == re.findall(r'class="msg (\w+)', panel)


def test_what_the_customer_deleted_is_shown_only_when_it_is_asked_for_and_that_is_audited(
    console: Console, boss: Browser
) -> None:
    office = console.office
    typo, secret = (
        office.maker.turn(office.hours_ago(1), "Helo"),
        office.maker.turn(office.hours_ago(0.9), "my card 4111"),
    )
    office.process(typo, secret)
    office.process(
        office.maker.edits(office.hours_ago(0.8), typo, "Hello"), office.maker.deletes(office.hours_ago(0.7), secret)
    )
    (row,) = ids(boss.get("/unmanaged").text)
    for path in (f"/unmanaged?open={row}", f"/unmanaged?open={row}&tab=info", "/unmanaged.csv"):
        assert "4111" not in boss.get(path).text
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert ("Helo" not in panel, "Hello" in panel, "deleted by the customer" in panel) == (True, True, True)
    assert [] == office.rows("select 1 from console_audit where event = 'deleted_opened'")
    assert "my card 4111" in boss.post(f"/conversations/{row}/deleted").text
    opened = office.rows("select name, conversation_id from console_audit where event = 'deleted_opened'")
    assert [(BOSS, row)] == [(entry["name"], entry["conversation_id"]) for entry in opened]


def test_the_lines_of_a_group_say_who_wrote_them(console: Console, boss: Browser) -> None:
    office = console.office
    for name, phone, hours in (("Ada", "393450001041", 1), ("Bea", "393450001042", 0.5)):
        maker = FactMaker(customer=Party(wa_id=phone, group_id="g77", name=name))
        office.process(maker.turn(office.hours_ago(hours), f"I am {name}"))
    page = boss.get("/unmanaged").text
    (row,) = ids(page)
    assert ("Group g77" in page, "<b>Bea:</b>" in page) == (True, True)
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert ("Ada 393450001041" in panel, "Bea 393450001042" in panel) == (True, True)


def test_each_member_of_a_group_has_a_reaction_of_their_own(console: Console, boss: Browser) -> None:
    office = console.office
    ada, bea = (
        FactMaker(customer=Party(wa_id=phone, group_id="g77", name=name))
        for name, phone in (("Ada", "393450001041"), ("Bea", "393450001042"))
    )
    said = ada.turn(office.hours_ago(1))
    reactions = [
        by.signal(office.hours_ago(hours)).model_copy(
            update={"extra": {"reaction": {"message_id": said.wamid, "emoji": emoji}}}
        )
        for by, hours, emoji in ((ada, 0.5, "👎"), (bea, 0.4, "👍"))
    ]
    office.process(said, *reactions)
    (row,) = ids(boss.get("/unmanaged").text)
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert ("👎" in panel, "👍" in panel) == (True, True)


def test_an_unknown_conversation_is_reported_as_not_found(boss: Browser) -> None:
    answer = boss.get("/unmanaged?open=00000000-0000-0000-0000-000000000000", "panel")
    assert "Conversation not found." in answer.text


def test_the_chat_says_why_a_conversation_became_unmanaged_where_it_happened(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("7")
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    assert "Unmanaged: The customer chose something that is not on the menu." in panel


def test_the_events_of_the_bot_are_sentences(console: Console, boss: Browser) -> None:
    ago = console.office.hours_ago
    maker = FactMaker("bot", Party(wa_id="391"))
    console.office.process(
        maker.bot_starts(ago(1.85)), maker.turn(ago(1.9)), maker.bot(ago(1.8)), maker.bot_ends(ago(1), outcome="solved")
    )
    (row,) = ids(boss.get("/unmanaged?status=all").text)
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    for shown in ("The bot started.", "how can I help?", "The bot ended: solved.", "automatic"):
        assert shown in panel
    info = boss.get(f"/unmanaged?open={row}&tab=info", "panel").text
    assert re.search(r"<dt>Because of</dt>\s*<dd>\s*The bot ended: solved\.", info)
    assert "session.ended" not in panel + info


def test_the_info_has_the_state_the_history_and_ids_to_copy(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("7", "393005550101")
    info = boss.get(f"/unmanaged?open={row}&tab=info", "panel").text
    for shown in (f'data-copy="{row}"', 'data-copy="393005550101"', '<q dir="auto">7</q>', "24-hour window ends"):
        assert shown in info


def test_a_page_has_the_persons_time_zone_and_language(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    boss.post("/account/words", language="it", zone="Asia/Tokyo")
    info = boss.get(f"/unmanaged?open={row}&tab=info", "panel").text
    assert "Il cliente non ha scelto nulla dal menu." in info
    assert "+09:00" in info
    page = boss.get("/unmanaged").text
    assert '<html lang="it"' in page
    assert "Conversazioni non gestite" in page


@pytest.mark.parametrize(
    ("accepted", "title"),
    [("it-CH,it;q=0.9,en;q=0.5", "Conversazioni non gestite"), ("de,fr;q=0.5", "Unmanaged conversations"), ("", "Unm")],
)
def test_without_a_preference_the_page_has_the_browsers_language(boss: Browser, accepted: str, title: str) -> None:
    assert title in boss.get("/unmanaged", **{"Accept-Language": accepted}).text


def test_the_preview_is_the_mail_with_its_header_masked_if_requested(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("call me at +39 300 555 0199")
    form = {"to": "you@example.com, Me@Example.com", "subject": "A customer <waits>", "body": "Please & thanks"}
    shown = boss.post(f"/conversations/{row}/email/preview", **form)
    assert 200 == shown.status_code
    for words in ("A customer &lt;waits&gt;", "Please &amp; thanks", "+39 300 555 0199", "inbox@shop.example"):
        assert words in shown.text
    assert "sandbox" in shown.headers["Content-Security-Policy"]
    masked = boss.post(f"/conversations/{row}/email/preview", **form, mask="1").text
    assert "0199" not in masked
    assert "199" in masked


def test_a_mail_is_requested_and_held_for_ten_seconds_and_its_state_is_shown(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    answer = boss.send(page, "panel", to="you@example.com; me@example.com", subject="A customer", body="Please call")
    assert 200 == answer.status_code
    assert [("applied", None)] == console.process_commands()
    (mail,) = console.office.rows("select *, held_until - requested_at as held from mails")
    assert (["you@example.com", "me@example.com"], 10) == (mail["recipients"], mail["held"].total_seconds())
    panel = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    assert "about to be sent" in panel
    console.office.connection.execute("update mails set state = 'unknown'")
    panel = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    assert "unknown whether it was sent" in panel
    assert f"An administrator can send it again with: <code>witiop mails resend {mail['id']}</code>" in panel


def test_internal_notes_are_in_a_mail_only_if_the_person_chooses_that_and_reads_who_sees_them(
    console: Console, boss: Browser
) -> None:
    row = console.office.customer_writes()
    assert "internal notes" not in boss.get(f"/unmanaged?open={row}&tab=email", "panel").text  # there are none
    boss.post(f"/conversations/{row}/notes", "kept", text="She is angry", form="form")
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    assert "Include the internal notes (1)" in page
    assert "Every recipient can read them then, also outside the company." in page
    assert not re.search(r'name="notes"[^>]*checked', page)
    form = {"to": "you@example.com", "subject": "A customer", "body": "Please call"}
    preview = f"/conversations/{row}/email/preview"
    assert [False, True] == ["She is angry" in boss.post(preview, **form, **more).text for more in ({}, {"notes": "1"})]
    boss.send(page, "panel", **form)
    answer = boss.send(boss.get(f"/unmanaged?open={row}&tab=email", "panel").text, "panel", **form, notes="1")
    assert 2 * [("applied", None)] == console.process_commands()
    mails = console.office.rows("select with_notes from mails order by requested_at, with_notes")
    assert [False, True] == sorted(mail["with_notes"] for mail in mails)
    assert [None, True] == [each["detail"].get("notes") for each in console.audited("asked")]
    assert 200 == answer.status_code
    assert 1 == boss.get(f"/unmanaged?open={row}&tab=email", "panel").text.count("with internal notes")
    wrong = boss.send(boss.get(f"/unmanaged?open={row}&tab=email", "panel").text, "panel", to="x", notes="1").text
    assert re.search(r'name="notes"[^>]*checked', wrong)


def test_the_page_follows_the_delivery_to_each_recipient(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    boss.send(page, "panel", to="you@example.com; Me@example.com", subject="A customer", body="Please call")
    console.process_commands()

    console.office.connection.execute("update mails set state = 'sent'")
    (mail,) = console.office.rows("select id from mails")

    def mail_event(event: str, recipient: str, reason: str | None = None) -> tuple[list[str], str]:
        """What the page shows of each recipient afterwards, and its mark."""
        now = utc_now()
        of = {"id": fact_id(event, recipient), "at": now, "sent_at": now, "mail_id": mail["id"], "type": event}
        console.office.process(MailEvent.model_validate({**of, "recipients": (recipient,), "reason": reason}))
        panel = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
        return re.findall(r"<li>(\S+@[^<]+)</li>", panel), re.findall(r'data-seen="([^"]+)"', panel)[0]

    shown = [
        mail_event("delivered", "you@example.com"),
        mail_event("bounced", "me@example.com", "Transient MailboxFull"),
        mail_event("complained", "you@example.com"),
    ]
    assert [
        ["you@example.com: delivered", "Me@example.com: sent"],
        ["you@example.com: delivered", "Me@example.com: bounced, the mailbox is full"],
        ["you@example.com: reported as spam", "Me@example.com: bounced, the mailbox is full"],
    ] == [fates for fates, _ in shown]
    assert 3 == len({mark for _, mark in shown})


@pytest.mark.parametrize(("state", "shown"), [("sent", "inviata"), ("failed", "non riuscita")])
def test_mails_and_messages_have_their_own_translations(
    console: Console, boss: Browser, state: str, shown: str
) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    boss.send(page, "panel", to="you@example.com", subject="A customer", body="Please call")
    console.process_commands()
    console.office.connection.execute("update mails set state = %s", (state,))
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel", **{"Accept-Language": "it"}).text
    assert f'<span class="chip">{shown}</span>' in page


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("too_large", "the mail would be larger than 10 MB"),
        ("400 MessageRejected", "Amazon SES rejected it: the sender or a recipient is not verified there"),
        ("Bad content", "Amazon SES found a virus in it"),
        ("418 Teapot", "Amazon SES says: 418 Teapot"),
        (None, "no reason was given"),
    ],
)
def test_a_failed_mail_says_why(console: Console, boss: Browser, reason: str | None, words: str) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    boss.send(page, "panel", to="you@example.com", subject="A customer", body="Please call")
    console.process_commands()
    console.office.connection.execute("update mails set state = 'failed', reason = %s", (reason,))
    assert words in boss.get(f"/unmanaged?open={row}&tab=email", "panel").text


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ({"to": "a@example.com; Bob <bob@>, nobody"}, "one of the addresses is not valid: bob@, nobody"),
        ({"to": ""}, "one of the addresses is not valid."),
        ({"to": "a@p\u0430ypal.com"}, "one of the addresses is not valid: a@p\u0430ypal.com"),
        ({"subject": "=?"}, "the subject must be one line"),
        ({"to": ",".join(f"a{n}@example.com" for n in range(51))}, "a mail has at most 50 recipients"),
    ],
)
def test_a_mail_that_cannot_be_sent_says_why_and_keeps_what_was_typed(
    console: Console, boss: Browser, typed: dict[str, str], why: str
) -> None:
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    filled = {"to": "you@example.com", "subject": "A customer", "body": "my text", **typed}
    answer = boss.send(page, "panel", **filled)
    assert 422 == answer.status_code
    assert why in answer.text
    assert "my text" in answer.text
    assert [] == console.publisher.records


def test_a_subject_is_suggested_and_taken_if_none_is_typed(console: Console, boss: Browser) -> None:
    """Recipients are understood as mail programs write them."""
    row = console.office.customer_writes()
    page = boss.get(f"/unmanaged?open={row}&tab=email", "panel").text
    suggested = re.search(r'name="subject" value="([^"]+)"', page)
    assert suggested is not None
    assert re.fullmatch(r".+, WhatsApp, \d+ [A-Z][a-z]+", suggested[1])
    pasted = 'Jane <jane@example.com>; "Smith, Bob" <bob@bücher.example>\n<me@example.com>'
    assert 200 == boss.send(page, "panel", to=pasted, subject=" ", body="Please call").status_code
    assert [("applied", None)] == console.process_commands()
    (mail,) = console.office.rows("select subject, recipients from mails")
    assert (suggested[1], ["jane@example.com", "bob@xn--bcher-kva.example", "me@example.com"]) == (
        mail["subject"],
        mail["recipients"],
    )


def test_an_installation_without_mail_offers_none(console: Console) -> None:
    from dataclasses import replace

    from console.app import create_app

    without = Browser(create_app(replace(console.deps, mailing=None)))
    without.sign_in(BOSS)
    row = console.office.customer_writes()
    assert "Send via email" not in without.get(f"/unmanaged?open={row}").text
    for path in ("email", "email/preview"):
        assert 404 == without.post(f"/conversations/{row}/{path}", to="a@example.com", form="f").status_code


def test_a_preview_that_takes_too_long_says_so_instead_of_keeping_other_pages_waiting(console: Console) -> None:
    from dataclasses import replace

    from console.app import create_app

    assert console.deps.mailing is not None
    hurried = replace(console.deps, mailing=replace(console.deps.mailing, preview_seconds=0))
    browser = Browser(create_app(hurried))
    browser.sign_in(BOSS)
    row = console.office.customer_writes()
    shown = browser.post(f"/conversations/{row}/email/preview", to="a@example.com", subject="s", body="b")
    assert (200, True) == (shown.status_code, "too long for a preview" in shown.text)


def test_an_open_conversation_is_updated_only_when_it_changed(console: Console, boss: Browser) -> None:
    row = console.office.customer_writes("first")
    panel = boss.get(f"/unmanaged?open={row}", "panel").text
    seen = re.search(r'id="panel-look"[^>]*data-seen="([^"]+)"', panel)
    assert seen is not None
    path = f"/conversations/{row}/changes?seen={seen[1]}"
    assert 204 == boss.get(path, "panel-look").status_code
    console.office.desktop_reports(AgentAccepted, "anna", row)
    now = utc_now()
    said = {"id": fact_id("said"), "at": now, "sent_at": now, "agent_id": "anna", "conversation_id": row}
    console.office.process(AgentMessage.model_validate({**said, "text": "here I am"}))
    changed = boss.get(path, "panel-look").text
    for shown in ("here I am", "Accepted by anna.", "Handled by anna"):
        assert shown in changed
