"""Settings of mails."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from witiop.setting_groups.values import Address, Domains, Texts


class MailSettings(BaseSettings):
    """Mails through Amazon SES."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is ever made

    ses_region: str = Field(
        "", pattern=r"^([a-z]{2}(-[a-z]+)+-\d)?$", description="AWS region of Amazon SES, e.g. eu-west-1"
    )
    ses_endpoint: str | None = Field(None, pattern=r"^https?://", description="SES endpoint URL, if not AWS's own")
    ses_access_key_id: str | None = Field(
        None, description="AWS access key id for SES (default: AWS's standard credential chain)"
    )
    ses_secret_access_key: SecretStr | None = Field(None, description="secret of the access key")
    ses_sender: Address | None = Field(None, description="From address of mails; must be verified in SES")
    ses_sender_name: str = Field(
        "",
        pattern=r"^[^\x00-\x1f\x7f]{0,100}$",
        description="display name of the From address; empty: WITIOP_ORGANISATION",
    )
    ses_configuration_set: str = Field(
        "", pattern=r"^[A-Za-z0-9_-]{0,64}$", description="SES configuration set that sends its events to /webhooks/ses"
    )
    ses_topic_arns: Texts = Field(
        (), description="ARNs of the SNS topics that /webhooks/ses accepts, comma separated; empty: none"
    )
    ses_rate: float = Field(10, gt=0, le=1000, description="maximum mails per second and process")
    mail_allowed_domains: Domains = Field(
        (), description="domains that mails may be sent to, comma separated, e.g. example.com; empty: all"
    )
    mail_mask: bool = Field(False, description="whether mails mask phone numbers, unless the command says otherwise")
    mail_attach_bytes: int = Field(
        5_000_000,
        ge=0,
        le=6_000_000,
        description="how many bytes of customers' files a mail carries at most, the latest first; the others are named "
        "with a link to the console that ends after 30 days",
    )
    mail_reply_to: Address | None = Field(
        None, description="Reply-To address of mails whose issuer is not in the directory"
    )
