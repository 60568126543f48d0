"""Settings of the processes."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from witiop.setting_groups.values import Port, Texts


class WorkSettings(BaseSettings):
    """How the processes work: alarms, rules, how long agents have, monitoring and logs."""

    model_config = SettingsConfigDict(defer_build=True)  # only `Settings` is ever made

    alarm_silent_minutes: int = Field(
        120,
        ge=0,
        le=10_080,
        description="minutes within a number's opening hours after which nothing from WhatsApp is an alarm; 0: never",
    )
    alarm_private_hosts: Texts = Field(
        (),
        description="names or addresses of hosts that alarms may be posted to although they are in a private network, "
        "and over http, comma separated; empty: only public https addresses",
    )
    monitor_host: str = Field("127.0.0.1", description="address that /metrics, /healthz and /readyz listen on")
    monitor_port: Port = Field(
        9464, description="port of /metrics, /healthz and /readyz; a different one for each process of a machine"
    )
    traces_endpoint: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="URL of an OpenTelemetry collector that gets traces as OTLP over HTTP, e.g. "
        "http://collector:4318/v1/traces; empty: there are none",
    )
    traces_share: float = Field(
        1.0, ge=0, le=1, description="share of the webhooks' requests and of the console's commands that are traced"
    )
    rules_per_minute: int = Field(
        20,
        ge=1,
        le=10_000,
        description="actions of all rescue rules in a minute, at most; what is more waits, and somebody is called",
    )
    poison_per_minute: int = Field(
        20,
        ge=0,
        description="failures per minute, none a sender's doing, after which a partition or a worker stops for a while",
    )
    stalled_inbound_seconds: int = Field(
        600,
        ge=1,
        description="seconds without progress on the inbound topic after which timer and routing stop waiting for it",
    )
    reservation_seconds: int = Field(
        1800, ge=1, description="seconds that an exclusive transfer is reserved for its user or skillset"
    )
    offer_seconds: int = Field(60, ge=1, description="seconds that an agent has to accept an offered conversation")
    answer_seconds: int = Field(
        600,
        ge=1,
        description="seconds that an agent who accepted a conversation has until the first message to the customer",
    )
    answer_before_end_seconds: int = Field(
        1800,
        ge=0,
        description="seconds before the end of the window at which an accepted conversation without a message goes "
        "back to the list, if that is earlier",
    )
    answer_at_least_seconds: int = Field(
        180, ge=0, description="seconds that an agent has in any case after accepting a conversation"
    )
    reply_seconds: int = Field(
        600,
        ge=1,
        description="seconds within the number's hours after which a customer who was answered and wrote again is on "
        "the list",
    )
    presence_timeout_seconds: int = Field(
        300,
        ge=1,
        description="seconds without any event from an agent's desktop after which the agent counts as offline",
    )
    consumer_threads: int = Field(
        3, ge=1, le=64, description="batches that a consumer processes in parallel, each from different partitions"
    )
    consumer_instance: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._-]{1,200}$",
        description="static name of this consumer, unique in its group: after a restart it resumes at once",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level that is logged: debug, info, warning or error"
    )
    crash_at: str | None = Field(
        None,
        validation_alias="CRASH_AT",
        pattern=r"^[a-z.-]+(:[1-9][0-9]*)?$",
        description="for tests: exit when a crash point is reached for the n-th time, e.g. before-commit:2",
    )
