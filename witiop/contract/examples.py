"""One invented example for every schema of the public contract, by the name of the schema."""

from typing import Any

_CONVERSATION = "019cadd1-4c00-8000-a7e2-5d0c1f3b9a44"
_SESSION = {
    "phone_number_id": "106540352242922",
    "customer": {"wa_id": "16505551234"},
    "session_id": "session-1",
}
_AGENT = {"agent_id": "anna", "conversation_id": _CONVERSATION}
_EVENT = {
    "id": _CONVERSATION,
    "phone_number_id": "106540352242922",
    "customer": {"wa_id": "16505551234", "user_id": None, "name": "Sheena", "group_id": None},
    "status": "active",
    "reason": "no_choice",
    "last_speaker": None,
    "last_text": "hello",
    "last_at": "2026-03-02T10:00:00Z",
    "opened_at": "2026-03-02T10:00:00Z",
    "window_ends_at": "2026-03-03T10:00:00Z",
    "closed_at": None,
    "owner": None,
    "waits_since": None,
    "reply_by": None,
    "parked_until": None,
    "released": None,
    "entries": 1,
    "version": 1,
    "sequence": 2,
    "because": ["7f0c9f0e-3f0f-5d8e-9d0c-0a1b2c3d4e5f"],
    "actor": "customer",
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "witiop.conversation.v1": _EVENT,
    "witiop.mail.v1": _EVENT
    | {
        "sequence": 3,
        "actor": "ses",
        "mail": {
            "id": "2c9f4e52-0b1e-5b7c-8f0a-5e0d9a7c6b31",
            "command_id": "9d0e8c61-7f55-4d3a-9a4e-0c5f2b8e7d10",
            "reason": None,
        },
    },
    "witiop.command.transfer.v1": {
        "conversation_id": _CONVERSATION,
        "target": {"kind": "skillset", "id": "sales"},
        "mode": "exclusive",
        "expected_version": 1,
    },
    "witiop.command.transfer_on_reply.v1": {
        "conversation_id": _CONVERSATION,
        "template": {"name": "call", "language": "en", "parameters": ["Ada"]},
        "target": {"kind": "skillset", "id": "sales"},
        "mode": "exclusive",
        "holds_hours": 48,
    },
    "witiop.command.release.v1": {
        "conversation_id": _CONVERSATION,
        "target": {"kind": "user", "id": "ben"},
        "note": "She asks about the invoice of March",
    },
    "witiop.command.recall.v1": {"conversation_id": _CONVERSATION},
    "witiop.command.email.v1": {
        "conversation_id": _CONVERSATION,
        "to": ["anna@example.com"],
        "subject": "A customer who waits",
        "body": "Can you call her?",
        "hold_seconds": 10,
    },
    "witiop.command.send.v1": {
        "conversation_id": _CONVERSATION,
        "message": {"text": {"body": "How can I help?"}},
        "hold_seconds": 5,
    },
    "witiop.command.mark_read.v1": {"conversation_id": _CONVERSATION},
    "witiop.command.typing.v1": {"conversation_id": _CONVERSATION},
    "witiop.command.resolve.v1": {"send_id": "5f0d0f8e-31d5-5b47-9a77-2f3c6a1b9d02", "as": "assumed_sent"},
    "witiop.message.v1": {
        "id": "5f0d0f8e-31d5-5b47-9a77-2f3c6a1b9d02",
        "command_id": "4b0b7a52-6a0c-4c3e-8a9a-1d8f6f1f7a11",
        "conversation_id": _CONVERSATION,
        "phone_number_id": "106540352242922",
        "kind": "text",
        "state": "delivered",
        "attempt": 1,
        "actor": "anna",
        "requested_at": "2026-03-02T10:01:00Z",
        "wamid": "wamid.4",
        "error": None,
        "reason": None,
    },
    "witiop.command.result.v1": {
        "command_id": "4b0b7a52-6a0c-4c3e-8a9a-1d8f6f1f7a11",
        "outcome": "rejected",
        "reason": "user_at_capacity",
        "conversation_id": _CONVERSATION,
        "version": 1,
    },
    "witiop.inbound.customer_turn.v1": {
        "kind": "customer_turn",
        "id": "7f0c9f0e-3f0f-5d8e-9d0c-0a1b2c3d4e5f",
        "phone_number_id": "106540352242922",
        "at": "2026-03-02T10:00:00Z",
        "sent_at": "2026-03-02T10:00:00Z",
        "customer": {"wa_id": "16505551234", "name": "Sheena"},
        "type": "text",
        "wamid": "wamid.1",
        "text": "hello",
    },
    "witiop.softbot.session.started.v1": _SESSION,
    "witiop.softbot.message.sent.v1": _SESSION | {"text": "How can I help?", "wamid": "wamid.2"},
    "witiop.softbot.menu.shown.v1": _SESSION
    | {"options": [{"id": "1", "title": "Sales"}, {"id": "2", "title": "Support"}]},
    "witiop.softbot.choice.made.v1": _SESSION | {"option_id": "1", "skillset": "sales"},
    "witiop.softbot.handoff.requested.v1": _SESSION | {"skillset": "sales"},
    "witiop.softbot.session.ended.v1": _SESSION | {"outcome": "solved"},
    "witiop.agents.presence.changed.v1": {"agent_id": "anna", "state": "ready"},
    "witiop.agents.conversation.accepted.v1": _AGENT,
    "witiop.agents.message.sent.v1": _AGENT | {"text": "Good morning", "wamid": "wamid.3"},
    "witiop.agents.conversation.declined.v1": _AGENT | {"note": "at lunch"},
    "witiop.agents.conversation.closed.v1": {
        "agent_id": "anna",
        "phone_number_id": "106540352242922",
        "customer": {"wa_id": "16505551234"},
    },
}
