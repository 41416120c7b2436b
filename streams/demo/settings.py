"""What the demo changes for its worker: topics and files of its own, and a model that learns while one watches."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from risk.language import RuleFileError, load
from risk.sources import rule_files
from streams.security import Secret
from streams.settings import TABLE, Settings

LABEL_DAY_SECONDS = 1.0
FRAUD_SHARE = 0.03
"""More than in life, for there is only a minute to see some, and to learn from it."""
PRESUME_SECONDS = 10
FASTER: Mapping[str, float] = {
    "presume_after_days": round(PRESUME_SECONDS / 86_400, 6),
    "publish_every": 250,
    "rate": 0.03,
    "window": 5_000,
}
"""In life a payment is presumed legitimate after a week; here after ten seconds, or no version would ever be seen."""


LETS_IN = ("sasl_username", "sasl_password", "sasl_password_file", "tls_ca", "tls_cert", "tls_key")


def own_settings(settings: Settings, folder: Path, tag: str, partitions: int | None) -> Settings:
    """Settings of this run. On a Kafka that was there before, nothing of it meets another's topics or group: ``tag`` names them."""
    shared = "brokers" in settings.given
    # a Kafka of our own lets everybody in
    lets_all_in: dict[str, Any] = {} if shared else {"security_protocol": "PLAINTEXT", **dict.fromkeys(LETS_IN)}
    return dataclasses.replace(
        settings,
        **lets_all_in,
        rules=faster_rules(settings.rules, folder / "rules"),
        id=f"demo-{tag}" if shared else settings.id,
        topic_prefix=f"{settings.topic_prefix}demo-{tag}." if shared else settings.topic_prefix,
        partitions=partitions or settings.partitions,
        metrics_port=settings.metrics_port if "metrics_port" in settings.given else 0,
        state=folder / "state",
    )


def environment_of(settings: Settings) -> dict[str, str]:
    """The environment of a child process that reads back exactly these settings."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RISK_")}
    for row in TABLE:
        value = getattr(settings, row.attribute)
        if value is not None and str(value) != row.default:
            environment[row.variable] = value.reveal() if isinstance(value, Secret) else str(value)
    return environment


def faster_rules(rules: Path, copy: Path) -> Path:
    """A copy of the rule folder whose model learns faster; the folder itself where its model does not learn, or cannot be written anew."""
    if not rules.is_dir():
        return rules
    changed = False
    for inside, content in rule_files(rules):
        target = copy / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        whole: Any = yaml.safe_load(content) if b"learner:" in content else None
        model = whole.get("model") if isinstance(whole, dict) else None
        if isinstance(model, dict) and model.get("learner") != "fixed":
            model["settings"] = {**(model.get("settings") or {}), **FASTER}
            content = yaml.safe_dump(whole, sort_keys=False, allow_unicode=True).encode()
            changed = True
        target.write_bytes(content)
    if not changed:
        return rules
    try:
        load([copy])
    except RuleFileError:
        return rules
    return copy
