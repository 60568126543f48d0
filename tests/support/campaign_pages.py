"""The console's pages about campaigns, with a campaign manager."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

from flask import Flask, request, request_finished

from console.live.campaigns import CampaignWatcher
from domain.directory import User
from infra.serving.wsgi_bridge import STREAM_KEY
from tests.support.campaign_room import CampaignRoom
from tests.support.console import Browser, Console
from tests.support.office import COMPANY

MANAGER = "elena"


@contextmanager
def campaign_pages(console: Console) -> Iterator[CampaignRoom]:
    """A room on the console's database; Elena, a campaign manager, has a sign-in."""
    elena = User(MANAGER, "Elena Zanini", "elena@shop.example", "campaign_manager", 0)
    console.office.apply_directory(replace(COMPANY, users={**COMPANY.users, MANAGER: elena}))
    console.person(MANAGER, administrator=False)
    room = CampaignRoom(console.office, console.dsn)
    with closing(room.session):
        yield room


class OpenCampaign:
    """A campaign's page that is open in a browser, with its stream."""

    def __init__(self, console: Console, browser: Browser, path: str) -> None:
        followed: list[Any] = []

        def note(_: Flask, **__: object) -> None:
            followed.append(request.environ[STREAM_KEY])

        with request_finished.connected_to(note, console.app):
            assert 200 == browser.get(path).status_code
        _, self._shown, self._render = followed[0].args
        self._console = console

    def look(self) -> str | None:
        """The events that the page receives when the watcher looks now; None: its stream ends."""
        deps = self._console.deps
        events = self._render(self._shown, CampaignWatcher(deps.pool.connection, deps.sessions).look([self._shown]))
        return None if events is None else b"".join(events).decode()
