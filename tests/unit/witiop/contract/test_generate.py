"""docs/events is generated from the code, and the records that the code writes and reads match it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import pytest
from jsonschema import Draft202012Validator

from consumers.changes.public_events import public_event_record
from domain.campaigns.answers import NamedCampaign
from domain.commands import Command, Dismiss, InvalidCommand, Rejection, read_command, signature
from domain.contract.channels import CHANNELS, Channel, MessageType
from domain.conversations.conversation import Decisions, Owner, decision_ref
from domain.conversations.erasure import erased
from domain.conversations.events import Cause, EventName, PublicEvent
from domain.conversations.fold import decide
from domain.facts import FACT, CustomerIdentityChanged, Fact, Party
from domain.ids import fact_id
from domain.inbound import agent_desk, softbot
from domain.inbound.whatsapp.reader import read
from domain.mail import Mail, mail_id
from domain.routing.dismissals import dismiss
from tests.support.cloudevents import encoded, event
from tests.support.payloads import NAMES, RECEIVED, raw
from tests.support.stories import FactMaker, Story, at
from witiop.contract.examples import EXAMPLES
from witiop.contract.generate import DIRECTORY as WRITTEN
from witiop.contract.generate import documents, not_additive, schemas, write

T = FactMaker()
SCHEMAS = schemas()
MESSAGES = [(channel, message) for channel in CHANNELS for message in channel.messages]
COMMANDS = [m for c, m in MESSAGES if c.name == "commands"]
NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)


def wrong(schema: str, value: object) -> list[str]:
    """Returns the errors of a value against the schema of that name."""
    validator = Draft202012Validator(SCHEMAS[schema], format_checker=Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(value)]


def change_owner(story: Story, owner: Owner | None, why: str) -> None:
    """Changes the owner of the story's last conversation."""
    conversation = story.history.conversations[-1]
    decisions = Decisions(
        owner=owner, first_owned=decision_ref(story.now, fact_id(why)), because=decision_ref(story.now, fact_id(why))
    )
    step = decide(story.history, conversation.id, decisions, Cause((fact_id(why),), "boss"), story.context)
    story.history = step.history
    story.events += step.events


def dismissed(story: Story) -> Story:
    """Dismisses the story's only conversation."""
    (conversation,) = story.history.conversations
    command = Dismiss(conversation_id=conversation.id, why="spam", note="A prize centre")
    ref = decision_ref(story.now, fact_id("dismissed"))
    decisions = dismiss(conversation, command, "maria", ref)
    assert not isinstance(decisions, Rejection)
    cause = Cause((ref.fact,), "maria", command.note)
    story.take(decide(story.history, conversation.id, decisions, cause, story.context))
    return story


def stories() -> Iterator[Story]:
    """Yields stories in which every public event of a conversation occurs."""
    yield Story(at(1)).receive(T.turn(0), T.turn(0.1, "1"), T.accepted(0.5), T.answered(0.6)).wait_until(at(30))
    yield Story(at(30)).receive(T.turn(0)).wait_until(at(30)).receive(T.echo(3))
    yield Story(at(25)).receive(T.turn(0, "2")).wait_until(at(25)).receive(T.turn(20, "please"))
    yield Story(at(1), number="bot").receive(FactMaker("bot").turn(0, None), FactMaker("bot").bot_ends(0.5))
    yield dismissed(Story(at(1)).receive(T.turn(0)))
    moved = Story(at(1)).receive(T.turn(0))
    change_owner(moved, Owner("skillset", "sales", "reserved", at(1.5)), "exclusive")
    change_owner(moved, Owner("user", "anna", "assigned", at(1.02)), "offered")
    change_owner(moved, None, "recalled")
    yield moved
    new_phone = Party(wa_id="16505550000")
    told = dict(T.signal(0.5)) | {"becomes": new_phone, "kind": "customer_identity_changed"}
    change = CustomerIdentityChanged.model_validate(told)
    yield Story(at(1)).receive(T.turn(0), change)


def mails() -> Iterator[PublicEvent]:
    """Yields every public event of a mail."""
    conversation = Story(at(1)).receive(T.turn(0)).history.conversations[0]
    mail = Mail(mail_id("c"), "c", conversation.id, "boss", ("anna@example.com",), "subject", "body", False, at(1))
    for name in get_args(EventName):
        if name.startswith("mail."):
            reason = "MessageRejected" if name == "mail.failed" else None
            yield PublicEvent(conversation, name, at(1), (fact_id("c"),), "ses", replace(mail, reason=reason))


def erasures() -> Iterator[PublicEvent]:
    """Yields the last event of a customer who was erased, of an active and of a closed conversation."""
    for story in (Story(at(1)).receive(T.turn(0, "hello")), next(stories())):
        (conversation,) = story.history.conversations
        yield erased(conversation, at(40), "boss")


EVENTS: list[PublicEvent] = [
    *(event_ for story in stories() for event_ in story.events),
    *mails(),
    *erasures(),
]


def test_docs_events_matches_the_code() -> None:
    """`make contract` writes the files."""
    files = {str(file.relative_to(WRITTEN)): file for file in WRITTEN.rglob("*.json")}
    assert documents() == {path: file.read_text() for path, file in files.items()}


def test_changes_of_the_contract_are_additive() -> None:
    assert [] == not_additive(WRITTEN)


def test_a_breaking_contract_is_not_written(tmp_path: Path) -> None:
    assert [] == write(tmp_path)
    before = {path: (tmp_path / path).read_text() for path in documents()}
    result = json.loads((tmp_path / "schemas/witiop.command.result.v1.json").read_text())
    result["properties"]["cost"] = {"type": "integer"}
    (tmp_path / "schemas/witiop.command.result.v1.json").write_text(json.dumps(result))
    asyncapi = json.loads((tmp_path / "asyncapi.json").read_text())
    asyncapi["channels"]["commands"]["messages"]["witiop.command.close.v1"] = {}
    (tmp_path / "asyncapi.json").write_text(json.dumps(asyncapi))

    broken = write(tmp_path)

    assert [
        "witiop.command.result.v1: cost: was removed",
        "witiop.commands.v1: witiop.command.close.v1 was removed",
    ] == broken
    assert before["asyncapi.json"] != (tmp_path / "asyncapi.json").read_text()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid_and_its_example_matches(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])
    for example in SCHEMAS[name].get("examples", []):
        assert [] == wrong(name, example)
    assert name in EXAMPLES or name.startswith("witiop.inbound.")


def test_every_reference_of_the_asyncapi_document_can_be_resolved() -> None:
    written = documents()
    document = json.loads(written["asyncapi.json"])

    def references(part: object) -> Iterator[str]:
        if isinstance(part, dict):
            yield from [part["$ref"]] if "$ref" in part else []
            part = list(part.values())
        for each in part if isinstance(part, list) else []:
            yield from references(each)

    for reference in references(document):
        file, _, pointer = reference.partition("#")
        if file:
            assert file.removeprefix("./") in written
        found: Any = document
        for step in pointer.split("/")[1:]:
            found = found[step]


# what we publish


def test_the_stories_have_every_event_of_the_public_topic() -> None:
    """Otherwise the next test would miss some of them."""
    public = {message.name for channel, message in MESSAGES if channel.name == "conversations"}
    assert public == {public_event_record(public_event, "t").headers["ce_type"] for public_event in EVENTS}


@pytest.mark.parametrize("public_event", EVENTS, ids=lambda public_event: public_event.name)
def test_a_public_event_matches_its_schema(public_event: PublicEvent) -> None:
    record = public_event_record(public_event, "t")
    (message,) = (message for _, message in MESSAGES if message.name == record.headers["ce_type"])
    data = json.loads(record.value)
    assert [] == wrong(message.schema, data)
    read_back = message.data.model_validate_json(record.value, strict=True)
    expected = read_back.model_dump(mode="json")
    del expected["campaigns"]
    if public_event.note is None:
        del expected["note"]  # these two alone are left out
    assert data == expected


def test_an_event_names_the_campaigns_that_the_customer_answered() -> None:
    answered = NamedCampaign(UUID(int=1), "Autumn")
    record = public_event_record(EVENTS[0], "t", [answered])
    (message,) = (message for _, message in MESSAGES if message.name == record.headers["ce_type"])
    data = json.loads(record.value)
    assert ([], [{"id": str(answered.id), "name": "Autumn"}]) == (wrong(message.schema, data), data["campaigns"])


# what we accept


def read_signed(name: str, value: object) -> Command | InvalidCommand:
    """Returns a signed command as the consumer reads it."""
    body = json.dumps(value).encode()
    headers = {
        "ce_id": "c",
        "ce_type": name,
        "ce_source": "test",
        "ce_time": NOW.isoformat(),
        "witiop_issuer": "boss",
        "witiop_expires": (NOW + timedelta(minutes=5)).isoformat(),
    }
    headers["witiop_signature"] = signature(b"s", headers, body)
    return read_command([(name, text.encode()) for name, text in headers.items()], body, [b"s"], NOW)


@pytest.mark.parametrize("message", COMMANDS, ids=lambda message: message.name)
def test_a_command_that_matches_its_schema_is_read_and_any_other_is_malformed(message: MessageType) -> None:
    example = EXAMPLES[message.schema]
    assert isinstance(read_signed(message.name, example), Command)
    for name in message.data.model_json_schema().get("required", [*example][:1]):
        without = {key: value for key, value in example.items() if key != name}
        assert wrong(message.schema, without)
        assert isinstance(read_signed(message.name, without), InvalidCommand)
    for changed in ({"mail_command_id": "c"}, {"unknown": 1}, {"conversation_id": 7}):
        assert wrong(message.schema, example | changed)
        assert isinstance(read_signed(message.name, example | changed), InvalidCommand)


@pytest.mark.parametrize(
    ("channel", "message"),
    [(c, m) for c, m in MESSAGES if c.transport == "cloudevents-http"],
    ids=lambda each: each.name,
)
def test_an_event_that_matches_its_schema_becomes_a_fact_that_matches_its_own(
    channel: Channel, message: MessageType
) -> None:
    reader = {"softbot": softbot.read_softbot, "agents": agent_desk.read_agent_desk}[channel.name]
    body = encoded(event("", EXAMPLES[message.schema], type=message.name))
    (fact,) = reader(body, False, RECEIVED)
    assert [] == wrong_fact(fact)


@pytest.mark.parametrize("name", NAMES)
def test_every_body_from_meta_becomes_facts_that_match_their_schemas(name: str) -> None:
    reading = read(raw(name), RECEIVED)
    assert [] == [each for fact in reading.facts for each in wrong_fact(fact)]


def wrong_fact(fact: Fact) -> list[str]:
    value = json.loads(FACT.dump_json(fact))
    return wrong(f"witiop.inbound.{value['kind']}.v1", value)
