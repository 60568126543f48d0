"""Settings of what others connect to."""

from typing import Self

from pydantic import AwareDatetime, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from witiop.setting_groups.values import Issuer, Levels, Port, Roles, SecretList, Texts


class DoorSettings(BaseSettings):
    """Where others come in: the webhooks, the senders of events and commands, the console and signing in."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is ever made

    softbot_secrets: SecretList = Field(
        (), description="secrets that sign the Softbot's events, comma separated; each of them verifies signatures"
    )
    agents_secrets: SecretList = Field(
        (),
        description="secrets that sign the agent desktop's events, comma separated; each of them verifies signatures",
    )
    command_secrets: SecretList = Field(
        (), description="secrets that sign commands, comma separated; the first signs, each of them verifies"
    )
    webhook_host: str = Field(
        "127.0.0.1", description="address that the webhooks listen on; 0.0.0.0 for all interfaces"
    )
    webhook_port: Port = Field(8080, description="port that the webhooks listen on, 1 to 65535")
    webhook_processes: int = Field(
        1, ge=1, le=64, description="worker processes that answer webhooks; more of them handle more requests"
    )
    webhook_threads: int = Field(64, ge=1, le=1000, description="requests that each worker process handles at once")
    webhook_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="number of proxies in front of the webhooks whose X-Forwarded-For it trusts, to limit slow clients",
    )
    webhook_client_header: str = Field(
        "",
        pattern=r"^[A-Za-z0-9-]{0,64}$",
        description="header in which the proxy names the subject of the client's certificate; if it is set, only "
        "Meta's certificate may post to /webhooks/whatsapp",
    )
    webhook_url: str = Field(
        "http://127.0.0.1:8080",
        pattern=r"^https?://[^/\s]+/?$",
        description="public URL of the webhooks, without a path; the page Set-up shows it, and `witiop simulate` posts "
        "there",
    )
    organisation: str = Field(
        "",
        pattern=r"^[^\x00-\x1f\x7f]{0,60}$",
        description="name of the organisation, shown in the console's header and in mails",
    )
    console_host: str = Field(
        "127.0.0.1", description="address that the console listens on; 0.0.0.0 for all interfaces"
    )
    console_port: Port = Field(8081, description="port that the console listens on, 1 to 65535")
    console_threads: int = Field(32, ge=1, le=1000, description="requests that the console handles at once")
    console_url: str = Field(
        "http://127.0.0.1:8081",
        pattern=r"^https?://[^/\s]+/?$",
        description="public URL of the console, to which mails link if it is set; "
        "with https its session cookie is sent over https only",
    )
    console_proxies: int = Field(
        0,
        ge=0,
        le=10,
        description="number of proxies in front of the console whose X-Forwarded-For and X-Forwarded-Proto it trusts",
    )
    console_idle_seconds: int = Field(3600, ge=60, description="seconds of inactivity after which a user is signed out")
    console_session_seconds: int = Field(
        43_200, ge=60, description="seconds after sign-in after which a user is signed out in any case"
    )
    console_local_sign_in: bool = Field(
        True, description="whether people sign in with names and passwords; the way back if the OpenID provider fails"
    )
    console_second_factor: Levels = Field(
        (),
        description="levels that need a second factor with their password, comma separated, e.g. tenant_administrator",
    )
    openid_issuer: Issuer = Field(
        "",
        description="URL of the OpenID provider at which people sign in, as it names itself; empty: none",
    )
    openid_client_id: str = Field("", description="id of the console at the OpenID provider")
    openid_client_secret: SecretStr = Field(
        SecretStr(""), description="secret of the console at the OpenID provider; empty: it is a public client"
    )
    openid_scopes: Texts = Field(
        ("openid", "profile", "email"), description="scopes that the OpenID provider is asked for, comma separated"
    )
    openid_label: str = Field(
        "",
        pattern=r"^[^\x00-\x1f\x7f]{0,60}$",
        description="what the button of the sign-in page calls the OpenID provider; empty: WITIOP_ORGANISATION",
    )
    openid_name_claim: str = Field(
        "preferred_username", description="claim with the name of a person who signs in for the first time"
    )
    openid_role_claim: str = Field(
        "groups",
        description="claim with a person's roles, a text or a list; realm_access.roles is inside of another",
    )
    openid_roles: Roles = Field(
        (),
        description="which role gives which level, comma separated, the first that fits, e.g. "
        "bosses=tenant_administrator,leads=supervisor:sales+support,eyes=read_only,staff=directory; empty: people need "
        "a sign-in that an administrator made",
    )
    console_sessions_since: AwareDatetime | None = Field(
        None,
        description="time before which sessions are invalid, e.g. 2026-11-23T12:00:00Z; now ends all sessions",
    )

    @model_validator(mode="after")
    def _require_a_way_to_sign_in(self) -> Self:
        if self.openid_issuer and not self.openid_client_id:
            raise ValueError("WITIOP_OPENID_ISSUER also needs WITIOP_OPENID_CLIENT_ID")
        if not self.console_local_sign_in and not self.openid_issuer:
            raise ValueError("WITIOP_CONSOLE_LOCAL_SIGN_IN: off needs WITIOP_OPENID_ISSUER, or nobody can sign in")
        return self
