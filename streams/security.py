"""How a client of Kafka is let in: encryption, certificates, name and password.

Rule 1: every client that the product makes gets its address from here (``kafka_at``), and with the address all that it needs.
Rule 2: a secret is never text until a client asks for it: what is logged, printed or shown shows stars.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.settings import Settings

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN")
OF_SASL = ("sasl_mechanism", "sasl_username", "sasl_password", "sasl_password_file")
OF_TLS = ("tls_ca", "tls_cert", "tls_key")


class Secret:
    """A text that nobody sees by accident."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return "***"

    def reveal(self) -> str:
        return self._text


@dataclass(frozen=True, slots=True)
class Security:
    """What a client shows and asks for. ``context``: whom it trusts, and its own certificate; None without encryption."""

    protocol: str
    mechanism: str | None = None
    username: str | None = None
    password: Secret | None = None
    context: ssl.SSLContext | None = None

    def options(self) -> dict[str, Any]:
        """In the words of aiokafka."""
        found: dict[str, Any] = {"security_protocol": self.protocol, "ssl_context": self.context}
        if self.mechanism is not None and self.password is not None:
            found |= {"sasl_mechanism": self.mechanism, "sasl_plain_username": self.username, "sasl_plain_password": self.password.reveal()}
        return found


class Brokers(str):
    """host:port,… and how one is let in there."""

    __slots__ = ("security",)
    security: Security

    @classmethod
    def behind(cls, brokers: str, security: Security) -> Brokers:
        """The same addresses, with what they ask for."""
        made = cls(brokers)
        made.security = security
        return made


def kafka_at(brokers: str) -> dict[str, Any]:
    """What any aiokafka client must be given to reach these brokers; plain text means a Kafka that lets everybody in."""
    security = brokers.security.options() if isinstance(brokers, Brokers) else {}
    return {"bootstrap_servers": str(brokers), **security}


def secured(settings: Settings, problems: list[str]) -> str:
    """The brokers with what the settings say of security; whatever does not fit together is added to ``problems``."""
    protocol, given = settings.security_protocol, settings.given
    sasl, tls = protocol.startswith("SASL"), protocol.endswith("SSL")
    for names, used, needed in ((OF_SASL, sasl, "SASL_SSL or SASL_PLAINTEXT"), (OF_TLS, tls, "SSL or SASL_SSL")):
        idle = [f"RISK_{name.upper()}" for name in names if name in given and not used]
        if idle:
            problems.append(f"{', '.join(idle)}: without effect while RISK_SECURITY_PROTOCOL is {protocol}; set it to {needed}")
    password = _password(settings, problems) if sasl else None
    context = _context(settings, problems) if tls else None
    if protocol == "PLAINTEXT" or problems:
        return settings.brokers
    mechanism = settings.sasl_mechanism if sasl else None
    return Brokers.behind(settings.brokers, Security(protocol, mechanism, settings.sasl_username, password, context))


def _password(settings: Settings, problems: list[str]) -> Secret | None:
    if settings.sasl_username is None:
        problems.append(f"RISK_SASL_USERNAME: needed with RISK_SECURITY_PROTOCOL={settings.security_protocol}")
    if (settings.sasl_password is None) == (settings.sasl_password_file is None):
        problems.append("RISK_SASL_PASSWORD_FILE, or RISK_SASL_PASSWORD: exactly one of them is needed with SASL")
        return None
    if settings.sasl_password_file is None:
        return settings.sasl_password
    try:
        return Secret(settings.sasl_password_file.read_text(encoding="utf-8").rstrip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"RISK_SASL_PASSWORD_FILE: cannot be read: {_why(error)}")
        return None


def _context(settings: Settings, problems: list[str]) -> ssl.SSLContext | None:
    if settings.tls_key is not None and settings.tls_cert is None:
        problems.append("RISK_TLS_CERT: needed with RISK_TLS_KEY")
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca)
    except (OSError, ssl.SSLError) as error:
        problems.append(f"RISK_TLS_CA: {settings.tls_ca} cannot be used: {_why(error)}")
        return None
    try:
        if settings.tls_cert is not None:
            context.load_cert_chain(settings.tls_cert, settings.tls_key)
    except (OSError, ssl.SSLError) as error:
        problems.append(f"RISK_TLS_CERT, RISK_TLS_KEY: {settings.tls_cert} cannot be used: {_why(error)}")
        return None
    return context


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
