"""Connection settings for the brokers, the same for every client of a process."""

from dataclasses import dataclass, field
from typing import Any, Literal

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

RECONNECT_BACKOFF_MAX_MS = 500
"""kafka-python's default is 30 s. With this value, a broker that returns is in use again within a second."""


@dataclass(frozen=True, slots=True)
class KafkaConfig:
    """Broker addresses as host:port and, if the brokers require them, TLS files (PEM) and credentials. Raises
    ValueError for a combination that cannot work. Host names in certificates are always checked."""

    bootstrap_servers: tuple[str, ...]
    client_id: str = "witiop"
    security_protocol: SecurityProtocol = "PLAINTEXT"
    sasl_mechanism: SaslMechanism | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not self.bootstrap_servers:
            raise ValueError("bootstrap_servers: at least one host:port is required")
        credentials = (self.sasl_mechanism, self.sasl_username, self.sasl_password)
        if self.security_protocol.startswith("SASL_") and not all(credentials):
            raise ValueError(f"{self.security_protocol} requires sasl_mechanism, sasl_username and sasl_password")

    def client_options(self) -> dict[str, Any]:
        """Returns the keyword arguments that every kafka-python client accepts."""
        return {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "sasl_mechanism": self.sasl_mechanism,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": self.sasl_password,
            "ssl_cafile": self.ssl_cafile,
            "ssl_certfile": self.ssl_certfile,
            "ssl_keyfile": self.ssl_keyfile,
            "ssl_password": self.ssl_password,
            "reconnect_backoff_max_ms": RECONNECT_BACKOFF_MAX_MS,
        }
