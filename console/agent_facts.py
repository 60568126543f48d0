"""What agents do on the page, published as the same facts that an agent desktop reports (`domain.inbound.agent_desk`):
there is one model of agents, whichever desk they use."""

import json
from datetime import datetime
from uuid import UUID

from console.dependencies import Dependencies
from domain.facts import FACT, partition_key
from domain.inbound.agent_desk import read_agent_desk
from domain.ports import OutgoingRecord, PublishFailed
from domain.times import rfc3339
from domain.topics import FROM_CONSOLE
from infra.postgres.console import desks
from infra.postgres.console.desks import SaidPresence

SOURCE = "/witiop/desk"
PUBLISH_SECONDS = 5.0


def report_presence(deps: Dependencies, agent: str, said: SaidPresence) -> None:
    """Publishes what an agent said of their presence. A sign of life is the same fact again: it shows that the desk is
    alive, and is no new presence, so it neither undoes a later one nor brings back a customer whom the agent declined.
    Raises PublishFailed; the next page that tells of itself repeats it."""
    id_ = f"{agent} {rfc3339(said.since)}"
    _report(deps, "presence.changed", id_, said.since, agent_id=agent, state=said.state, reason=said.reason)


def report_action(
    deps: Dependencies, action: str, agent: str, conversation: UUID, form: str, **more: str | None
) -> None:
    """Publishes that an agent `accepted`, `declined` or `closed` a conversation. The fact is named after the token of
    the form, so a form that is sent twice is one fact. Raises PublishFailed; the form may be sent again."""
    id_ = f"{action} {conversation} {agent} {form}"
    with deps.connection() as conn:
        at = desks.moment_of(conn, id_)
    _report(deps, f"conversation.{action}", id_, at, agent_id=agent, conversation_id=str(conversation), **more)


def leave(deps: Dependencies, agent: str) -> None:
    """Publishes that an agent who is on the page left. Whether it can be published or not, nothing is offered to them
    for long: a desk that is silent counts as offline."""
    with deps.connection() as conn, conn.transaction():
        if not desks.leave(conn, agent):
            return
        said = desks.say(conn, agent, "offline", None)
    report_presence(deps, agent, said)


def _report(deps: Dependencies, kind: str, id_: str, at: datetime, **data: str | None) -> None:
    event = {
        "specversion": "1.0",
        "id": id_,
        "source": SOURCE,
        "type": f"witiop.agents.{kind}.v1",
        "time": rfc3339(at),
        "data": data,
    }
    (fact,) = read_agent_desk(json.dumps(event).encode(), False, at)
    if reasons := deps.publisher.not_ready_reasons():
        raise PublishFailed("; ".join(reasons))
    record = OutgoingRecord(deps.inbound_topic, partition_key(fact), FACT.dump_json(fact), (FROM_CONSOLE,))
    deps.publisher.publish([record], PUBLISH_SECONDS)
