"""Where data of people are, table by table: what belongs to a person, and what an erasure does with it.

Every table of the schema is in `HOLDINGS` or in `infra.postgres.retention.unaffected`; a test compares both with the
database, and the table in docs/design/retention.md with both. `HOLDINGS` is in the order in which rows are written
(architecture.md, P5).
"""

from typing import Literal, LiteralString, NamedTuple

Found = Literal["conversation", "person", "sweep"]
"""How rows of a table are found: by the conversations and messages of a `Subject`; by its customers and addresses; or
by reading the whole table, after the rest (`sweep`)."""


class Holding(NamedTuple):
    """What a table holds of a person. `where`: its rows, by the arrays of a `Subject`; `change`: what becomes of a row,
    None: it is deleted; `beside`: what else a change reads, as a FROM; `kept`: what stays of a changed row, and why;
    `exported`: whether a person gets a copy."""

    table: LiteralString
    found: Found
    where: LiteralString
    change: LiteralString | None = None
    kept: str = ""
    exported: bool = True
    beside: LiteralString = ""


OF_CONVERSATION: LiteralString = "t.conversation_id = any(%(conversations)b::uuid[])"
_OF_MESSAGE: LiteralString = (
    "(t.phone_number_id, t.wamid) in (select * from unnest(%(numbers)b::text[], %(wamids)b::text[]))"
)
_NAMED: LiteralString = "exists (select from unnest(%(values)b::text[]) as v where position(v in {}) > 0)"
_NAMED_IN_BYTES: LiteralString = (
    "exists (select from unnest(%(values)b::text[]) as v where position(convert_to(v, 'UTF8') in {}) > 0)"
)
_DIGITS: LiteralString = r"regexp_replace(t.value, '\D', '', 'g')"
_NEW_IDS: LiteralString = "from unnest(%(conversations)b::uuid[], %(anonymous)b::uuid[]) as s (id, anonymous)"
_NOT_POSTED: LiteralString = "t.state in ('imported', 'planned', 'deferred', 'claimed')"
"""Recipients whom their campaign would wait for, although their send is gone."""
_ANONYMOUS: LiteralString = "'00000000-0000-0000-0000-000000000000'"

HOLDINGS: tuple[Holding, ...] = (
    Holding("mail_log", "conversation", "t.mail_id = any(%(mails)b::uuid[])"),
    Holding("mails", "conversation", OF_CONVERSATION),
    Holding("wishes", "conversation", OF_CONVERSATION),
    Holding("meta_uploads", "conversation", "t.upload_id = any(%(uploads)b::uuid[])", exported=False),
    Holding("uploads", "conversation", "t.id = any(%(uploads)b::uuid[])"),
    Holding("send_log", "conversation", "t.send_id = any(%(sends)b::uuid[])"),
    Holding("sends", "conversation", "t.id = any(%(sends)b::uuid[])"),
    Holding("conversations", "conversation", "t.id = any(%(conversations)b::uuid[])"),
    Holding(
        "entries",
        "conversation",
        f"({OF_CONVERSATION} or t.conversation_id is null and t.customer_id = any(%(customers)b::uuid[]))",
    ),
    Holding("media", "conversation", "t.message_id = any(%(messages)b::uuid[])"),
    Holding("message_changes", "conversation", _OF_MESSAGE),
    Holding("history", "conversation", OF_CONVERSATION),
    Holding("message_status", "conversation", _OF_MESSAGE),
    Holding("receipts", "conversation", OF_CONVERSATION, exported=False),
    Holding("drafts", "conversation", OF_CONVERSATION),
    Holding(
        "mentions",
        "conversation",
        "t.note_id in (select n.id from notes n where n.conversation_id = any(%(conversations)b::uuid[]))",
        exported=False,
    ),
    Holding("notes", "conversation", OF_CONVERSATION),
    Holding("conversation_tags", "conversation", OF_CONVERSATION),
    Holding("conversation_words", "conversation", OF_CONVERSATION, exported=False),
    Holding("viewers", "conversation", OF_CONVERSATION, exported=False),
    Holding("rule_watch", "conversation", OF_CONVERSATION, exported=False),
    Holding("rule_acts", "conversation", OF_CONVERSATION),
    Holding("rule_passes", "conversation", OF_CONVERSATION, exported=False),
    Holding(
        "parked",
        "conversation",
        "(t.item = any(%(conversations)b::uuid[]) or t.item = any(%(mails)b::uuid[]))",
        exported=False,
    ),
    Holding(
        "outbox",
        "conversation",
        "t.key = any(%(conversations)b::uuid[]::text[]) "
        "and coalesce(t.headers ->> 'ce_type', '') <> 'witiop.conversation.erased.v1'",
        exported=False,
    ),
    Holding("identity_periods", "person", "t.customer_id = any(%(customers)b::uuid[])"),
    Holding("identities", "person", "t.customer_id = any(%(customers)b::uuid[])"),
    Holding("customers", "person", "t.id = any(%(customers)b::uuid[])"),
    Holding(
        "opt_outs",
        "person",
        "t.value = any(%(values)b::text[])",
        "value = erased_value(t.kind::text, t.value), address = '', evidence = null, ended_evidence = null",
        kept="so that nobody writes to them again: the number, what they want none of, since when and how it is known, "
        "and in place of the address a keyed hash",
    ),
    Holding(
        "stat_offers",
        "person",
        "s.id = t.conversation_id",
        "conversation_id = s.anonymous, at = date_trunc('hour', t.at)",
        kept="for the numbers: which agent was offered a conversation in which hour, and what became of it",
        exported=False,
        beside=_NEW_IDS,
    ),
    Holding(
        "stat_contributions",
        "person",
        "s.id = t.conversation_id",
        "conversation_id = s.anonymous, events = '[]', opened_at = date_trunc('hour', t.opened_at), "
        "first_word_at = null, saved_by = null",
        kept="for the numbers: the hour, the number, the outcome, waiting times and the way through the menu of a "
        "conversation, under an id that leads to nobody",
        exported=False,
        beside=_NEW_IDS,
    ),
    Holding(
        "campaign_answers",
        "person",
        OF_CONVERSATION,
        f"conversation_id = {_ANONYMOUS}",
        kept="that some row of a campaign was answered, and how that ended: the row names nobody any more",
        exported=False,
    ),
    Holding(
        "recipients",
        "sweep",
        "(t.address_key = any(%(values)b::text[]) or t.address = any(%(values)b::text[]) "
        "or t.person = any(%(values)b::text[]) or t.person = any(%(customers)b::uuid[]::text[]))",
        "address = null, address_kind = null, address_key = null, person = null, name = null, parameters = null, "
        f"cells = null, state = case when {_NOT_POSTED} then 'cancelled' else t.state end, "
        f"reason = case when {_NOT_POSTED} then null else t.reason end",
        kept="that a row of a file was sent, and what became of it, for the counts of the campaign",
    ),
    Holding(
        "import_problems",
        "sweep",
        f"(t.value = any(%(values)b::text[]) or {_NAMED.format(_DIGITS)})",
    ),
    Holding(
        "message_status",
        "sweep",
        "t.recipient = any(%(values)b::text[]) and coalesce(t.succeeded_at, t.failed_at, %(until)b) <= %(until)b",
    ),
    Holding(
        "alarm_deliveries",
        "sweep",
        "t.alarm_id in (select a.id from alarms a where a.conversation_id = any(%(conversations)b::uuid[]))",
        exported=False,
    ),
    Holding("alarms", "sweep", OF_CONVERSATION, exported=False),
    Holding("notices", "sweep", f"t.at <= %(until)b and {_NAMED.format('t.body::text')}"),
    Holding("set_aside", "sweep", f"t.received_at <= %(until)b and {_NAMED_IN_BYTES.format('t.raw')}", exported=False),
    Holding(
        "early_records",
        "sweep",
        f"t.received_at <= %(until)b and ({OF_CONVERSATION} or {_NAMED_IN_BYTES.format('t.raw')})",
        exported=False,
    ),
    Holding(
        "held_commands",
        "sweep",
        f"t.received_at <= %(until)b and ({OF_CONVERSATION} or {_NAMED_IN_BYTES.format('t.body')})",
        exported=False,
    ),
    Holding("outbox", "sweep", f"t.at <= %(until)b and {_NAMED_IN_BYTES.format('t.value')}", exported=False),
    Holding("saved_lists", "sweep", _NAMED.format("t.query"), exported=False),
    Holding(
        "command_audit",
        "sweep",
        f"t.received_at <= %(until)b and ({OF_CONVERSATION} or {_NAMED.format('t.what')})",
        "conversation_id = null, what = null",
        kept="who gave which command when, and what became of it; about whom is gone",
    ),
    Holding(
        "console_audit",
        "sweep",
        f"t.at <= %(until)b and ({OF_CONVERSATION} or {_NAMED.format('t.detail::text')})",
        "conversation_id = null, detail = case when t.detail ->> 'what' is null then '{}' "
        "else json_build_object('what', t.detail ->> 'what') end",
        kept="who did what when; about whom is gone",
    ),
    Holding(
        "identity_periods",
        "sweep",
        "t.left_for = any(%(values)b::text[])",
        "left_for = ''",
        kept="of another customer: that an address changed hands, without where its owner went",
        exported=False,
    ),
)
"""What each table holds of a person."""
