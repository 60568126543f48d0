"""An opt-out as public events show it (docs/design/campaigns.md, *Events*). Keys may be added, never removed."""

from typing import Any, Literal

from domain.command_bodies.campaigns import OptOutScope
from domain.ids import fact_id
from domain.opt_outs.opt_out import ALL_NUMBERS, OptOutChange
from domain.times import rfc3339

OptOutEvent = Literal["set", "ended"]


def opt_out_event(change: OptOutChange) -> OptOutEvent:
    """Returns the name of the event about a change."""
    return "set" if change.opts_out else "ended"


def opt_out_event_id(change: OptOutChange) -> str:
    """Returns the id of the event about a change, the same however often the change becomes known."""
    where = change.phone_number_id, opt_out_key(change)
    return str(fact_id("opt-out event", opt_out_event(change), change.source, str(change.id), *where))


def opt_out_key(change: OptOutChange) -> str:
    """Returns the key of the event's record: number and address."""
    address = change.customer.wa_id or change.customer.user_id or ""
    return f"{change.phone_number_id or 'all'}:{address}"


def opt_out_document(change: OptOutChange, scope: OptOutScope) -> dict[str, Any]:
    """Returns a change for programs, without what people wrote. `scope`: of what was set or ended."""
    return {
        "phone_number_id": change.phone_number_id if change.phone_number_id != ALL_NUMBERS else None,
        "customer": {"wa_id": change.customer.wa_id, "user_id": change.customer.user_id},
        "scope": scope,
        "source": change.source,
        "at": rfc3339(change.at),
        "actor": change.actor,
        "wamid": change.evidence if change.source == "keyword" else None,
    }
