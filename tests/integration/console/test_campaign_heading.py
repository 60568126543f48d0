"""A campaign whose template has a picture above its text: the file is sent once, on the page, for everybody."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest

from infra.media.streams import FileStreams
from infra.postgres.media import uploads
from tests.support.campaign_pages import MANAGER, campaign_pages
from tests.support.campaign_room import AUTUMN, CampaignRoom
from tests.support.console import Browser, Console, open_console
from tests.support.fake_store import FakeStore
from tests.support.stories import NUMBER

PICTURE = AUTUMN._replace(name="picture", components=[{"type": "HEADER", "format": "IMAGE"}, *AUTUMN.components])
START = f"/campaigns/new?number={NUMBER}&template=picture%7Cen&from=customers&agreed=1"
PHOTO = b"\xff\xd8\xff\xe0 our bikes"


class Shop:
    """A console with a store of files, its campaigns, and the browser of a campaign manager."""

    def __init__(self, console: Console, store: FakeStore, room: CampaignRoom) -> None:
        self.console, self.store, self.room = console, store, room
        self.browser: Browser = console.signed_in(MANAGER)

    def sends(self, content: bytes, name: str) -> tuple[int, str]:
        """Sends a file as the script does; returns the status, and where the draft goes on."""
        address = f"/campaigns/new/heading/{uuid4()}"
        headers = {"X-Form-Token": self.browser.token(), "Content-Type": "application/octet-stream"}
        for number in (0, 1):
            part = content[:8] if number == 0 else content[8:]
            answer = self.browser.http.post(f"{address}/{number}?name={name}", data=part, headers=headers)
            assert 204 == answer.status_code
        fields = {"number": NUMBER, "template": "picture|en", "from": "customers", "agreed": "1", "kind": "image"}
        answer = self.browser.post(address, **fields, size=str(len(content)))
        return answer.status_code, str(answer.json["next"]) if answer.json else ""


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    store = FakeStore()
    with open_console(database, files=FileStreams(store)) as console, campaign_pages(console) as room:
        room.store(AUTUMN, PICTURE)
        yield Shop(console, store, room)


def test_the_picture_is_sent_once_and_shown_with_its_name_and_size(shop: Shop) -> None:
    assert "Choose the picture above the text" in shop.browser.get(START).text
    status, address = shop.sends(PHOTO, "bikes.jpg")
    assert 200 == status
    upload = UUID(parse_qs(urlsplit(address).query)["v.header"][0])
    with shop.console.deps.connection() as conn:
        found = uploads.find(conn, upload)
    assert found is not None
    assert ("image", "image/jpeg", "bikes.jpg", len(PHOTO), MANAGER) == (
        *(found.kind, found.mime_type, found.file_name),
        *(found.size, found.actor),
    )
    assert PHOTO == shop.store.files[found.sha256]
    page = shop.browser.get(address).text
    picture = f'<img class="phone-picture" src="/media/heading/{upload}"'
    assert all(shown in page for shown in ("bikes.jpg", "<small>1 kB</small>", picture))
    created = shop.browser.send(page, name="Autumn", do="create", **{"v.1": "Anna"})
    assert 303 == created.status_code, created.text
    assert [("applied", None)] == shop.console.process_commands()
    (row,) = shop.room.office.rows("select source from campaigns")
    assert str(upload) == row["source"]["customers"]["values"]["header"]
    shop.room.run_worker()
    check = shop.browser.get(created.location).text
    assert all(shown in check for shown in ("bikes.jpg", picture))


def test_the_picture_is_seen_by_who_sent_it_and_by_all_once_a_campaign_has_it(shop: Shop) -> None:
    _, address = shop.sends(PHOTO, "bikes.jpg")
    file = f"/media/heading/{parse_qs(urlsplit(address).query)['v.header'][0]}"
    shown = shop.browser.get(file)
    assert (200, len(PHOTO), "image/jpeg") == (shown.status_code, shown.content_length, shown.content_type)
    assert shown.headers["Content-Disposition"].startswith("inline")
    shop.console.person("boss", administrator=True)
    boss = shop.console.signed_in("boss")
    assert 404 == boss.get(file).status_code
    shop.browser.send(shop.browser.get(address).text, name="Autumn", do="create", **{"v.1": "Anna"})
    shop.console.process_commands()
    assert (200, 404) == (boss.get(file).status_code, boss.get(f"/media/heading/{uuid4()}").status_code)
    shop.console.person("anna", administrator=False)
    assert 403 == shop.console.signed_in("anna").get(file).status_code


@pytest.mark.parametrize(("content", "name"), [(b"%PDF-1.7 a list", "list.pdf"), (b"MZ\x00\x01 a program", "a.jpg")])
def test_a_file_that_whatsapp_does_not_take_is_refused_with_what_it_takes(
    shop: Shop, content: bytes, name: str
) -> None:
    status, address = shop.sends(content, name)
    assert 200 == status
    page = shop.browser.get(address).text
    assert "This file cannot stand there." in page
    assert "as JPEG or PNG, at most 5 MB" in page
    assert {} == shop.store.files


def test_a_store_that_does_not_answer_is_asked_again(shop: Shop) -> None:
    """The script does that; nothing is noted before the store has the file."""
    shop.store.failing = True
    assert 503 == shop.sends(PHOTO, "bikes.jpg")[0]
    assert [] == shop.room.office.rows("select id from uploads")


def test_without_a_store_of_files_the_page_says_why_the_template_cannot_be_sent(console: Console) -> None:
    with campaign_pages(console) as room:
        room.store(AUTUMN, PICTURE)
        browser = console.signed_in(MANAGER)
        assert "this installation keeps no files" in browser.get(f"/campaigns/new?number={NUMBER}").text
        assert 422 == browser.get(START).status_code
