"""The console's pages about campaigns, with a campaign manager."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

from console.live.campaigns import CampaignWatcher
from domain.directory import User
from tests.support.campaign_room import CampaignRoom
from tests.support.console import Browser, Console, OpenPage
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


class OpenCampaign(OpenPage):
    """A campaign's page that is open in a browser, with its stream."""

    def __init__(self, console: Console, browser: Browser, path: str) -> None:
        deps = console.deps
        super().__init__(console, browser, path, CampaignWatcher(deps.pool.connection, deps.sessions).look)
