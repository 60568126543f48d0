"""The console in a real browser, on the real processes: the manual's page fact by fact (docs/design/mission.md, S1 to
S13), live updates, failures, the keyboard, and axe on every page and dialog."""

import json
import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from domain.conversations.reasons import Reason
from infra.local.ports import LOOPBACK, free_port
from infra.local.simulator.bodies import BusinessNumber, SimulatedCustomer
from tests.support.chromium import MISSING, program, signed_in
from tests.support.hostile import FRAGMENTS
from tests.support.pages import RULES, assert_accessible, choose, cut_off, held, only, row_of, said, violations, watched
from tests.support.shop import MANAGER, OTHER, PASSWORD, Shop

LEFT_ALONE = {"Giulia Ferri", "Tom Whitfield", "Chiara Montanari", "Luca Marchetti", "Nina Walsh", "Oliver Grant"}
IN_GOOD_HANDS = {"Elisa Moretti", "Francesca Longo", "Ryan Cooper", "Jakob Lindqvist", "Pietro Sala", "Giorgio Villa"}
AMBER, GREEN = "rgb(143, 91, 0)", "rgb(29, 122, 70)"

ADMINISTRATION = [
    "Numbers",
    "Directory",
    "Who is ready",
    "Alarms",
    "People who can sign in",
    "Audit log",
    "Personal data",
    "Set-up",
]

pytestmark = [pytest.mark.skipif(program() is None, reason=MISSING), pytest.mark.timeout(300)]


def names(page: Page) -> set[str]:
    return set(page.locator("#list td.who b").all_inner_texts())


# the manual


def test_s1_the_whatsapp_menu_opens_on_an_arrow_and_leads_to_what_works(page: Page) -> None:
    page.goto("/account")
    menu = page.get_by_role("navigation", name="Main")
    entry = menu.get_by_role("link", name="Unmanaged conversations")
    arrow = menu.locator("summary", has_text="WhatsApp")
    assert '"▾" / ""' == arrow.evaluate("it => getComputedStyle(it, '::after').content")
    expect(entry).to_be_hidden()
    arrow.click()
    assert [
        "New outbound campaign",
        "Outbound history",
        "Unmanaged conversations",
        "Opt-outs",
        "Waiting for a reply",
        "Unconfirmed messages",
        "Rules",
        "Analytics",
    ] == links_of(menu)
    menu.locator("summary", has_text="Administration").click()
    expect(entry).to_be_hidden()  # one menu is open at a time
    assert ["Rules", "Analytics", *ADMINISTRATION] == links_of(menu)
    arrow.click()
    entry.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Unmanaged conversations")


@pytest.mark.parametrize("width", [390, 768, 1024, 1440])
@pytest.mark.parametrize("language", ["en-GB", "it-IT"])
def test_everything_in_the_menus_is_reached_at_every_width(
    width: int, language: str, browser: Browser, owner: BrowserContext, shop: Shop
) -> None:
    context = browser.new_context(
        base_url=shop.address,
        storage_state=owner.storage_state(),
        locale=language,
        viewport={"width": width, "height": 800},
    )
    with watched(context) as page:
        page.goto("/directory/ready")
        menu = page.locator(".top nav")
        reached = []
        for arrow in menu.locator("summary:visible").all():
            arrow.click()
            assert [] == cut_off(page)
            for link in menu.locator("li a:visible").all():
                link.scroll_into_view_if_needed()
                expect(link).to_be_in_viewport(ratio=0.99)  # parts of a pixel
            reached += links_of(menu)
        assert 16 == len(set(reached))
        for path in ("/unmanaged", "/desk"):
            page.goto(path)
            assert [] == cut_off(page), path
    context.close()


def links_of(menu: Locator) -> list[str]:
    """What the navigation at the top shows now, without numbers."""
    return [link.inner_text().split("\n")[0] for link in menu.get_by_role("link").all()]


def test_s2_exactly_the_conversations_that_no_agent_manages_are_listed(page: Page) -> None:
    page.goto("/unmanaged?status=all&rows=100")
    assert LEFT_ALONE <= names(page)
    assert set() == IN_GOOD_HANDS & names(page)


def test_s3_conversations_that_only_the_softbot_handled_are_listed(page: Page) -> None:
    page.goto("/unmanaged?status=all&reason=bot_closed&rows=100")
    assert {"Luca Marchetti", "Aoife Byrne"} == names(page)
    expect(row_of(page, "Luca Marchetti")).to_contain_text("Closed by the bot")


def test_s4_customers_who_chose_nothing_from_the_menu_are_listed_with_the_reason(page: Page) -> None:
    page.goto("/unmanaged?status=all&rows=100")
    expect(row_of(page, "Giulia Ferri")).to_contain_text("Nothing chosen")
    expect(row_of(page, "Chiara Montanari")).to_contain_text("Choice not understood")


def test_s5_a_yellow_clock_is_active_and_a_green_tick_is_closed(page: Page) -> None:
    page.goto("/unmanaged?status=all&rows=100")
    for name, icon, word, colour, left in (
        ("Giulia Ferri", "#i-active", "Active", AMBER, re.compile(r"^\s*2[23] h \d\d min\s*$")),
        ("Jeanne Perrin", "#i-closed", "Closed", GREEN, "window over"),
        ("Luca Marchetti", "#i-closed", "Closed", GREEN, "ended"),
    ):
        row = row_of(page, name)
        status = row.locator(".st")
        expect(status).to_have_text(word)
        expect(status).to_have_css("color", colour)
        expect(status.locator("use")).to_have_attribute("href", icon)
        expect(row.locator("td.left")).to_have_text(left)


def test_s6_the_bar_sets_how_many_rows_are_shown_and_is_remembered(page: Page) -> None:
    page.goto("/unmanaged?rows=25")
    bar = page.get_by_role("combobox", name="Rows")
    assert ["10 rows", "25 rows", "50 rows", "100 rows"] == bar.locator("option").all_inner_texts()
    bar.select_option("10")
    page.wait_for_url("**/unmanaged")
    expect(page.locator("#list tbody tr")).to_have_count(10)
    first = names(page)
    page.get_by_role("link", name="Next").click()
    page.wait_for_url("**after=*")
    assert set() == first & names(page)
    page.goto("/unmanaged")
    expect(page.locator("#list tbody tr")).to_have_count(10)


def test_s7_a_row_has_status_last_text_buttons_and_a_plus(page: Page, shop: Shop) -> None:
    customer = shop.customer("Bianca Neri")
    shop.customer_writes(customer, "Buongiorno", "Riparate anche i monopattini?")
    row = only(page, customer)
    expect(row.locator(".text p")).to_have_text("Riparate anche i monopattini?")
    buttons = [button.get_attribute("aria-label") for button in row.locator(".acts").get_by_role("button").all()]
    kinds = ["Transfer to a user", "Transfer to a skillset", "Take it", "Dismiss"]
    assert [f"{kind}: Bianca Neri" for kind in kinds] == buttons
    expect(row.get_by_role("link", name="Open the conversation: Bianca Neri")).to_be_visible()
    row.get_by_role("button", name="Take it").click()
    said(page, "It is yours.")
    expect(row.locator(".st")).to_have_text("Waiting")
    expect(row).to_contain_text("Accepted by Paolo Zefiro")


def test_s8_a_closed_conversation_cannot_be_transferred_and_says_why(page: Page) -> None:
    page.goto("/unmanaged?status=all&q=Jeanne+Perrin")
    for kind in ("Transfer to a user", "Transfer to a skillset"):
        button = row_of(page, "Jeanne Perrin").get_by_role("button", name=kind)
        expect(button).to_be_disabled()
        button.hover()
        shown = button.evaluate("it => getComputedStyle(it, '::after').content")
        assert "Closed: the 24-hour window is over." in shown
        button.click(force=True)
        expect(page.get_by_role("dialog")).to_have_count(0)


def test_s9_users_have_their_state_and_skillsets_their_number_of_ready_members(page: Page, shop: Shop) -> None:
    first, second = shop.customer("Carla Testa"), shop.customer("Dario Poli")
    shop.customer_writes(first, "Buongiorno")
    shop.customer_writes(second, "Vorrei una bici")
    shop.agent_is("elena", "ready")
    shop.agent_is("anna", "ready")
    only(page, first).get_by_role("button", name="Transfer to a user").click()
    elena = page.get_by_role("dialog").locator("label", has_text="Elena Zanini")
    expect(elena).to_contain_text(re.compile("ready, 2 slots free"))
    expect(page.get_by_role("dialog").locator("label", has_text="Marco Tessari")).to_contain_text("paused")
    choose(page, "Elena Zanini", "Immediate")
    said(page, "Offered to Elena Zanini.")

    only(page, second).get_by_role("button", name="Transfer to a skillset").click()
    sales = page.get_by_role("dialog").locator("label", has_text="Vendite")
    expect(sales.locator(".ready")).to_have_text("2 ready")
    assert '"● " / ""' == sales.locator(".ready").evaluate("it => getComputedStyle(it, '::before').content")
    expect(page.get_by_role("dialog").locator("label", has_text="Officina")).to_contain_text("nobody ready")
    choose(page, "Vendite", "Immediate")
    said(page, "Offered to Anna Bellini (Vendite).")
    expect(row_of(page, "Dario Poli")).to_contain_text("Offered to Anna Bellini")


def test_s10_immediate_is_now_or_not_at_all_and_exclusive_is_a_reservation(page: Page, shop: Shop) -> None:
    customer = shop.customer("Ennio Riva")
    shop.customer_writes(customer, "C'è il meccanico?")
    row = only(page, customer)
    row.get_by_role("button", name="Transfer to a user").click()
    expect(page.get_by_role("dialog")).to_contain_text("Now or not at all")
    expect(page.get_by_role("dialog")).to_contain_text(re.compile(r"Reserved for this user alone until \d\d:\d\d"))
    choose(page, "Marco Tessari", "Immediate")
    said(page, "Not transferred: Marco Tessari is not ready.")
    expect(row.locator(".st")).to_have_text("Active")

    row.get_by_role("button", name="Transfer to a user").click()
    choose(page, "Marco Tessari", "Exclusive")
    said(page, "Reserved for Marco Tessari.")
    page.goto("/waiting")
    waiting = row_of(page, "Ennio Riva")
    expect(waiting).to_contain_text("Reserved for Marco Tessari")
    waiting.get_by_role("button", name="Recall").click()
    said(page, "Recalled: it is back on the list.")
    expect(only(page, customer).locator(".st")).to_have_text("Active")


def test_s11_the_plus_opens_the_whole_conversation_beside_the_list(page: Page) -> None:
    page.goto("/unmanaged?status=all&q=Luca+Marchetti")
    row_of(page, "Luca Marchetti").get_by_role("link", name="Open the conversation").click()
    chat = page.get_by_role("log")
    expect(chat.locator(".msg.customer").first).to_contain_text("fa un rumore strano")
    expect(chat.locator(".msg.bot").first).to_contain_text("Sono l'assistente di Cicli Zefiro")
    expect(chat.locator(".msg.bot").first).to_contain_text("read")
    expect(chat.locator(".msg", has_text="in salita")).to_contain_text("edited")
    expect(chat.locator(".msg.deleted")).to_contain_text("deleted by the customer")
    for media in ("Photo", "Voice message", "Document"):
        expect(chat.locator(".media", has_text=media)).to_have_count(1)
    expect(chat.locator(".sys").last).to_contain_text("Closed.")
    expect(row_of(page, "Luca Marchetti")).to_be_visible()
    page.reload()
    expect(chat).to_be_visible()


def test_s12_it_is_forwarded_by_mail_as_the_preview_shows_it_and_its_state_is_shown(page: Page, shop: Shop) -> None:
    customer = shop.customer("Fabio Costa")
    shop.customer_writes(customer, "Mi chiamate voi?")
    only(page, customer).get_by_role("link", name="Open the conversation").click()
    page.get_by_role("link", name="Send via email").click()
    page.get_by_label("To", exact=True).fill("partner@example.com")
    page.get_by_label("Subject").fill("A customer waits")
    page.get_by_label("Text", exact=True).fill("Please call him.")
    page.get_by_role("button", name="Preview").click()
    preview = page.frame_locator("iframe[name=mail-preview]")
    expect(preview.locator("body")).to_contain_text("Please call him.")
    expect(preview.locator("body")).to_contain_text("Mi chiamate voi?")
    expect(page.get_by_label("Subject")).to_have_value("A customer waits")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(said(page, "Email to partner@example.com will be sent").get_by_role("button", name="Undo")).to_be_visible()
    mail = page.locator("#mails li")
    expect(mail).to_contain_text("about to be sent")
    shop.make_mails_due()
    expect(mail.locator(".chip")).to_have_text("sent")


def test_s13_the_info_has_the_reason_its_cause_and_the_history(page: Page, shop: Shop) -> None:
    page.goto("/unmanaged?status=all&q=Chiara+Montanari")
    row_of(page, "Chiara Montanari").get_by_role("link", name="Open the conversation").click()
    page.get_by_role("link", name="Info").click()
    info = page.locator("#info")
    expect(info).to_be_visible()
    shown = dict(zip(info.locator("dt").all_inner_texts(), info.locator("dd").all_inner_texts(), strict=True))
    assert "The customer chose something that is not on the menu." == shown["Why"]
    assert shown["Because of"].startswith("5")
    assert shown["Number"].startswith("Negozio")
    assert {"Opened", "Last message", "24-hour window ends", "Conversation"} <= shown.keys()
    expect(info.locator(".history li").last).to_contain_text(
        "Unmanaged: The customer chose something that is not on the menu."
    )
    expect(info.get_by_role("button", name=re.compile("^Copy "))).to_have_count(3)


def test_a_half_written_mail_survives_and_is_open_again_when_its_sending_is_undone(page: Page, shop: Shop) -> None:
    customer = shop.customer("Furio Testi")
    shop.customer_writes(customer, "Mi chiamate?")
    only(page, customer).get_by_role("link", name="Furio Testi", exact=True).click()  # the name opens the conversation
    page.get_by_role("link", name="Send via email").click()
    for label, text in (("To", "partner@example.com"), ("Subject", "A customer waits"), ("Text", "Please call him.")):
        page.get_by_label(label, exact=True).fill(text)
    hides = page.get_by_label("Hide phone numbers")
    was_hiding = hides.is_checked()
    hides.set_checked(not was_hiding)
    page.get_by_role("link", name="Info").click()
    page.get_by_role("link", name="Send via email").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("Please call him.")
    expect(hides).to_be_checked(checked=not was_hiding)  # what was ticked is kept as what was written
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("")
    said(page, "Email to partner@example.com will be sent").get_by_role("button", name="Undo").click()
    said(page, "the email will not be sent.")
    expect(page.get_by_label("Text", exact=True)).to_have_value("Please call him.")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)


def test_what_is_not_sent_after_its_conversation_was_left_is_said_there_and_kept(page: Page, shop: Shop) -> None:
    first, second = shop.customer("Lia Prima"), shop.customer("Lia Seconda")
    for customer in (first, second):
        shop.customer_writes(customer, "Mi chiamate?")
    page.goto("/unmanaged?q=Lia")
    row_of(page, first.name).get_by_role("link", name=first.name, exact=True).click()
    page.get_by_role("link", name="Send via email").click()
    page.get_by_label("To", exact=True).fill("partner@example.com")
    page.get_by_label("Text", exact=True).fill("Please call her.")
    with held(page, "**/conversations/*/email") as asked:
        page.get_by_role("button", name="Send", exact=True).click()
        row_of(page, second.name).get_by_role("link", name=second.name, exact=True).click()
        expect(page.get_by_role("heading", name=second.name)).to_be_visible()
        asked[0].fulfill(status=503, headers={"X-Console": "1"}, body="<p>refused</p>")
        said(page, "Not sent: what you wrote is kept as a draft")
        expect(page.get_by_role("heading", name=second.name)).to_be_visible()  # its panel is not replaced
    row_of(page, first.name).get_by_role("link", name=first.name, exact=True).click()
    page.get_by_role("link", name="Send via email").click()
    expect(page.get_by_label("Text", exact=True)).to_have_value("Please call her.")


def test_a_transfer_can_be_undone_from_its_notice(page: Page, shop: Shop) -> None:
    customer = shop.customer("Nora Valli")
    shop.customer_writes(customer, "Buongiorno")
    row = only(page, customer)
    row.get_by_role("button", name="Transfer to a skillset").click()
    choose(page, "Officina", "Exclusive")  # nobody is ready there, so routing offers it to nobody
    said(page, "Reserved for Officina.").get_by_role("button", name="Undo").click()
    said(page, "Recalled: it is back on the list.")
    expect(row.locator(".st")).to_have_text("Active")


# live


def test_a_result_arrives_on_the_stream_and_the_page_asks_for_it_once(page: Page, shop: Shop) -> None:
    customer = shop.customer("Sara Conti")
    shop.customer_writes(customer, "Buongiorno")
    row = only(page, customer)
    expect(page.locator("#live")).to_have_text("live")
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url) if "/commands/" in request.url else None)
    for mode, text in (("Immediate", "Marco Tessari is not ready"), ("Exclusive", "Reserved for Marco Tessari.")):
        row.get_by_role("button", name="Transfer to a user").click()
        choose(page, "Marco Tessari", mode)
        said(page, text)
    assert len(requests) <= 2
    assert len(set(requests)) == len(requests)


def test_without_a_stream_the_page_asks_for_the_result_once(page: Page, shop: Shop) -> None:
    customer = shop.customer("Dora Pini")
    id_ = shop.customer_writes(customer, "Buongiorno")
    page.goto(f"/conversations/{id_}/transfer/user")
    page.get_by_role("radio", name="Marco Tessari").check()
    page.get_by_role("radio", name="Exclusive").check()
    page.get_by_role("button", name="Transfer", exact=True).click()
    said(page, "Reserved for Marco Tessari.")


def test_without_script_each_step_is_a_page_of_its_own(browser: Browser, owner: BrowserContext, shop: Shop) -> None:
    customer = shop.customer("Zeno Galli")
    id_ = shop.customer_writes(customer, "Buongiorno")
    context = browser.new_context(
        base_url=shop.address, storage_state=owner.storage_state(), locale="en-GB", java_script_enabled=False
    )
    page = context.new_page()
    page.goto(f"/conversations/{id_}/transfer/user")
    page.get_by_role("radio", name="Marco Tessari").check()
    page.get_by_role("radio", name="Exclusive").check()
    page.get_by_role("button", name="Transfer", exact=True).click()
    expect(page).to_have_url(re.compile("/commands/"))
    notice = page.locator(".notice")
    for _ in range(20):
        if "Reserved for Marco Tessari." in notice.inner_text():
            break
        page.reload()
    expect(notice).to_contain_text("Reserved for Marco Tessari.")
    context.close()


def test_changes_arrive_automatically_and_move_no_row(page: Page, shop: Shop) -> None:
    shown = shop.customer("Gaia Fonti")
    shop.customer_writes(shown, "Siete aperti?", ago="0:02")
    page.goto("/unmanaged?rows=25&order=newest")
    expect(page.locator("#live")).to_have_text("live")
    order = page.locator("#list tr[id]").evaluate_all("rows => rows.map(row => row.id)")
    shop.customer_writes(shown, "Allora?")
    shop.customer_writes(shop.customer("Ivo Marchi"), "Salve")
    expect(row_of(page, "Gaia Fonti").locator(".text p")).to_have_text("Allora?")
    note = page.locator("#announce a")
    expect(note).to_contain_text("1 conversation with new messages")
    assert order == page.locator("#list tr[id]").evaluate_all("rows => rows.map(row => row.id)")
    note.click()
    expect(row_of(page, "Ivo Marchi")).to_be_visible()


def test_an_error_page_of_a_proxy_replaces_nothing_that_was_typed(page: Page, shop: Shop) -> None:
    customer = shop.customer("Piera Longhi")
    shop.customer_writes(customer, "Buonasera")
    row = only(page, customer)
    row.get_by_role("button", name="Transfer to a skillset").click()
    page.route("**/conversations/**", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
    choose(page, "Officina", "Exclusive")
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("The console is not responding. Nothing was lost: try again.")).to_be_visible()
    expect(dialog.get_by_role("radio", name="Officina")).to_be_checked()
    dialog.get_by_role("button", name="Close", exact=True).click()  # of the notice: within the dialog it can be reached
    page.unroute("**/conversations/**")
    dialog.get_by_role("button", name="Transfer", exact=True).click()
    said(page, "Reserved for Officina.")


def test_a_page_whose_session_ended_says_so_once_and_continues_after_the_sign_in(browser: Browser, shop: Shop) -> None:
    context = signed_in(browser, shop.address, OTHER, PASSWORD)
    with watched(context) as page:
        page.goto("/unmanaged")
        expect(page.locator("#live")).to_have_text("live")
        shop.database.execute("delete from console_sessions where name = %s", [OTHER])
        said(page, "You are signed out.")
        expect(page.locator("#live")).to_have_text("reconnecting")
        other = context.new_page()
        other.goto("/sign-in")
        other.get_by_label("Name").fill(OTHER)
        other.get_by_label("Password").fill(PASSWORD)
        other.get_by_role("button", name="Sign in").click()
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("#signed-out")).to_have_count(0)
    context.close()


def test_nothing_is_lost_while_the_server_or_kafka_is_unavailable(owner: BrowserContext, shop: Shop) -> None:
    """The server stops while a dialog is open, and returns without Kafka, then with it. The page is never reloaded."""
    customer = shop.customer("Lia Sarti")
    shop.customer_writes(customer, "Ciao", ago="0:02")
    page = owner.new_page()
    row = only(page, customer)
    expect(page.locator("#live")).to_have_text("live")
    row.get_by_role("button", name="Transfer to a skillset").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("radio", name="Vendite")).to_be_visible()

    shop.kill_console()
    expect(page.locator("#live")).to_have_text("reconnecting")
    choose(page, "Officina", "Exclusive")
    said(page, "The console is not responding. Nothing was lost: try again.")
    expect(dialog.get_by_role("radio", name="Officina")).to_be_checked()

    shop.customer_writes(customer, "C'è nessuno?")
    shop.start("console", kafka=f"{LOOPBACK}:{free_port()}")
    expect(page.locator("#live")).to_have_text("live")
    expect(row.locator(".text p")).to_have_text("C'è nessuno?")
    dialog.get_by_role("button", name="Transfer", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("the message queue (Kafka) is not responding")
    expect(dialog.get_by_role("radio", name="Officina")).to_be_checked()
    expect(dialog.get_by_role("radio", name="Exclusive")).to_be_checked()
    dialog.get_by_role("link", name="Cancel").or_(dialog.get_by_role("button", name="Cancel")).click()

    shop.kill_console()
    shop.start("console")
    row.get_by_role("button", name="Transfer to a skillset").click()
    choose(page, "Officina", "Exclusive")
    said(page, "Reserved for Officina.")
    page.close()


def test_of_two_people_who_transfer_a_row_one_succeeds_and_the_other_learns_who_has_it(
    browser: Browser, owner: BrowserContext, shop: Shop
) -> None:
    customer = shop.customer("Mara Sole")
    shop.customer_writes(customer, "Un consiglio?")
    other = signed_in(browser, shop.address, OTHER, PASSWORD)
    with watched(owner) as first, watched(other) as second:
        for page, user in ((first, "Marco Tessari"), (second, "Anna Bellini")):
            only(page, customer).get_by_role("button", name="Transfer to a user").click()
            page.get_by_role("dialog").get_by_role("radio", name=user).check()
            page.get_by_role("dialog").get_by_role("radio", name="Exclusive").check()
        for page in (first, second):
            page.get_by_role("dialog").get_by_role("button", name="Transfer", exact=True).click(no_wait_after=True)
        ends = [page.locator(".notice.done, .notice.rejected") for page in (first, second)]
        for end in ends:
            expect(end).to_be_visible()
        won, lost = sorted((end.locator("p").inner_text() for end in ends), key=lambda text: "Reserved" not in text)
    other.close()
    assert won in ("Mara Sole Reserved for Marco Tessari.", "Mara Sole Reserved for Anna Bellini.")
    assert "the conversation has changed in the meantime: look at it again." in lost
    assert f"Now with {won.removeprefix('Mara Sole Reserved for ')} Transferred by " in lost
    assert lost.endswith((" Paolo Zefiro.", " Renata Zefiro."))


def test_a_transfer_needs_no_mouse(page: Page, shop: Shop) -> None:
    customer = shop.customer("Nino Lupo")
    shop.customer_writes(customer, "Pronto?")
    only(page, customer)
    keys = page.keyboard

    def focused() -> str:
        return str(page.evaluate("(it => it.ariaLabel || it.value || it.textContent)(document.activeElement)"))

    def tab_to(name: str) -> None:
        for _ in range(40):
            keys.press("Tab")
            if name in focused():
                return
        raise AssertionError(f"the key does not lead to {name}")

    tab_to("Skip to the content")
    tab_to("Transfer to a user: Nino Lupo")
    keys.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    tab_to(page.get_by_role("dialog").locator("input[name=to]:checked").input_value())
    while focused() != "marco":
        keys.press("ArrowDown")
    expect(page.get_by_role("radio", name="Exclusive")).to_be_checked()  # he is paused: only this can work
    tab_to("exclusive")
    tab_to("Cancel")
    keys.press(" ")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(row_of(page, "Nino Lupo").get_by_role("button", name="Transfer to a user")).to_be_focused()
    keys.press(" ")
    tab_to(page.get_by_role("dialog").locator("input[name=to]:checked").input_value())
    while focused() != "marco":
        keys.press("ArrowDown")
    tab_to("Cancel")
    keys.press("Tab")
    keys.press("Enter")
    said(page, "Reserved for Marco Tessari.")
    expect(page.get_by_role("dialog")).to_have_count(0)
    tab_to("Open the conversation: Nino Lupo")
    keys.press("Enter")
    expect(page.get_by_role("heading", name="Nino Lupo")).to_be_focused()
    keys.press("Escape")
    expect(page.get_by_role("link", name="Open the conversation: Nino Lupo")).to_be_focused()


def test_arrow_keys_choose_in_the_filter_bar_and_keep_the_focus(page: Page) -> None:
    page.goto("/unmanaged?status=all&rows=100")
    why = page.get_by_role("combobox", name="Why")
    why.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    assert "reason" not in page.url
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"reason={list(Reason)[2].value}"))
    expect(why).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    expect(page).to_have_url(re.compile(f"reason={list(Reason)[1].value}"))
    expect(page.get_by_role("combobox", name="Order")).to_be_focused()


def test_escape_does_not_close_a_mail_that_is_being_written(page: Page) -> None:
    page.goto("/unmanaged?status=all&q=Luca+Marchetti")
    row_of(page, "Luca Marchetti").get_by_role("link", name="Open the conversation").click()
    page.get_by_role("link", name="Send via email").click()
    page.get_by_label("Subject").fill("A customer waits")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Subject")).to_have_value("A customer waits")
    page.locator("#panel-head h2").focus()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Subject")).to_have_count(0)


# hostile texts


HOSTILE = [text for _, raw in FRAGMENTS if raw.startswith(b'"') and (text := json.loads(raw)).strip()]


def test_hostile_texts_and_names_are_shown_as_text(page: Page, shop: Shop) -> None:
    """The page shows what is stored of each text, character by character, and runs nothing of it."""
    line = BusinessNumber("550100000000666", "+39 300 555 0666", "550100000000000")
    texts = [*HOSTILE, "{{ 7 * 7 }}", "</script></p><svg onload=alert(1)>"]
    opened = [
        shop.customer_writes(SimulatedCustomer(text[:200], f"39300555{2000 + n}"), text, line=line)
        for n, text in enumerate(texts)
    ]
    stored = {
        id_: (name or "", last_text or "")
        for id_, name, last_text in shop.database.execute(
            "select id::text, customer_name, last_text from conversations where phone_number_id = %s",
            [line.phone_number_id],
        )
    }
    page.goto(f"/unmanaged?status=all&rows=100&number={line.phone_number_id}")
    for id_ in opened:
        row = page.locator(f"#row-{id_}")
        name, text = (each.replace("\r\n", "\n").replace("\r", "\n") for each in stored[id_])
        assert text == row.locator(".text p").text_content()
        if name.strip():
            assert name == row.locator(".who b").text_content()
    page.goto(f"/unmanaged?open={opened[-1]}")
    assert texts[-1] == page.locator(".msg p").text_content()
    assert texts[-1] == page.get_by_role("heading", level=2).text_content()
    assert 0 == page.locator("main script, #panel script, #list svg[onload], .msg svg, #list img").count()


# axe


def test_axe_finds_no_violation_on_any_page_panel_or_dialog(page: Page, shop: Shop) -> None:
    for name in ("Olga Prati", "Rita Prati", "Ugo Prati"):
        shop.customer_writes(shop.customer(name), "Buonasera")
    for path in ("/unmanaged?rows=25", "/unmanaged?q=nobody+at+all", "/waiting", "/account", "/nowhere"):
        page.goto(path)
        assert_accessible(page)
    page.goto("/unmanaged?status=all&q=Luca+Marchetti")
    row_of(page, "Luca Marchetti").get_by_role("link", name="Open the conversation").click()
    expect(page.get_by_role("log")).to_be_visible()
    assert_accessible(page)
    page.get_by_role("link", name="Send via email").click()
    expect(page.get_by_label("Subject")).to_be_visible()
    assert_accessible(page)
    page.get_by_label("To", exact=True).fill("nobody")
    page.get_by_label("Subject").fill("A customer waits")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("one of the addresses is not valid")
    expect(page.get_by_label("Subject")).to_have_value("A customer waits")
    assert_accessible(page)
    page.get_by_role("link", name="Info").click()
    expect(page.locator("#info")).to_be_visible()
    assert_accessible(page)
    page.goto("/unmanaged?status=all&q=Prati")
    page.get_by_role("checkbox", name="Select all rows").check()
    for kind in ("Transfer to a user", "Transfer to a skillset", "Send via email"):
        page.locator("#bulk").get_by_role("button", name=kind).click()
        expect(page.get_by_role("dialog").get_by_role("heading", name=kind)).to_be_visible()
        assert_accessible(page)
        page.keyboard.press("Escape")
    for kind in ("Transfer to a skillset", "Transfer to a user"):
        row_of(page, "Olga Prati").get_by_role("button", name=kind).click()
        expect(page.get_by_role("dialog").get_by_role("heading", name=kind)).to_be_visible()
        assert_accessible(page)
        if kind == "Transfer to a skillset":
            page.keyboard.press("Escape")
    choose(page, "Marco Tessari", "Exclusive")
    said(page, "Reserved for Marco Tessari.")
    assert_accessible(page)
    expect(row_of(page, "Olga Prati").get_by_role("checkbox")).to_be_disabled()
    page.locator("#bulk").get_by_role("button", name="Transfer to a user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio", name="Marco Tessari").check()
    dialog.get_by_role("radio", name="Exclusive").check()
    dialog.get_by_role("button", name="Reserve 2").click()
    expect(page.locator("#results [role=status]")).to_have_text("2 done · 0 rejected · 0 pending")
    assert_accessible(page)


def test_axe_finds_no_violation_on_the_sign_in_page(browser: Browser, shop: Shop) -> None:
    context = browser.new_context(base_url=shop.address, locale="en-GB")
    with watched(context) as page:
        page.goto("/")
        page.get_by_label("Name").fill("nobody")
        page.get_by_label("Password").fill("nothing")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_have_text("Wrong name or password.")
        assert_accessible(page)
        page.get_by_label("Name").fill(MANAGER)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Outbound history")
        page.goto("/unmanaged")
        expect(page.get_by_role("heading", level=1)).to_have_text("This page is for administrators.")
        assert_accessible(page)
    context.close()


@pytest.mark.parametrize("width", [390, 640, 768, 1024, 1280])
def test_nothing_is_cut_off_at_any_width_or_at_twice_the_size(width: int, page: Page) -> None:
    """640 px is a window of 1280 px at 200 %. Where both fit, the list stays beside the conversation."""
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("/unmanaged?rows=25", "/waiting", "/account"):
        page.goto(path)
        assert [] == cut_off(page)
    page.goto("/unmanaged?status=all&q=Luca+Marchetti")
    row_of(page, "Luca Marchetti").get_by_role("link", name="Open the conversation").click()
    expect(page.get_by_role("log")).to_be_in_viewport()
    assert [] == cut_off(page)
    if width in (390, 768):  # a card and two lines instead of a row
        assert [] == violations(page, RULES)


@pytest.mark.parametrize("width", [390, 1280])
def test_in_italian_nothing_is_cut_off_and_axe_finds_no_violation(
    width: int, browser: Browser, owner: BrowserContext, shop: Shop
) -> None:
    context = browser.new_context(
        base_url=shop.address,
        storage_state=owner.storage_state(),
        locale="it-IT",
        viewport={"width": width, "height": 800},
    )
    with watched(context) as page:
        for path in ("/unmanaged?rows=25", "/waiting", "/account", "/nowhere"):
            page.goto(path)
            assert_fits(page)
        page.goto("/unmanaged?q=Giulia+Ferri")
        row = row_of(page, "Giulia Ferri")
        for kind in ("Trasferisci a un utente", "Trasferisci a uno skillset"):
            row.get_by_role("button", name=kind).click()
            expect(page.get_by_role("dialog").get_by_role("heading", name=kind)).to_be_visible()
            assert_fits(page)
            page.keyboard.press("Escape")
        row.get_by_role("link", name="Apri la conversazione").click()
        expect(page.get_by_role("log")).to_be_visible()
        assert_fits(page)
        for tab in ("Invia per email", "Info"):
            page.locator(".tabs").get_by_role("link", name=tab).click()
            expect(page.locator(".tabs [aria-current]")).to_have_text(tab)
            assert_fits(page)
    context.close()


def assert_fits(page: Page) -> None:
    assert "it" == page.locator("html").get_attribute("lang")
    assert [] == cut_off(page)
    assert [] == violations(page, RULES)
