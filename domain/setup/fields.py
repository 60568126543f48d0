"""The fields of Meta's webhooks that this product reads, which are ticked in the App Dashboard (docs/whatsapp.md)."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from domain.contract.texts import gettext_noop

FieldNeed = Literal["needed", "sending", "app", "ai"]
"""`needed` in any case; with `sending`: so that what Meta changes is known at once; where people also answer in the
phone `app`; where Meta's `ai` agent answers."""


class WebhookField(NamedTuple):
    """A field. `says`: what it brings."""

    need: FieldNeed
    says: str


FIELDS: Mapping[str, WebhookField] = {
    "messages": WebhookField("needed", gettext_noop("customers' messages, and what became of ours")),
    "user_preferences": WebhookField("sending", gettext_noop("who wants no marketing")),
    "message_template_status_update": WebhookField("sending", gettext_noop("templates that are approved or paused")),
    "message_template_quality_update": WebhookField("sending", gettext_noop("the quality of templates")),
    "template_category_update": WebhookField("sending", gettext_noop("templates that become marketing")),
    "phone_number_quality_update": WebhookField("sending", gettext_noop("limits and quality of numbers")),
    "account_update": WebhookField("sending", gettext_noop("restrictions of the account")),
    "business_capability_update": WebhookField("sending", gettext_noop("how many people may be written to a day")),
    "smb_message_echoes": WebhookField("app", gettext_noop("what people answer in the WhatsApp Business app")),
    "history": WebhookField("app", gettext_noop("earlier messages of a number that is connected with its app")),
    "calls": WebhookField("app", gettext_noop("calls of customers")),
    "standby": WebhookField("ai", gettext_noop("what customers write to Meta's AI agent")),
    "messaging_handovers": WebhookField("ai", gettext_noop("that Meta's AI agent hands a customer over to people")),
}
"""Name -> field, in the order of pages."""
