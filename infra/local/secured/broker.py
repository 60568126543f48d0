"""A broker that speaks TLS only, knows its clients by SCRAM, and allows what an access list names."""

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.local import CACHE_DIR
from infra.local.kafka import LocalKafka
from infra.local.secured.certificates import CertificateAuthority

HOST = "localhost"
"""The only name in the broker's certificate: clients that use its number are refused by their own check."""
ADMINISTRATOR = "administrator"


class SecuredKafka(LocalKafka):
    """A single node with SASL_SSL and an authorizer. Also its own connection to the controller needs a certificate."""

    def __init__(self, data_dir: Path, cache_dir: Path = CACHE_DIR) -> None:
        super().__init__(data_dir, cache_dir=cache_dir)
        data_dir.mkdir(parents=True, exist_ok=True)
        self._authority = CertificateAuthority(data_dir)
        self._certificate = self._authority.issue(HOST)
        self._password = secrets.token_hex(16)

    @property
    def bootstrap(self) -> str:
        return f"{HOST}:{self._node.port}"

    @property
    def authority_file(self) -> Path:
        """The certificate that clients trust."""
        return self._authority.file

    def client(self, user: str, password: str, host: str = HOST) -> dict[str, Any]:
        """Returns the fields of a KafkaConfig for a user."""
        return {
            "bootstrap_servers": (f"{host}:{self._node.port}",),
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": user,
            "sasl_password": password,
            "ssl_cafile": str(self._authority.file),
        }

    def administrator(self) -> dict[str, Any]:
        """Returns the fields of a KafkaConfig for the user who may do everything."""
        return self.client(ADMINISTRATOR, self._password)

    def settings(self, user: str, password: str) -> dict[str, object]:
        """Returns the settings of a process that connects as this user."""
        return {
            "kafka_bootstrap_servers": self.bootstrap,
            "kafka_security_protocol": "SASL_SSL",
            "kafka_sasl_mechanism": "SCRAM-SHA-512",
            "kafka_sasl_username": user,
            "kafka_sasl_password": password,
            "kafka_ssl_ca_file": self._authority.file,
        }

    def administrator_settings(self) -> dict[str, object]:
        """Returns the settings of the command line for the user who may do everything."""
        return self.settings(ADMINISTRATOR, self._password)

    def _prepare(self, argv: Sequence[str | Path]) -> None:
        """The first user is created with the directory, because without a user nobody can create another."""
        super()._prepare([*argv, "--add-scram", f"SCRAM-SHA-512=[name={ADMINISTRATOR},password={self._password}]"])

    def _properties(self, log_dir: str) -> str:
        name = super()._properties(log_dir)
        listener = "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config"
        login = "org.apache.kafka.common.security.scram.ScramLoginModule"
        secured = {  # of two lines for one setting, the last one counts
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SSL",
            "listeners": f"SASL_SSL://{self._node.bootstrap},CONTROLLER://{self._node.controller}",
            "advertised.listeners": f"SASL_SSL://{self.bootstrap}",
            "controller.quorum.voters": f"1@{HOST}:{self._node.controller_port}",
            "inter.broker.listener.name": "SASL_SSL",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "sasl.mechanism.inter.broker.protocol": "SCRAM-SHA-512",
            listener: f'{login} required username="{ADMINISTRATOR}" password="{self._password}";',
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._certificate.both.name,
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": self._authority.file.name,
            "listener.name.controller.ssl.client.auth": "required",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": f"User:{ADMINISTRATOR};User:CN={HOST}",
        }
        file = self._directory / name
        file.touch(mode=0o600)
        with file.open("a", encoding="ascii") as properties:
            properties.writelines(f"{key}={value}\n" for key, value in secured.items())
        return name
