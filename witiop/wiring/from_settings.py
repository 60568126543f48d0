"""Translates settings into the arguments of the parts. Imports a part only when it is needed."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from domain.conversations.ownership.deadlines import AnswerPolicy
from domain.routing.transfers import RoutingPolicy
from domain.topics import Topics
from infra.kafka.config import KafkaConfig
from witiop.exit_codes import SettingsError
from witiop.setting_groups.values import SecretList
from witiop.settings import Settings, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from console.dependencies import MailComposition
    from consumers.workers.campaigns.worker import CampaignTerms
    from consumers.workers.mails import MailAttaching
    from domain.alarms.conditions import AlarmTerms
    from domain.alarms.texts import Translate
    from domain.campaigns.answers import AnswerTerms
    from domain.directory import Language
    from domain.mail import Mailer, MailPolicy
    from domain.mail_body.compose import MailSender
    from domain.sending.acceptance import SendingPolicy
    from infra.graph.access import GraphAccess
    from infra.media.store import StoreAccess
    from infra.media.streams import FileStreams
    from infra.openid.provider import OpenIdTerms
    from infra.postgres.console.sign_ins import SessionTerms
    from infra.process.traces import Traces
    from infra.ses.mailer import SesAccess


def kafka_config(settings: Settings) -> KafkaConfig:
    """Returns the connection to the brokers."""
    return KafkaConfig(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_username=settings.kafka_sasl_username,
        sasl_password=_revealed(settings.kafka_sasl_password),
        ssl_cafile=_as_text(settings.kafka_ssl_ca_file),
        ssl_certfile=_as_text(settings.kafka_ssl_cert_file),
        ssl_keyfile=_as_text(settings.kafka_ssl_key_file),
        ssl_password=_revealed(settings.kafka_ssl_key_password),
    )


def topics(settings: Settings) -> Topics:
    """Returns the names of the topics."""
    return Topics(settings.kafka_topic_prefix)


def consumer_group(settings: Settings, name: str) -> str:
    """Returns the consumer group of a process: `conversations`, `commands` or `analytics`."""
    return topics(settings).group(name)


def routing_policy(settings: Settings) -> RoutingPolicy:
    """Returns the timeouts of routing."""
    return RoutingPolicy(
        reservation=timedelta(seconds=settings.reservation_seconds),
        offer=timedelta(seconds=settings.offer_seconds),
        presence_timeout=timedelta(seconds=settings.presence_timeout_seconds),
        answer=AnswerPolicy(
            within=timedelta(seconds=settings.answer_seconds),
            before_end=timedelta(seconds=settings.answer_before_end_seconds),
            at_least=timedelta(seconds=settings.answer_at_least_seconds),
            reply=timedelta(seconds=settings.reply_seconds),
        ),
    )


def mail_policy(settings: Settings) -> "MailPolicy":
    """Returns the rules for mails: whether there are any, allowed domains and masking."""
    from domain.mail import MailPolicy
    from infra.ses.addresses import address

    domains, mask = frozenset(settings.mail_allowed_domains), settings.mail_mask
    return MailPolicy(address, domains, mask, enabled=settings.ses_sender is not None)


def mail_sender(settings: Settings) -> "MailSender":
    """Returns the sender of mails. The setting `ses_sender` must be set."""
    from domain.mail_body.compose import MailSender
    from infra.ses.addresses import address

    assert settings.ses_sender is not None
    return MailSender(
        settings.ses_sender,
        settings.ses_sender_name,
        settings.mail_reply_to,
        address,
        settings.organisation,
        public_console_url(settings),
    )


def public_console_url(settings: Settings) -> str | None:
    """Returns the address of the console that people outside can follow, None if none is set."""
    return settings.console_url if "console_url" in settings.model_fields_set else None


def alarm_terms(settings: Settings) -> "AlarmTerms":
    """Returns when an installation is silent."""
    from domain.alarms.conditions import AlarmTerms

    minutes = settings.alarm_silent_minutes
    return AlarmTerms(timedelta(minutes=minutes) if minutes else None)


def alarm_translations() -> "Callable[[Language], Translate]":
    """Returns the texts of alarms in each language: the console's catalogues have them, which are read when they are
    needed."""

    def translate(language: "Language") -> "Translate":
        if language == "en":
            return str
        from console.words import catalogue

        return catalogue(language).gettext

    return translate


def alarm_mailer(settings: Settings) -> "Mailer":
    """Opens what sends alarms by mail. The settings of SES must be set."""
    from infra.ses.mailer import SesMailer

    return SesMailer(ses_access(settings), settings.ses_configuration_set)


def mail_composition(settings: Settings) -> "MailComposition | None":
    """Returns what the console needs to compose mails, None if this installation sends none."""
    from console.dependencies import MailComposition

    if settings.ses_sender is None:
        return None
    attach_bytes = settings.mail_attach_bytes if settings.media_bucket else None
    return MailComposition(mail_policy(settings), mail_sender(settings), attach_bytes)


def ses_access(settings: Settings) -> "SesAccess":
    """Returns the connection to SES."""
    from infra.ses.mailer import SesAccess

    key_id, secret = settings.ses_access_key_id, _revealed(settings.ses_secret_access_key)
    return SesAccess(settings.ses_region, settings.ses_endpoint, (key_id, secret) if key_id and secret else None)


def graph_access(settings: Settings) -> "GraphAccess":
    """Returns the connection to Meta's Graph API."""
    from consumers.workers.posts import RECEIPTS
    from infra.graph.access import GraphAccess

    token = settings.whatsapp_access_token.get_secret_value()
    connections = settings.sending_in_flight + RECEIPTS + 1  # one more reads templates and numbers
    return GraphAccess(settings.graph_url, settings.graph_version, token, connections)


def store_access(settings: Settings) -> "StoreAccess":
    """Returns the connection to the store of files. The setting `media_bucket` must be set."""
    from infra.media.store import StoreAccess

    key_id, secret = settings.media_access_key_id, _revealed(settings.media_secret_access_key)
    key = (key_id, secret) if key_id and secret else None
    return StoreAccess(settings.media_bucket, settings.media_region, settings.media_endpoint, key)


def mail_attaching(settings: Settings) -> "MailAttaching | None":
    """Returns what mails attach files with, None if this installation keeps none."""
    from consumers.workers.mails import MailAttaching
    from infra.media.store import S3FileStore

    if not settings.media_bucket:
        return None
    store = S3FileStore(replace(store_access(settings), read_seconds=5))
    return MailAttaching(store.read, settings.mail_attach_bytes)


def file_streams(settings: Settings) -> "FileStreams | None":
    """Returns what the console shows files with, None if this installation keeps none."""
    from infra.media.store import S3FileStore
    from infra.media.streams import FileStreams

    return FileStreams(S3FileStore(store_access(settings))) if settings.media_bucket else None


def sending_policy(settings: Settings) -> "SendingPolicy":
    """Returns the rules for sending: whether it is on, and to whom."""
    from domain.sending.acceptance import SendingPolicy

    return SendingPolicy(settings.sending_enabled, frozenset(settings.sending_allowed_to))


def campaign_terms(settings: Settings) -> "CampaignTerms":
    """Returns how campaigns are planned and watched."""
    from consumers.workers.campaigns.worker import CampaignTerms
    from domain.campaigns.canary import CanaryTerms

    canary = CanaryTerms(settings.campaign_canary, settings.campaign_canary_from)
    return CampaignTerms(sending_policy(settings), settings.campaign_us_marketing, canary)


def answer_terms(settings: Settings) -> "AnswerTerms":
    """Returns for how long a customer's message answers a campaign."""
    from domain.campaigns.answers import AnswerTerms

    return AnswerTerms(timedelta(hours=settings.campaign_answer_hours))


def traces(settings: Settings, process: str) -> "Traces | None":
    """Opens the export of a process's traces; None: they are off."""
    if not settings.traces_endpoint:
        return None
    from infra.process.traces import Traces

    return Traces(process, settings.traces_endpoint, settings.traces_share)


@contextmanager
def closing_traces(settings: Settings, process: str) -> "Iterator[Traces | None]":
    """Yields what `traces` opens, and closes it at the end."""
    opened = traces(settings, process)
    try:
        yield opened
    finally:
        if opened is not None:
            opened.close()


def openid_terms(settings: Settings) -> "OpenIdTerms | None":
    """Returns what the console knows about its OpenID provider; None: there is none."""
    from infra.openid.provider import OpenIdTerms
    from infra.openid.roles import read_role

    if not settings.openid_issuer:
        return None
    return OpenIdTerms(
        issuer=settings.openid_issuer,
        client_id=settings.openid_client_id,
        client_secret=settings.openid_client_secret.get_secret_value(),
        console_url=settings.console_url.rstrip("/"),
        scopes=settings.openid_scopes,
        roles=tuple(map(read_role, settings.openid_roles)),
        role_claim=settings.openid_role_claim,
        name_claim=settings.openid_name_claim,
        label=settings.openid_label,
    )


def session_terms(settings: Settings) -> "SessionTerms":
    """Returns when users are signed out of the console."""
    from infra.postgres.console.sign_ins import SessionTerms

    return SessionTerms(
        idle=timedelta(seconds=settings.console_idle_seconds),
        longest=timedelta(seconds=settings.console_session_seconds),
        since=settings.console_sessions_since,
    )


def role_passwords(settings: Settings) -> dict[str, str]:
    """Returns process -> password of its database role. Raises SettingsError if a process has none."""
    from infra.postgres.roles import ROLE_PROCESSES

    return _by_process(settings, "role_passwords", ROLE_PROCESSES)


def principal_passwords(settings: Settings) -> dict[str, str]:
    """Returns process -> password of its user at the brokers. Raises SettingsError if a process has none."""
    from infra.kafka.access.privileges import KAFKA_PROCESSES

    return _by_process(settings, "kafka_principal_passwords", KAFKA_PROCESSES)


def _by_process(settings: Settings, field: str, known: "Sequence[str]") -> dict[str, str]:
    given: SecretStr = getattr(settings, field)
    pairs = (each.strip().partition(":") for each in given.get_secret_value().split(","))
    found = {process: password for process, _, password in pairs if process}
    if found.keys() - known:
        # without its name, which may be a password that stands on the wrong side
        raise SettingsError(f"{variable(field)}: one of these is no process with a password: use {', '.join(known)}")
    return found


def secret_bytes(secrets: SecretList) -> tuple[bytes, ...]:
    """Returns the secrets in UTF-8, in their order: the first signs, each of them verifies."""
    return tuple(secret.get_secret_value().encode() for secret in secrets)


def _revealed(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


def _as_text(path: Path | None) -> str | None:
    return str(path) if path else None
