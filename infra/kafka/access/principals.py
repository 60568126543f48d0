"""Brings the access lists of a cluster, and the passwords of its SCRAM users, in line with `privileges`.

A cluster without an authorizer lets everybody do everything: there is nothing to set there.
"""

from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    KafkaAdminClient,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from kafka.errors import ClusterAuthorizationFailedError, SecurityDisabledError

from domain.topics import Topics
from infra.kafka.access.privileges import ACCESS, KAFKA_PROCESSES, KafkaGrant, grants, principal_of
from infra.kafka.client import open_client
from infra.kafka.config import KafkaConfig

_OPTIONS = {"bootstrap_timeout_ms": 5_000, "request_timeout_ms": 10_000}
_ITERATIONS = 8192


class AccessRefused(Exception):
    """The brokers refused to change who may do what. The text says why."""


class AccessChange(NamedTuple):
    """A permission that was granted to a principal or revoked, or a password that was set, as text."""

    principal: str
    what: str


class AccessDifferences(NamedTuple):
    """Permissions, per principal, that the cluster lacks, and that it has beyond the table."""

    missing: Mapping[str, list[KafkaGrant]]
    extra: Mapping[str, list[Any]]


def provide(config: KafkaConfig, topics: Topics, passwords: Mapping[str, str]) -> list[AccessChange] | None:
    """Gives each principal exactly its permissions, and sets the passwords (process -> password). Returns the changes;
    None if the cluster has no authorizer, or does not let these credentials manage access. What an administrator denied
    by hand stays denied. May be repeated at any time.

    Raises:
        AccessRefused: the brokers refused a change.
        kafka.errors.KafkaError: no broker answered.
    """
    with _admin(config) as admin:
        found = _differences(admin, topics)
        if found is None:
            return None
        return [
            *_set_passwords(admin, config, topics, passwords),
            *_grant(admin, found.missing),
            *_revoke(admin, found.extra),
        ]


def differences(config: KafkaConfig, topics: Topics) -> AccessDifferences | None:
    """Returns how the cluster differs from the table; None as for `provide`. Changes nothing.

    Raises:
        kafka.errors.KafkaError: no broker answered.
    """
    with _admin(config) as admin:
        return _differences(admin, topics)


def _admin(config: KafkaConfig) -> closing[Any]:
    return closing(open_client(KafkaAdminClient, **config.client_options(), **_OPTIONS))


def _differences(admin: Any, topics: Topics) -> AccessDifferences | None:
    everything = ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY)  # type: ignore[no-untyped-call]
    wanted = ACLFilter(None, None, ACLOperation.ANY, ACLPermissionType.ALLOW, everything)  # type: ignore[no-untyped-call]
    try:
        held, _ = admin.describe_acls(wanted)
    except (SecurityDisabledError, ClusterAuthorizationFailedError):
        return None
    missing, extra = {}, {}
    for process in ACCESS:
        principal = principal_of(process, topics)
        theirs = {_text(acl): acl for acl in held if acl.principal == f"User:{principal}"}
        due = {_text(_acl(principal, grant)): grant for grant in grants(process, topics)}
        missing[principal] = [grant for text, grant in due.items() if text not in theirs]
        extra[principal] = [acl for text, acl in theirs.items() if text not in due]
    return AccessDifferences(missing, extra)


def _acl(principal: str, grant: KafkaGrant) -> Any:
    resource = ResourcePattern(ResourceType[grant.kind.upper()], grant.name)  # type: ignore[no-untyped-call]
    operation = ACLOperation[grant.operation.upper()]
    return ACL(f"User:{principal}", "*", operation, ACLPermissionType.ALLOW, resource)  # type: ignore[no-untyped-call]


def _text(acl: Any) -> str:
    """A permission in words, by which two of them are compared, e.g. `read of topic witiop.inbound.v1`."""
    pattern = acl.resource_pattern
    beginning = "" if pattern.pattern_type is ACLResourcePatternType.LITERAL else " (prefix)"
    host = "" if acl.host == "*" else f" from {acl.host}"
    kind = pattern.resource_type.name.lower()
    return f"{acl.operation.name.lower()} of {kind} {pattern.resource_name}{beginning}{host}"


def _grant(admin: Any, missing: Mapping[str, list[KafkaGrant]]) -> Iterable[AccessChange]:
    acls = [_acl(principal, grant) for principal, due in missing.items() for grant in due]
    if not acls:
        return []
    refused = admin.create_acls(acls)["failed"]
    if refused:
        raise AccessRefused(f"permissions were not granted: {refused[0].__name__}")
    return [AccessChange(acl.principal.removeprefix("User:"), f"may {_text(acl)}") for acl in acls]


def _revoke(admin: Any, extra: Mapping[str, list[Any]]) -> Iterable[AccessChange]:
    acls = [acl for held in extra.values() for acl in held]
    if not acls:
        return []
    for _, _, error in admin.delete_acls([_exactly(acl) for acl in acls]):
        if error.errno:
            raise AccessRefused(f"permissions were not revoked: {error.__name__}")
    return [AccessChange(acl.principal.removeprefix("User:"), f"may no longer {_text(acl)}") for acl in acls]


def _exactly(acl: Any) -> Any:
    pattern = acl.resource_pattern
    resource = ResourcePatternFilter(pattern.resource_type, pattern.resource_name, pattern.pattern_type)  # type: ignore[no-untyped-call]
    return ACLFilter(acl.principal, acl.host, acl.operation, acl.permission_type, resource)  # type: ignore[no-untyped-call]


def _set_passwords(
    admin: Any, config: KafkaConfig, topics: Topics, passwords: Mapping[str, str]
) -> Iterable[AccessChange]:
    due = {principal_of(process, topics): passwords[process] for process in KAFKA_PROCESSES if process in passwords}
    if not due:
        return []
    if config.sasl_mechanism == "PLAIN":
        raise AccessRefused("the passwords of PLAIN users are in the configuration of the brokers: set them there")
    mechanism = ScramMechanism[(config.sasl_mechanism or "SCRAM-SHA-512").replace("-", "_")]
    upserts = [
        UserScramCredentialUpsertion(user, mechanism, password=password.encode(), iterations=_ITERATIONS)  # type: ignore[no-untyped-call]
        for user, password in due.items()
    ]
    for user, refusal in admin.alter_user_scram_credentials(upserts).items():
        if refusal:
            raise AccessRefused(f"the password of {user} was not set: {refusal}")
    return [AccessChange(user, "password set") for user in due]
