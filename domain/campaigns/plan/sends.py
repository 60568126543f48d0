"""The sends of a campaign: the message of each recipient, as the sender takes it."""

from datetime import datetime
from uuid import UUID

from domain.campaigns.campaign import Campaign, CampaignTemplate
from domain.campaigns.content import content_of
from domain.campaigns.promised import campaign_actor
from domain.campaigns.recipients import CampaignRecipient, campaign_send_id
from domain.sending.sends import Lane, Send


def send_of(
    campaign: Campaign,
    recipient: CampaignRecipient,
    planned: CampaignTemplate,
    secret: bytes,
    requested_at: datetime,
    expires_at: datetime | None = None,
) -> Send:
    """Returns a recipient's next send. `planned`: the template that it gets; `secret`: of its callback data. Raises
    WrongParameters, ValidationError."""
    content = content_of(planned.template, recipient.parameters)
    attempt = recipient.attempt + 1
    return Send(
        id=campaign_send_id(campaign.id, recipient.row_no, attempt),
        command_id=f"campaign:{campaign.id}:{recipient.row_no}:{attempt}",
        phone_number_id=campaign.phone_number_id,
        address=recipient.address,
        address_kind=recipient.address_kind,
        kind="template",
        lane=Lane.CAMPAIGN,
        content=content.graph,
        text=content.text,
        actor=campaign_actor(campaign.name),
        is_word=False,
        is_claim=False,
        needs_window=False,
        requested_at=requested_at,
        secret=secret,
        customer_id=_customer(recipient.person),
        expires_at=expires_at,
        upload_id=content.upload,
        is_marketing=planned.template.is_marketing,
        delivered_within=planned.template.delivered_within,
        campaign_id=campaign.id,
        row_no=recipient.row_no,
    )


def _customer(person: str) -> UUID | None:
    """Returns the id of a person who is a known customer."""
    try:
        return UUID(person)
    except ValueError:
        return None
