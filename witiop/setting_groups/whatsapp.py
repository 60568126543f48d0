"""Settings of WhatsApp."""

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from witiop.setting_groups.values import Phones, SecretList, Texts


class WhatsappSettings(BaseSettings):
    """WhatsApp: Meta's webhooks and Graph API, what is sent, campaigns, and the files of messages."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is ever made

    whatsapp_app_secrets: SecretList = Field(
        (), description="app secrets of the Meta app, comma separated; each of them verifies signatures"
    )
    whatsapp_verify_token: SecretStr = Field(
        SecretStr(""),
        description="verify token that Meta sends in the webhook handshake; the one entered in its App Dashboard",
    )
    whatsapp_access_token: SecretStr = Field(
        SecretStr(""), description="access token of a Meta system user, with which messages are sent"
    )
    whatsapp_accounts: Texts = Field(
        (), description="ids of the WhatsApp Business Accounts whose templates and numbers are read, comma separated"
    )
    graph_url: str = Field(
        "https://graph.facebook.com", pattern=r"^https?://[^\s]+$", description="URL of Meta's Graph API"
    )
    graph_version: str = Field("v24.0", pattern=r"^v\d{1,3}\.\d$", description="version of the Graph API, e.g. v24.0")
    sending_enabled: bool = Field(
        False, description="whether messages are sent to customers; off: every command to send one is rejected"
    )
    sending_allowed_to: Phones = Field(
        (), description="the only phones that messages are sent to, comma separated, for tests; empty: all"
    )
    sending_in_flight: int = Field(
        16,
        ge=1,
        le=256,
        description="posts to Meta at the same time and process, 64 for numbers above 80 messages a second; "
        "after a crash at most as many sends are unknown",
    )
    campaign_second_person_from: int | None = Field(
        None,
        ge=1,
        description="recipients from which on a second person has to confirm the start of a campaign; empty: none has "
        "to",
    )
    campaign_answer_hours: int = Field(
        72,
        ge=1,
        le=720,
        description="hours after a campaign's message within which the customer's first message counts as an answer; "
        "as long as its answers are promised to somebody, they count anyway",
    )
    show_typing: bool = Field(
        False,
        description="whether customers see that somebody is writing to them in the console or on the agents' page, and "
        "thereby that their messages were read",
    )
    resend_unknown: Literal["never", "free_form"] = Field(
        "never",
        description="what is sent once more without a person if it is unknown whether it was sent and it probably was "
        "not: nothing, or all messages but templates; a customer may get such a message twice",
    )
    campaign_us_marketing: bool = Field(
        False,
        description="whether campaigns send marketing to phones of the United States, to which Meta has delivered none "
        "since April 2025; off: those recipients are skipped",
    )
    campaign_canary: int = Field(
        200,
        ge=0,
        le=100_000,
        description="messages of a large campaign that are sent first, and must not fail too often before the others "
        "follow; 0: none; a campaign may say otherwise",
    )
    campaign_canary_from: int = Field(1000, ge=1, description="recipients from which on a campaign is a large one")
    media_bucket: str = Field(
        "",
        pattern=r"^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$",
        description="S3 bucket that keeps the files of messages; empty: they are neither fetched nor sent",
    )
    media_region: str = Field(
        "", pattern=r"^([a-z]{2}(-[a-z]+)+-\d)?$", description="AWS region of the bucket, e.g. eu-west-1"
    )
    media_endpoint: str | None = Field(
        None, pattern=r"^https?://", description="URL of the S3 server, if not AWS's own"
    )
    media_access_key_id: str | None = Field(
        None, description="access key id for the bucket (default: AWS's standard credential chain)"
    )
    media_secret_access_key: SecretStr | None = Field(None, description="secret of the access key")
    media_at_once: int = Field(
        4, ge=1, le=32, description="files fetched, and files uploaded to Meta, at the same time and process"
    )
