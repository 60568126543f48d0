"""A campaign whose template shows a picture: Meta needs the file before the first message, and again after a month."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest
from psycopg.types.json import Jsonb

from consumers.workers.media.transfers import MediaTransfers
from consumers.workers.media.uploading import MediaUploading
from domain.campaigns.campaign import Campaign
from infra.graph.media import GraphMedia, Uploaded, UploadOutcome, UploadRefused
from infra.postgres.media import uploads
from infra.postgres.media.uploads import UploadedFile
from tests.support.campaign_room import AUTUMN, CampaignRoom, open_campaign_room
from tests.support.fake_store import FakeStore
from tests.support.sending_room import NoWakeups
from tests.support.stories import NUMBER

PICTURE = AUTUMN._replace(name="picture", components=[{"type": "HEADER", "format": "IMAGE"}, *AUTUMN.components])
PHOTO = b"\xff\xd8\xff\xe0 our bikes"


class MetaStore(GraphMedia):
    """Takes files under the ids photo-1, photo-2, ... `refuses`: it takes none."""

    def __init__(self) -> None:
        self.taken = 0
        self.refuses = False

    def upload(self, phone_number_id: str, name: str, mime_type: str, file: Any, size: int) -> UploadOutcome:
        assert NUMBER == phone_number_id
        if self.refuses:
            return UploadRefused(131053, "no")
        self.taken += 1
        return Uploaded(f"photo-{self.taken}")


class Shop:
    """A campaign with a picture, with the process that uploads it."""

    def __init__(self, room: CampaignRoom) -> None:
        self.room, self.meta, store = room, MetaStore(), FakeStore()
        digest = hashlib.sha256(PHOTO).hexdigest()
        store.put(digest, io.BytesIO(PHOTO))
        self.upload = uuid4()
        uploads.add(
            room.connection, UploadedFile(self.upload, "image", "image/jpeg", "a.jpg", len(PHOTO), digest, "paola")
        )
        task = MediaUploading(self.meta, store, room.topics)
        self.uploader = MediaTransfers("uploading", room.session.transaction, task, 2, NoWakeups())

    def campaign(self, people: int) -> Campaign:
        """A campaign that runs, of which nothing is sent yet."""
        self.room.store(AUTUMN, PICTURE)
        phones = [f"39300555{row:04}" for row in range(people)]
        autumn = self.room.imported(*phones, templates=[PICTURE])
        values = Jsonb({"1": "Oliver", "header": str(self.upload)})
        self.room.connection.execute("update recipients set parameters = %b", [values])
        self.room.run_worker()
        assert ("applied", None) == self.room.command("start", autumn)
        return autumn

    def uploads(self) -> None:
        self.uploader.poll()
        while not self.uploader.is_idle:
            self.uploader.poll()

    def pictures(self) -> list[str]:
        """Under which ids Meta was asked to show the picture."""
        heads = [post["template"]["components"][0] for post in self.room.graph.posts]
        return [head["parameters"][0]["image"]["id"] for head in heads]


@pytest.fixture
def shop(database: str) -> Iterator[Shop]:
    with open_campaign_room(database) as room:
        made = Shop(room)
        with closing(room.session):
            yield made
            made.uploader.end()


def test_the_picture_is_uploaded_once_before_the_first_of_all_messages(shop: Shop) -> None:
    autumn = shop.campaign(30)
    shop.room.run()
    assert ([], {"claimed": 30}) == (shop.pictures(), shop.room.counts(autumn))
    shop.uploads()
    shop.room.run()
    assert (["photo-1"] * 30, 1) == (shop.pictures(), shop.meta.taken)
    assert {"accepted": 30} == shop.room.counts(autumn)


def test_an_upload_that_ends_at_meta_meanwhile_is_made_again(shop: Shop) -> None:
    """A long campaign waits for that, and nobody gets a message without the picture."""
    autumn = shop.campaign(2)
    shop.room.worker.poll()
    shop.uploads()
    shop.room.connection.execute("update meta_uploads set expires_at = now() - interval '1 s'")
    shop.room.run()
    assert [] == shop.pictures()
    shop.uploads()
    shop.room.run()
    assert ["photo-2"] * 2 == shop.pictures()
    assert {"accepted": 2} == shop.room.counts(autumn)


def test_a_picture_that_meta_refuses_fails_only_what_waits_for_it(shop: Shop) -> None:
    autumn = shop.campaign(3)
    shop.meta.refuses = True
    shop.room.run()
    shop.uploads()
    assert {"failed 131053": 3} == shop.room.counts(autumn)
    assert [] == shop.pictures()
