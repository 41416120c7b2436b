"""Settings of security: what does not fit together is refused, and a secret is shown nowhere."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from streams.demo.settings import environment_of, own_settings
from streams.security import Brokers, Secret, kafka_at
from streams.settings import Settings, SettingsProblem, help_text, read_settings

SECRET = "open sesame"
SASL = {"RISK_SECURITY_PROTOCOL": "SASL_SSL", "RISK_SASL_USERNAME": "worker", "RISK_SASL_PASSWORD": SECRET}


def test_without_a_word_of_security_a_client_gets_the_address_alone() -> None:
    assert kafka_at(read_settings({"RISK_BROKERS": "a:1,b:2"}).brokers) == {"bootstrap_servers": "a:1,b:2"}
    assert kafka_at("a:1") == {"bootstrap_servers": "a:1"}


def test_a_client_gets_all_that_the_settings_say() -> None:
    options = kafka_at(read_settings(SASL | {"RISK_BROKERS": "a:1"}).brokers)
    context = options.pop("ssl_context")
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname
    assert options == {
        "bootstrap_servers": "a:1",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "worker",
        "sasl_plain_password": SECRET,
    }


def test_the_password_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(SECRET + "\n", encoding="utf-8")
    given = {"RISK_SECURITY_PROTOCOL": "SASL_PLAINTEXT", "RISK_SASL_USERNAME": "worker", "RISK_SASL_PASSWORD_FILE": str(file)}
    options = kafka_at(read_settings(given).brokers)
    assert options["sasl_plain_password"] == SECRET and options["ssl_context"] is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"RISK_SECURITY_PROTOCOL": "TLS"}, "RISK_SECURITY_PROTOCOL"),
        ({"RISK_SASL_USERNAME": "worker"}, "RISK_SASL_USERNAME: without effect while RISK_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"RISK_TLS_CA": "ca.pem"}, "RISK_TLS_CA: without effect while RISK_SECURITY_PROTOCOL is PLAINTEXT"),
        (SASL | {"RISK_SASL_USERNAME": ""}, "RISK_SASL_USERNAME: needed"),
        (SASL | {"RISK_SASL_PASSWORD": ""}, "exactly one of them"),
        (SASL | {"RISK_SASL_PASSWORD_FILE": "x"}, "exactly one of them"),
        (SASL | {"RISK_SASL_PASSWORD": "", "RISK_SASL_PASSWORD_FILE": "nowhere"}, "RISK_SASL_PASSWORD_FILE: cannot be read: No such file"),
        (SASL | {"RISK_TLS_CA": "nowhere.pem"}, "RISK_TLS_CA: nowhere.pem cannot be used: No such file"),
        (SASL | {"RISK_TLS_KEY": "key.pem"}, "RISK_TLS_CERT: needed with RISK_TLS_KEY"),
        (SASL | {"RISK_TLS_CERT": __file__}, "RISK_TLS_CERT, RISK_TLS_KEY"),
    ],
)
def test_what_does_not_fit_together_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsProblem) as told:
        read_settings(given)
    assert said in str(told.value)
    assert SECRET not in str(told.value)


def test_a_secret_is_shown_nowhere() -> None:
    settings = read_settings(SASL)
    shown = f"{settings} {settings!r} {Secret(SECRET)} {settings.brokers!r} {getattr(settings.brokers, 'security', None)!r} {help_text()}"
    assert SECRET not in shown and "***" in shown


def test_the_demo_hands_its_worker_the_secret_where_it_uses_the_same_kafka_and_nothing_where_it_starts_its_own(tmp_path: Path) -> None:
    shared = own_settings(read_settings(SASL | {"RISK_BROKERS": "a:1"}), tmp_path, "x", None)
    again = read_settings({name: text for name, text in environment_of(shared).items() if name.startswith("RISK_")})
    assert isinstance(again.brokers, Brokers) and kafka_at(again.brokers)["sasl_plain_password"] == SECRET
    alone = environment_of(own_settings(read_settings(SASL), tmp_path, "x", None))
    assert not [name for name in alone if name.startswith(("RISK_SASL", "RISK_TLS", "RISK_SECURITY"))]
    assert Settings().security_protocol == "PLAINTEXT"
