"""`make pictures`: screenshots of the console with the demo's data, for the README."""

import base64
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.sync_api import Browser, Page, expect

from infra.local.simulator import bike_shop
from infra.local.simulator.bodies import SimulatedCustomer
from tests.support.chromium import MISSING, chromium, program, signed_in
from tests.support.databases import Databases
from tests.support.kafka_topics import new_topics
from tests.support.pages import accepted, gets_ready, offer_of, transfer_to_the_agent
from tests.support.paths import ROOT
from tests.support.servers import kafka_bootstrap, postgres_dsn
from tests.support.shop import AGENT, OWNER, PASSWORD, Shop, open_shop
from tests.support.system import System

FOLDER = ROOT / "docs" / "pictures"
MOST_BYTES = 150_000


def draw(browser: Browser, shop: Shop) -> None:
    """Draws all pictures, at the widths of a desktop, a tablet and a phone."""
    shop.agent_is("elena", "ready")
    with _page(browser, shop, 1440, 760) as page:
        page.goto(f"/unmanaged?status=all&number={bike_shop.SHOP.phone_number_id}")
        _take(page, "list-1440")
    with _page(browser, shop, 1440, 760, dark=True) as page:
        _open_luca(page)
        _take(page, "conversation-1440-dark")
    with _page(browser, shop, 768, 900) as page:
        page.goto("/unmanaged?status=all&rows=25")
        page.get_by_role("button", name="Transfer to a skillset: Giulia Ferri").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        _take(page, "transfer-768")
    with _page(browser, shop, 390, 844) as page:
        page.goto("/unmanaged?status=all&rows=25")
        _take(page, "list-390")
        _open_luca(page)
        _take(page, "conversation-390")
    _draw_desk(browser, shop)
    _draw_campaign(browser, shop)


def _draw_desk(browser: Browser, shop: Shop) -> None:
    """The agents' page: an answer that is being written, and an offer."""
    first, offered = shop.customer("Silvia Moretti"), shop.customer("Davide Rinaldi")
    shop.customer_writes(first, "Buongiorno, noleggiate anche bici per bambini?", "Ha sette anni", ago="9:40")
    shop.customer_writes(offered, "È pronta la mia bici?", "Passo verso le sei", ago="0:03")
    with (
        _page(browser, shop, 1440, 760) as page,
        _page(browser, shop, 1440, 760, name=AGENT, lands="My desk") as desk,
    ):
        gets_ready(desk)
        accepted(page, desk, first).fill("Buongiorno! Sì, da 8 euro al giorno, casco compreso.")
        transfer_to_the_agent(page, offered)
        expect(offer_of(desk, offered.name)).to_be_visible()
        _take(desk, "desk-1440")
        desk.set_viewport_size({"width": 390, "height": 844})
        _take(desk, "desk-390")


def _draw_campaign(browser: Browser, shop: Shop) -> None:
    """The check of a campaign, and its page after some answered."""
    shop.start("campaigns", "sender")
    answering = [shop.customer(name) for name in ("Nora Bassi", "Paolo Serra", "Marta Greco")]
    with _page(browser, shop, 1440, 860) as page, TemporaryDirectory() as made:
        page.goto("/campaigns/new")
        page.get_by_role("link", name="Send from Excel: autumn_check, it", exact=True).click()
        (file := Path(made) / "subscribers.csv").write_text(_people(answering))
        page.locator("input[type=file]").set_input_files(file)
        page.get_by_label("Name of the campaign").fill("Controllo d’autunno")
        page.get_by_role("button", name="Continue to check").click()
        expect(page.get_by_role("link", name="Continue to the start")).to_be_visible()
        page.set_viewport_size({"width": 768, "height": 1000})
        _take(page, "campaign-check-768")
        page.set_viewport_size({"width": 1440, "height": 860})
        page.get_by_role("link", name="Continue to the start").click()
        shop.graph.control.change(f"failed-later=131026,every={_EVERY}")
        page.get_by_role("button", name="Start the campaign").click()
        page.get_by_role("link", name="To its page").click()
        read = page.locator(".funnel tr", has=page.get_by_role("rowheader", name="Read", exact=True))
        everybody = _PEOPLE + len(answering)
        expect(read.locator("td.n")).to_have_text(str(everybody - everybody // _EVERY), timeout=90_000)
        for customer in answering:
            shop.customer_writes(customer, "Sì, quando posso venire?", ago="0:00")
        expect(page.locator("#bar-red")).to_contain_text("show these 3")
        _take(page, "campaign-1440")
        page.set_viewport_size({"width": 390, "height": 844})
        _take(page, "campaign-390")


_PEOPLE, _EVERY = 240, 27
"""Recipients besides those who answer; every how many of them one is not on WhatsApp."""


def _people(customers: Sequence[SimulatedCustomer]) -> str:
    """A file with recipients: these customers, others, and some rows with a problem."""
    known = [f"+{each.wa_id};{each.name};30 euro" for each in customers]
    others = [f"+39 333 {6000001 + n};Cliente {n};30 euro" for n in range(_PEOPLE - 1)]
    wrong = ["+39 333 6000000;Elisa;30 euro", "4.477E+11;Anna;30 euro", "+39 333 6000901;;30 euro"]
    return "\n".join(["Telefono;{{1}};{{2}}", "+39 333 6000000;Elisa;30 euro", *known, *others, *wrong])


def _open_luca(page: Page) -> None:
    page.goto(f"/unmanaged?status=all&number={bike_shop.ASSISTANT.phone_number_id}")
    page.get_by_role("link", name="Open the conversation: Luca Marchetti").click()
    expect(page.get_by_role("log")).to_be_visible()


def _take(page: Page, name: str) -> None:
    expect(page.locator("#live")).to_have_text("live")
    page.mouse.move(0, 0)
    picture = _compressed(page, page.screenshot())
    if len(picture) > MOST_BYTES:
        raise SystemExit(f"{name}.png would have {len(picture):,} bytes, more than {MOST_BYTES:,}: show less")
    (FOLDER / f"{name}.png").write_bytes(picture)


_PIXELS = """async picture => {
  const image = await createImageBitmap(await (await fetch("data:image/png;base64," + picture)).blob());
  const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
  context.drawImage(image, 0, 0);
  const file = new FileReader();
  const read = new Promise(done => { file.onload = done; });
  file.readAsDataURL(new Blob([context.getImageData(0, 0, image.width, image.height).data]));
  await read;
  return [image.width, image.height, file.result.split(",")[1]];
}"""


def _compressed(page: Page, picture: bytes) -> bytes:
    """The same PNG at three quarters of the size: flat images compress best without a filter."""
    blank = page.context.new_page()  # the console's policy allows no fetch of data
    width, height, pixels = blank.evaluate(_PIXELS, base64.b64encode(picture).decode())
    blank.close()
    rgba = base64.b64decode(pixels)
    rgb = bytearray(3 * width * height)
    for colour in range(3):
        rgb[colour::3] = rgba[colour::4]
    lines = b"".join(b"\0" + rgb[start : start + 3 * width] for start in range(0, len(rgb), 3 * width))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return picture[:8] + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    )


@contextmanager
def _page(
    browser: Browser, shop: Shop, width: int, height: int, *, name: str = OWNER, dark: bool = False, **more: Any
) -> Iterator[Page]:
    """A page of a person who is signed in."""
    context = signed_in(
        browser,
        shop.address,
        name,
        PASSWORD,
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
        **more,
    )
    yield context.new_page()
    context.close()


def main() -> None:
    """Starts a shop, draws the pictures, and removes everything else."""
    executable = program()
    if executable is None:
        raise SystemExit(MISSING)
    FOLDER.mkdir(exist_ok=True)
    with TemporaryDirectory() as made:
        directory = Path(made)
        with (
            kafka_bootstrap(directory / "kafka") as kafka,
            postgres_dsn(directory / "postgres") as postgres,
            System(kafka, Databases(postgres).create(), new_topics(kafka), directory) as system,
            open_shop(system, directory) as shop,
            chromium(executable) as browser,
        ):
            draw(browser, shop)
    sys.stderr.write(f"the pictures are in {FOLDER.relative_to(Path.cwd())}\n")


if __name__ == "__main__":
    main()
