"""What is published about campaigns is what the contract says."""

import json
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from domain.contract.campaigns import PublishedCampaign
from tests.support.campaign_room import CampaignRoom, open_campaign_room
from witiop.contract.generate import schemas

TIMES = ("created_at", "start_at", "started_at", "ended_at")
"""A time may be written in several ways."""


@pytest.fixture
def room(database: str) -> Iterator[CampaignRoom]:
    with open_campaign_room(database) as room:
        yield room


def test_every_event_of_a_campaign_matches_the_schema_and_is_read_back_whole(room: CampaignRoom) -> None:
    """Its key is the campaign's id, so that its events stay in their order."""
    autumn = room.planned(3)
    events = []
    schema = Draft202012Validator(schemas()["witiop.campaign.v1"])
    for command in ("start", "pause", "resume", "cancel"):
        assert ("applied", None) == room.command(command, autumn)
        if command == "start":
            room.worker.poll()
            room.sender.poll()
            while not room.sender.is_idle:
                room.sender.poll()
            room.office.customer_writes("hello", "16505550002", 0)
        for row in room.office.rows(f"select * from outbox where topic = '{room.topics.campaigns}' order by id"):
            headers, data = dict(row["headers"]), json.loads(bytes(row["value"]))
            assert [] == [error.message for error in schema.iter_errors(data)]
            read_back = PublishedCampaign.model_validate_json(bytes(row["value"]), strict=True)
            assert data == {**read_back.model_dump(mode="json"), **{key: data[key] for key in TIMES}}
            assert (row["key"], data["campaign_id"]) == (str(autumn.id), str(autumn.id))
            events.append((headers["ce_type"], [answer["outcome"] for answer in data["answers"]]))
        room.connection.execute("delete from outbox")
    types = [f"witiop.campaign.{name}.v1" for name in ("started", "paused", "resumed", "cancelled")]
    assert [*zip(types, [[], ["unmanaged"], ["unmanaged"], ["unmanaged"]], strict=True)] == events
