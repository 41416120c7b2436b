"""`risk explain`: one event decided, with every rule's conditions and the values they read.

Belongs here: options, files, exit codes. Never: what an explanation says (`risk.tools.explaining`, `risk.tools.explained`).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from risk.cli.files import RulesOption, bytes_of, lines_of, ruleset_at, version_at, wrong
from risk.engine import InProcess
from risk.events import BadEvent
from risk.language import RuleSet
from risk.language.suggest import closest
from risk.tools.explained import as_data, explained
from risk.tools.explaining import Explanation, NotDecided, explain_event, explain_receipt, feed_history, machine
from risk.tools.messages import BadMessage, Message, is_receipt, message_of, messages, payment_id_of

REFUSED_SHOWN = 3


def explain(
    event: Annotated[
        Path, typer.Argument(help="A producer's event, or a receipt, as JSON; `-` reads it from the standard input.", metavar="EVENT.json")
    ],
    history: Annotated[
        Path | None, typer.Option(help="Events before it, JSON lines in order (`risk simulate --out` writes such a file).")
    ] = None,
    rules: RulesOption = Path("rules"),
    rule: Annotated[str | None, typer.Option(help="Only this rule; one in draft or disabled is run as if it were live, alone.")] = None,
    model: Annotated[Path | None, typer.Option(help="A file with the bytes of the model version that scores. Without: no score.")] = None,
    score: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Take this as the model's score.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show the conditions of silent rules too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Decide one event and show why: each rule's conditions with their values, near misses, what is unknown.

    The file holds a payment as a producer sends it: then --history gives what came before. Where the history holds the payment itself,
    it is played up to there. Or the file holds a receipt of the topic risk.receipts: then the values are those of the receipt.
    Nothing is written anywhere. Exit 0: explained; 2: the rule files, the event or an option is wrong.
    """
    ruleset = ruleset_at("explain", rules)
    _check_rule(ruleset, rule)
    version = version_at("explain", ruleset, model)
    try:
        message = message_of(bytes_of("explain", event), str(event))
        engine = machine(ruleset, rule, version)
        said = _receipt(engine, message, rule, history) if is_receipt(message) else _event(engine, message, rule, history, score)
    except BadEvent as refused:
        wrong("explain", f"{event} would be a dead letter: {refused.reason}, {refused.detail}")
    except (BadMessage, NotDecided) as problem:
        wrong("explain", problem)
    if rule is not None and ruleset.rules[rule].mode not in ("live", "shadow"):
        said.notes.append(f"rule `{rule}` is {ruleset.rules[rule].mode}: shown alone, as if it were live")
    if ruleset.model is not None and said.model_version is None and said.outcome.model_score is None:
        said.notes.append("no model version, so no score: give --model FILE or --score")
    typer.echo(json.dumps(as_data(said), indent=2, ensure_ascii=False) if as_json else explained(said, everything=everything), nl=as_json)


def _check_rule(ruleset: RuleSet, rule: str | None) -> None:
    if rule is not None and rule not in ruleset.rules:
        near = closest(rule, ruleset.rules)
        wrong("explain", f"there is no rule `{rule}`" + (f"; did you mean `{near}`?" if near else ""))


def _receipt(engine: InProcess, message: Message, rule: str | None, history: Path | None) -> Explanation:
    if history is not None:
        wrong("explain", "a receipt holds the values already; leave --history out")
    return explain_receipt(engine, message, rule)


def _event(engine: InProcess, message: Message, rule: str | None, history: Path | None, score: float | None) -> Explanation:
    notes = []
    if history is not None:
        fed = feed_history(engine, messages(lines_of("explain", history)), payment_id_of(message))
        stopped = f", up to line {fed.met_itself_at}, where this payment stands" if fed.met_itself_at is not None else ""
        notes.append(f"{fed.events} event{'' if fed.events == 1 else 's'} of {history} came before{stopped}")
        for line, reason in fed.refused[:REFUSED_SHOWN]:
            notes.append(f"line {line} of the history is no event: {reason}")
        if len(fed.refused) > REFUSED_SHOWN:
            notes.append(f"{len(fed.refused) - REFUSED_SHOWN} more lines of the history are no events")
    else:
        notes.append("without --history nothing came before: counts and sums hold at most the event itself")
    said = explain_event(engine, message, rule, score)
    said.notes[:0] = notes
    return said
