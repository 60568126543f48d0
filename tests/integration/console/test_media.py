"""Files of messages in the conversation: who gets them, as what, and what is said where there is none."""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from console.app import create_app
from domain.facts import CustomerTurn
from domain.mail import mail_id
from domain.messages.received import ReceivedMedia
from infra.media.store import THUMBNAIL
from infra.media.streams import FileStreams
from infra.postgres.media import received
from infra.postgres.media.received import StoredFile
from infra.serving.limits import RequestLimits
from tests.support.console import Browser, Console, open_console
from tests.support.fake_store import FakeStore
from tests.support.http_server import serving
from tests.support.office import COMPANY

PHOTO = b"\xff\xd8\xff\xe0" + b"a photo" * 200_000
"""Larger than one part of a stream."""
VOICE = b"OggS" + b"v" * 5_000


class Files:
    """A console with a store of files."""

    def __init__(self, console: Console, store: FakeStore) -> None:
        self.console = console
        self.store = store
        self.conversation = UUID(int=0)
        self.turns: dict[UUID, CustomerTurn] = {}

    def arrives(self, kind: str = "image", **media: Any) -> UUID:
        """A customer sends a file, which is not fetched yet; returns its message."""
        office = self.console.office
        turn = office.maker.turn(office.hours_ago(1), "")
        turn = turn.model_copy(update={"type": kind, "media": ReceivedMedia(id="77", **media)})
        office.process(turn)
        self.turns[turn.id] = turn
        found = received.find(office.connection, turn.id)
        assert found is not None
        assert found.conversation_id is not None
        self.conversation = found.conversation_id
        return turn.id

    def stored(
        self, content: bytes = PHOTO, type_: str | None = "image/jpeg", kind: str = "image", **media: Any
    ) -> UUID:
        """A customer's file that was fetched."""
        message = self.arrives(kind, **media)
        self.store.files["key"] = content
        is_picture = type_ is not None and type_.startswith("image")
        if is_picture:
            self.store.files["key" + THUMBNAIL] = b"small"
        received.store(self.console.office.connection, message, StoredFile("key", len(content), type_, is_picture))
        return message

    def panel(self, browser: Browser) -> str:
        return browser.get(f"/unmanaged?open={self.conversation}", "panel").text

    def deletes(self, message: UUID) -> None:
        """The customer deletes the message."""
        office = self.console.office
        office.process(office.maker.deletes(office.hours_ago(0.5), self.turns[message]))


@pytest.fixture
def files(database: str) -> Iterator[Files]:
    store = FakeStore()
    with open_console(database, files=FileStreams(store)) as console:
        yield Files(console, store)


@pytest.fixture
def boss(files: Files) -> Browser:
    return files.console.signed_in()


def test_a_picture_is_shown_small_and_opens_in_full(files: Files, boss: Browser) -> None:
    message = files.stored(file_name=None, mime_type="text/html")
    page = files.panel(boss)
    assert f'href="/media/{message}" target="_blank" rel="noopener"' in page
    assert f'src="/media/{message}/small" alt="Photo"' in page
    answer, small = boss.fetch(f"/media/{message}/small")
    assert (200, b"small", "image/jpeg") == (answer.status_code, small, answer.content_type)
    answer, whole = boss.fetch(f"/media/{message}")
    assert (PHOTO, "image/jpeg", str(len(PHOTO))) == (whole, answer.content_type, answer.headers["Content-Length"])
    assert "inline; filename=\"image.jpg\"; filename*=UTF-8''image.jpg" == answer.headers["Content-Disposition"]


def test_no_file_is_ever_a_page(files: Files, boss: Browser) -> None:
    message = files.stored(b"<script>alert(1)</script>", None, "document", mime_type="text/html", file_name="a.html")
    answer, _ = boss.fetch(f"/media/{message}")
    headers = answer.headers
    assert "application/octet-stream" == answer.content_type
    assert headers["Content-Disposition"].startswith('attachment; filename="a.html.bin"')
    assert "nosniff" == headers["X-Content-Type-Options"]
    assert {"default-src 'none'", "sandbox"} <= set(headers["Content-Security-Policy"].split("; "))


def test_a_document_is_saved_under_its_name(files: Files, boss: Browser) -> None:
    name = 'Rechnung \u202efdp.exe\n"für" März.pdf'
    message = files.stored(b"%PDF-1.7", "application/pdf", "document", file_name=name)
    assert 'download="Rechnung fdp.exe-für- März.pdf"' in files.panel(boss)
    answer, _ = boss.fetch(f"/media/{message}?download")
    assert (
        'attachment; filename="Rechnung fdp.exe-f-r- M-rz.pdf"; '
        "filename*=UTF-8''Rechnung%20fdp.exe-f%C3%BCr-%20M%C3%A4rz.pdf"
    ) == answer.headers["Content-Disposition"]


def test_a_player_gets_the_parts_that_it_asks_for(files: Files, boss: Browser) -> None:
    message = files.stored(VOICE, "audio/ogg", "audio", voice=True)
    path = f"/media/{message}"
    assert re.search(rf'<audio [^>]*hx-preserve="true" controls preload="none" src="{path}"', files.panel(boss))
    answer, part = boss.fetch(path, Range="bytes=4-9")
    assert (206, VOICE[4:10]) == (answer.status_code, part)
    assert (f"bytes 4-9/{len(VOICE)}", "6") == (answer.headers["Content-Range"], answer.headers["Content-Length"])
    answer, part = boss.fetch(path, Range="bytes=-4")
    assert (206, VOICE[-4:]) == (answer.status_code, part)
    answer, part = boss.fetch(path, Range="bytes=0-1,5-6")
    assert (200, VOICE) == (answer.status_code, part)
    answer, _ = boss.fetch(path, Range=f"bytes={len(VOICE)}-")
    assert (416, f"bytes */{len(VOICE)}") == (answer.status_code, answer.headers["Content-Range"])
    answer, part = boss.fetch(path, Range="bytes=4-9", If_Range='"another"')
    assert (200, VOICE) == (answer.status_code, part)
    answer, part = boss.fetch(f"{path}?download", Range="bytes=4-9")
    assert (200, VOICE) == (answer.status_code, part)


def test_a_browser_keeps_a_file_but_asks_whether_it_may_show_it(files: Files, boss: Browser) -> None:
    message = files.stored()
    for path in (f"/media/{message}", f"/media/{message}/small"):
        answer, _ = boss.fetch(path)
        assert "private, no-cache" == answer.headers["Cache-Control"]
        again, content = boss.fetch(path, If_None_Match=answer.headers["ETag"])
        assert (304, b"", answer.headers["ETag"]) == (again.status_code, content, again.headers["ETag"])
    files.deletes(message)
    again, _ = boss.fetch(f"/media/{message}", If_None_Match='"key"')
    assert 404 == again.status_code


def test_what_the_customer_deleted_is_given_to_administrators_only_and_recorded(files: Files, boss: Browser) -> None:
    message = files.stored(file_name=None)
    files.deletes(message)
    page = files.panel(boss)
    assert "deleted by the customer" in page
    shown = (
        page.partition('id="answer"')[0]
        .replace(f"/deleted/{message}", "")
        .replace(f'data-message="{message}"', "")
        .replace(f"deleted-{message}", "")
    )
    assert str(message) not in shown
    for path in (f"/media/{message}", f"/media/{message}/small", f"/media/{message}?download"):
        assert 404 == boss.get(path).status_code
    assert [] == files.console.audited("deleted_opened")
    dialog = boss.post(f"/conversations/{files.conversation}/deleted", "dialog").text
    assert f'action="/media/{message}/deleted"' in dialog
    answer, content = boss.fetch(f"/media/{message}/deleted", form={})
    assert (200, PHOTO, "no-store") == (answer.status_code, content, answer.headers["Cache-Control"])
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert [{}, {"file": str(message)}] == [row["detail"] for row in files.console.audited("deleted_opened")]
    files.console.person("anna", administrator=False)
    anna = files.console.signed_in("anna")
    assert 403 == anna.post(f"/media/{message}/deleted").status_code


def test_a_file_that_was_not_deleted_is_not_opened_as_one_that_was(files: Files, boss: Browser) -> None:
    assert 404 == boss.post(f"/media/{files.stored()}/deleted").status_code


def test_a_file_is_given_to_those_who_may_read_the_conversation(files: Files, boss: Browser) -> None:
    message = files.stored()
    paths = (f"/media/{message}", f"/media/{message}/small")
    stranger = files.console.browser()
    files.console.office.apply_directory(COMPANY)
    files.console.person("anna", administrator=False)
    anna = files.console.signed_in("anna")
    for path in paths:
        assert 303 == stranger.get(path).status_code
        assert 404 == anna.get(path).status_code
    assert 2 == len(files.console.audited("forbidden"))
    boss.submit(f"/conversations/{files.conversation}/transfer/user", "dialog", to="anna", mode="exclusive")
    assert [("applied", None)] == files.console.process_commands()
    files.console.office.process(files.console.office.maker.accepted(files.console.office.hours_ago(0.01)))
    for path in paths:
        assert 200 == anna.get(path).status_code
    assert 404 == boss.get(f"/media/{uuid4()}").status_code


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("state = 'waiting'", "This file is being fetched."),
        ("state = 'waiting', reason = 'HTTP 500'", "could not be fetched yet. It is tried again by itself."),
        (
            "state = 'failed', settled_at = now(), reason = 'larger'",
            "This file is too large: at most 5.2 MB are fetched.",
        ),
        ("state = 'failed', settled_at = expires_at, reason = 'HTTP 500'", "WhatsApp no longer has it."),
    ],
)
def test_where_there_is_no_file_words_say_why(files: Files, boss: Browser, change: str, words: str) -> None:
    message = files.arrives()
    files.console.office.connection.execute(f"update media set {change}")
    page = files.panel(boss)
    assert words in page
    assert "/media/" not in page
    assert 404 == boss.get(f"/media/{message}").status_code


def test_without_a_store_the_words_say_that_the_file_is_gone(files: Files) -> None:
    message = files.stored()
    files.console.app = create_app(replace(files.console.deps, files=None))
    boss = files.console.signed_in()
    assert "This file is no longer available." in files.panel(boss)
    assert 404 == boss.get(f"/media/{message}").status_code


def test_a_store_that_is_away_is_said_in_words_and_the_file_comes_when_it_is_back(files: Files, boss: Browser) -> None:
    message = files.stored()
    cookie = boss.http.get_cookie("witiop")
    assert cookie is not None
    lines = ("Accept-Language: it", f"Cookie: witiop={cookie.value}")

    async def story() -> None:
        async with serving(RequestLimits(body_bytes=1_000), files.console.app.wsgi_app) as served:
            client = await served.connect()
            for path in (f"/media/{message}", f"/media/{message}/small", f"/media/{message}?download"):
                files.store.failing = True
                answer = await client.ask("GET", path, *lines).answer()
                assert (503, "2") == (answer.status, answer.headers["retry-after"])
                assert "text/html; charset=utf-8" == answer.headers["content-type"]
                assert "nosniff" == answer.headers["x-content-type-options"]
                page = answer.content.decode()
                assert "Al momento il file non può essere letto." in page
                assert "could not be reached" not in page
                assert "etag" not in answer.headers  # nothing that a browser would keep
            files.store.failing = False
            answer = await client.ask("GET", f"/media/{message}", *lines).answer()
            assert (200, PHOTO) == (answer.status, answer.content)
            client.close()

    asyncio.run(story())


def test_a_picture_that_nothing_could_open_is_a_download(files: Files, boss: Browser) -> None:
    message = files.stored()
    files.console.office.connection.execute("update media set has_thumbnail = false")
    page = files.panel(boss)
    assert "<img" not in page.partition('id="chat"')[2]
    assert f"/media/{message}?download" in page
    assert boss.fetch(f"/media/{message}")[0].headers["Content-Disposition"].startswith("attachment")
    assert 404 == boss.get(f"/media/{message}/small").status_code


def test_an_open_page_learns_that_a_file_arrived(files: Files, boss: Browser) -> None:
    message = files.arrives()
    page = files.panel(boss)
    address, mark = re.search(r'hx-get="([^"]+/changes[^"]+)"', page), re.search(r'data-seen="([^"]+)"', page)
    assert address is not None
    assert mark is not None
    changes = f"{address[1].replace('&amp;', '&')}&seen={mark[1]}"
    assert 204 == boss.get(changes, "panel").status_code
    received.store(files.console.office.connection, message, StoredFile("key", 3, "image/jpeg", True))
    assert f"/media/{message}/small" in boss.get(changes, "panel").text


def test_a_place_has_a_link_to_a_map(files: Files, boss: Browser) -> None:
    office = files.console.office
    for place in ({"latitude": 45.0703, "longitude": 7.6869}, {"latitude": 95, "longitude": 0}, {"latitude": "x"}, 5):
        turn = office.maker.turn(office.hours_ago(1), "Caffè Roma")
        office.process(turn.model_copy(update={"type": "location", "extra": {"location": place}}))
    ((files.conversation,),) = office.connection.execute("select id from conversations")
    url = "https://www.openstreetmap.org/?mlat=45.070300&amp;mlon=7.686900#map=17/45.070300/7.686900"
    assert [f'<a href="{url}" target="_blank" rel="noreferrer noopener">'] == re.findall(
        r'<a href="https://www\.openstreetmap[^>]*>', files.panel(boss)
    )


def test_the_link_of_a_mail_leads_to_the_file_until_it_ends(files: Files, boss: Browser) -> None:
    message = files.stored()
    office = files.console.office
    email = {"conversation_id": str(files.conversation), "to": ["a@example.com"], "subject": "s", "body": "b"}
    assert [("applied", None)] == office.results_of(office.command("email", email, named="c"))
    link = f"/mails/{mail_id('c')}/files/{message}"
    answer = boss.get(link)
    assert (303, f"/media/{message}") == (answer.status_code, answer.location)
    assert 303 == files.console.browser().get(link).status_code
    assert 404 == boss.get(f"/mails/{mail_id('c')}/files/{uuid4()}").status_code
    office.connection.execute("update mails set requested_at = requested_at - interval '30 days'")
    ended = boss.get(link)
    assert 410 == ended.status_code
    assert "This link has ended." in ended.text


def test_the_preview_of_a_mail_names_what_it_will_carry_and_what_is_linked(files: Files, boss: Browser) -> None:
    files.stored(b"%PDF-1.7", "application/pdf", "document", file_name="order.pdf")
    files.stored(PHOTO, file_name="wheel.jpg")
    form = {"to": "you@example.com", "subject": "A customer waits"}
    shown = boss.post(f"/conversations/{files.conversation}/email/preview", **form).text
    assert re.search(r"<dt>Attachments</dt><dd>order\.pdf \(\d+ \w+\)</dd>", shown)
    assert "attached: order.pdf" in shown
    assert "not attached: wheel.jpg, 1.4 MB" in shown


def test_pictures_that_a_page_loads_by_itself_do_not_extend_a_session(files: Files, boss: Browser) -> None:
    message = files.stored()
    files.console.office.connection.execute("update console_sessions set seen_at = now() - interval '50 minutes'")
    assert 200 == boss.get(f"/media/{message}/small").status_code
    (row,) = files.console.office.rows("select seen_at < now() - interval '49 minutes' as old from console_sessions")
    assert row["old"]
