"""Signing and reading commands, including hostile ones."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.command_bodies.campaigns import PauseCampaign, ResumeCampaign
from domain.commands import (
    Command,
    Email,
    InvalidCommand,
    Recall,
    Rejection,
    Transfer,
    new_command,
    read_command,
    signature,
    signed,
)
from domain.contract.texts import REJECTION_TEXTS
from domain.ports import OutgoingRecord

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECRET = b"secret"
ID = UUID(int=7)
BODIES: list[Transfer | Recall | Email] = [
    Transfer.model_validate(
        {"conversation_id": ID, "target": {"kind": "user", "id": "anna"}, "mode": "immediate", "expected_version": 3}
    ),
    Recall(conversation_id=ID, expected_version=3),
    Recall(mail_command_id="m"),
    Email(conversation_id=ID, to=("a@example.com",), subject="Ünïcode", body="see below", hold_seconds=9),
]


def asked(body: Transfer | Recall | Email) -> Command:
    return new_command(body, id_="c1", source="/test", issuer="boss", at=NOW, expires_at=NOW + timedelta(minutes=5))


def read(
    record: OutgoingRecord, now: datetime = NOW, secrets: tuple[bytes, ...] = (SECRET,)
) -> Command | InvalidCommand:
    return read_command(record.headers, record.value, secrets, now)


def refusal(record: OutgoingRecord, now: datetime = NOW) -> tuple[Rejection, bool]:
    """The reason of the rejection, and whether the headers are authentic."""
    found = read(record, now)
    assert isinstance(found, InvalidCommand)
    return found.reason, found.head is not None


def resigned(
    record: OutgoingRecord, value: bytes | None = None, headers: Mapping[str, str] | None = None
) -> OutgoingRecord:
    """The command with other headers or another value, signed with the secret."""
    signed = {name: content.decode() for name, content in record.headers} | dict(headers or {})
    value = record.value if value is None else value
    signed["witiop_signature"] = signature(SECRET, signed, value)
    return replace(record, value=value, headers=tuple((name, text.encode()) for name, text in signed.items()))


@pytest.mark.parametrize("body", BODIES, ids=lambda body: type(body).__name__)
def test_a_signed_command_is_read_with_any_of_the_secrets(body: Transfer | Recall | Email) -> None:
    record = signed(asked(body), "commands", SECRET)
    assert asked(body) == read(record, secrets=(b"new", SECRET))
    assert str(body.conversation_id or "c1") == record.key


def test_commands_about_a_campaign_keep_their_order() -> None:
    """They are on one partition: a resume is not carried out before the pause."""
    campaign = UUID(int=7)
    keys = {
        signed(new_command(body, id_=str(body), source="s", issuer="i", at=NOW, expires_at=NOW), "commands", SECRET).key
        for body in (PauseCampaign(campaign_id=campaign), ResumeCampaign(campaign_id=campaign))
    }
    assert {str(campaign)} == keys


def test_the_signature_is_over_six_headers_and_the_value() -> None:
    """A change of any of them makes the command not authentic."""
    record = signed(asked(BODIES[0]), "commands", SECRET)
    for name, _ in record.headers:
        if name not in ("ce_specversion", "content-type"):
            altered = tuple((n, content + b"0" if n == name else content) for n, content in record.headers)
            assert (Rejection.NOT_AUTHENTIC, False) == refusal(replace(record, headers=altered)), name
    assert (Rejection.NOT_AUTHENTIC, False) == refusal(replace(record, value=record.value + b" "))
    assert (Rejection.NOT_AUTHENTIC, False) == refusal(
        replace(record, headers=(*record.headers, ("x", b""), ("x", b"")))
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"ce_id": "a\nb"},
        {"witiop_issuer": ""},
        {"ce_id": "x" * 257},
        {"ce_id": "a\x00b"},
        {"ce_time": "yesterday"},
        {"ce_time": "2026-07-01T12:00:00"},
        {"ce_time": (NOW + timedelta(minutes=6)).isoformat()},
        {"witiop_expires": (NOW + timedelta(hours=25)).isoformat()},
    ],
    ids=str,
)
def test_headers_that_our_programs_never_write_are_not_authentic(headers: dict[str, str]) -> None:
    """Even if the signature is right."""
    assert (Rejection.NOT_AUTHENTIC, False) == refusal(resigned(signed(asked(BODIES[0]), "c", SECRET), headers=headers))


def test_a_command_is_rejected_from_its_expiry_on() -> None:
    record = signed(asked(BODIES[0]), "c", SECRET)
    assert isinstance(read(record, NOW + timedelta(minutes=4, seconds=59)), Command)
    assert (Rejection.EXPIRED, True) == refusal(record, NOW + timedelta(minutes=5))


GOOD: dict[str, Any] = {"conversation_id": str(ID), "target": {"kind": "user", "id": "anna"}, "mode": "immediate"}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b"\xff",
        json.dumps(GOOD | {"mode": "tomorrow"}).encode(),
        json.dumps(GOOD | {"expected_verison": 1}).encode(),
        json.dumps(GOOD | {"a\x00b": 1}).encode(),
        json.dumps(GOOD | {"x" * 100_000: 1}).encode(),
        json.dumps(GOOD | {"batch_id": "a\x00b"}).encode(),
        json.dumps(GOOD | {"batch_id": "\ud800"}).encode(),
        json.dumps(GOOD | {"target": {"kind": "user", "id": "an\x00na"}}).encode(),
        json.dumps(GOOD | {"expected_version": -1}).encode(),
    ],
    ids=lambda value: str(value[:40]),
)
def test_a_signed_value_that_is_not_a_command_is_malformed_and_the_message_can_be_stored(value: bytes) -> None:
    found = read(resigned(signed(asked(BODIES[0]), "c", SECRET), value))
    assert isinstance(found, InvalidCommand)
    assert (Rejection.MALFORMED, "c1") == (found.reason, found.head and found.head.id)
    assert "\x00" not in found.detail
    assert found.detail.encode()
    assert len(found.detail) < 300


def test_only_the_recall_of_a_conversation_names_a_version() -> None:
    """A mail has no version."""
    conversation, mail = signed(asked(Recall(conversation_id=ID)), "c", SECRET), {"mail_command_id": "m"}
    assert (Rejection.MALFORMED, True) == refusal(
        resigned(conversation, json.dumps(mail | {"expected_version": 3}).encode())
    )
    assert isinstance(read(resigned(conversation, json.dumps(mail).encode())), Command)


@given(st.lists(st.tuples(st.text(), st.binary()), max_size=8), st.binary(max_size=100))
def test_every_record_of_the_topic_is_answered(headers: list[tuple[str, bytes]], value: bytes) -> None:
    found = read_command(headers, value, [SECRET], NOW)
    assert isinstance(found, InvalidCommand)
    assert (Rejection.NOT_AUTHENTIC, None) == (found.reason, found.head)


def test_every_reason_has_a_message_for_people() -> None:
    assert {rejection.value for rejection in Rejection} == REJECTION_TEXTS.keys()
