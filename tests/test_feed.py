"""Recorded streams: the map from somebody else's columns, and how its mistakes are told."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as arrow
import pyarrow.parquet as parquet
import pytest
from aiokafka import AIOKafkaConsumer
from typer import Typer
from typer.testing import CliRunner

from risk.language import load
from risk.world import World
from streams.cli import simulate as simulate_command
from streams.cli.feed import delay_of, speed_of
from streams.labelled import labelled, relabelled, truth
from streams.publish import publish
from streams.recorded import MapProblem, Recorded, count_rows, lines, read_map, rows
from streams.settings import Settings
from streams.topics import NoKafka

EXAMPLE = Path(__file__).parent.parent / "examples" / "sparkov"
RUN = CliRunner()
COLUMNS = {
    "id": ["a", "b", "c"],
    "at": [1_735_689_968_000, 1_735_689_969_500, 1_735_689_970_000],
    "yuan": [12.345, 0.1, None],
    "who": ["cus_1", "cus_2", "cus_1"],
}
MAP = """
fields:
  event: {constant: payment}
  payment_id: {template: "pay_{id}"}
  occurred_at: {column: at, unit: ms}
  amount.currency: {constant: CNY}
  amount.value: {column: yuan, scale: 100}
  payer.id: {column: who}
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "map.yaml"
        path.write_text(text)
        return path

    return write


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "stream.parquet"
    parquet.write_table(arrow.table(COLUMNS), path)
    return path


def problems_of(act: Callable[[], Any]) -> str:
    with pytest.raises(MapProblem) as caught:
        act()
    return str(caught.value)


def test_columns_become_fields_in_nested_json_with_units_and_scales(written, recorded) -> None:
    first, second, third = rows(recorded, read_map(written(MAP)))
    assert first[:3] == (1_735_689_968_000, "payments", "cus_1")
    assert json.loads(first.value) == {
        "event": "payment",
        "payment_id": "pay_a",
        "occurred_at": "2025-01-01T00:06:08.000Z",
        "amount": {"currency": "CNY", "value": 1235},
        "payer": {"id": "cus_1"},
    }
    assert json.loads(second.value)["amount"]["value"] == 10
    assert json.loads(third.value)["amount"] == {"currency": "CNY"}, "a null leaves its field out"


def test_the_example_map_gives_events_of_the_example_schema(tmp_path) -> None:
    columns: dict[str, list[Any]] = {
        "payment_id": ["5f0a"], "occurred_at_ms": [1_735_689_968_000], "card_id": ["card_1"], "customer_id": ["cus_1"],
        "merchant_id": ["mer 1"], "category": ["gas_transport"], "amount_minor": [6309], "gender": ["M"], "birth_year": [1974],
        "state": ["TX"], "city_pop": [23047], "lat": [28.5], "long": [-95.9], "merch_lat": [29.1], "merch_long": [-95.25],
    }  # fmt: skip
    path = tmp_path / "sparkov.parquet"
    parquet.write_table(arrow.table(columns), path)
    ruleset = load([EXAMPLE / "rules"])
    (said,) = rows(path, read_map(EXAMPLE / "map.yaml"))
    event: Any = ruleset.schema.decode(said.value)
    assert (event.payment_id, event.amount, event.occurred_at, event.payee_lon) == ("pay_5f0a", 6309, 1_735_689_968_000, -95.25)
    assert ruleset.schema.extra_fields == 0


def test_json_lines_are_read_like_parquet_with_dotted_names_for_nested_ones(written, tmp_path) -> None:
    path = tmp_path / "stream.jsonl"
    first_line = '{"id": "a", "time": {"at": 1735689968.25}, "who": "cus_1"}'
    path.write_text(first_line + '\n\n{"id": "b", "time": {"at": 1735689969}, "who": "cus_2"}\n')
    text = """
topic: activity
fields:
  event: {constant: login}
  occurred_at: {column: time.at, unit: s}
  payer.id: {column: who}
"""
    first, second = rows(path, read_map(written(text)))
    assert first == Recorded(1_735_689_968_250, "activity", "cus_1", first.value)
    assert json.loads(first.value)["occurred_at"] == "2025-01-01T00:06:08.250Z"
    assert second.due_ms == 1_735_689_969_000


def test_an_unknown_column_names_the_close_match_and_all_columns(written, recorded) -> None:
    text = problems_of(lambda: list(rows(recorded, read_map(written(MAP.replace("column: yuan", "column: yaun"))))))
    assert "amount.value: stream.parquet has no column `yaun`; did you mean `yuan`?" in text
    assert "its columns are id, at, yuan, who" in text


def test_an_unknown_column_in_a_template_is_found_too(written, recorded) -> None:
    row_map = read_map(written(MAP.replace("{id}", "{ids}")))
    assert "has no column `ids`; did you mean `id`?" in problems_of(lambda: list(rows(recorded, row_map)))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("fields:", "topics: payments\nfields:"), "`topics` is not a setting of a map; did you mean `topic`?"),
        (("fields:", "topic: payment\nfields:"), "`topic` is one of payments, activity, labels, not `payment`"),
        (("fields:", "key: payer.ids\nfields:"), "`key: payer.ids` names no entry of `fields`; did you mean `payer.id`?"),
        (("unit: ms", "unit: us"), "`unit` is ms or s"),
        ((", unit: ms", ""), "needs `unit: ms` or `unit: s`"),
        (("scale: 100", "scale: a hundred"), "`scale` is a number, not `a hundred`"),
        (("scale: 100", "scale: 100, unit: ms"), "one of them"),
        (("{column: who}", "{column: who, constant: x}"), "exactly one of `column`, `template`, `constant`"),
        (("{column: who}", "{colum: who}"), "`colum` is not known here; did you mean `column`?"),
        (("{column: who}", "who"), "expected {column: NAME}"),
        (("{column: who}", "{column: who}\n  payer: {column: id}"), "`payer` is also the beginning of `payer.id`"),
        (("pay_{id}", "pay_{id!r}"), "a template holds column names in braces, nothing more"),
    ],
)
def test_mistakes_in_a_map_are_told_in_words(written, change: tuple[str, str], said: str) -> None:
    assert said in problems_of(lambda: read_map(written(MAP.replace(*change))))


def test_all_mistakes_are_told_at_once(written) -> None:
    text = problems_of(lambda: read_map(written(MAP.replace("unit: ms", "unit: us").replace("scale: 100", "scale: x"))))
    assert len(text.splitlines()) == 2


@pytest.mark.parametrize("text", ["", "[1, 2]", "fields: 3", "{"])
def test_what_is_no_map_is_refused(written, text: str) -> None:
    assert "map.yaml" in problems_of(lambda: read_map(written(text)))


def test_a_row_that_cannot_be_mapped_is_named(written, tmp_path) -> None:
    path = tmp_path / "stream.jsonl"
    path.write_text('{"id":"a","at":1,"yuan":1,"who":"c"}\n{"id":"b","at":2,"yuan":"many","who":"c"}\n')
    assert f"{path}: row 2" in problems_of(lambda: list(rows(path, read_map(written(MAP)))))
    path.write_text('{"id":"a","at":null,"yuan":1,"who":"c"}\n')
    assert "row 1: no value for `occurred_at`" in problems_of(lambda: list(rows(path, read_map(written(MAP)))))


def test_rows_are_read_in_batches_not_whole(written, tmp_path) -> None:
    path = tmp_path / "big.parquet"
    many = 20_000
    table = {"id": [str(n) for n in range(many)], "at": list(range(many)), "yuan": [1.0] * many, "who": ["c"] * many}
    parquet.write_table(arrow.table(table), path)
    stream = rows(path, read_map(written(MAP)))
    assert next(stream).due_ms == 0
    assert count_rows(path) == many
    assert sum(1 for _ in stream) == many - 1


def test_what_simulate_wrote_can_be_fed_without_a_map(tmp_path) -> None:
    app = Typer()
    app.command()(simulate_command.simulate)
    path = tmp_path / "world.jsonl"
    done = RUN.invoke(app, ["--payments", "200", "--seed", "4", "--out", str(path), "--no-report"])
    assert done.exit_code == 0, done.output
    assert "200 payments" in done.output
    start_ms = simulate_command.milliseconds(simulate_command.FILE_START)
    assert [tuple(said) for said in lines(path)] == [tuple(said) for said in World(4, start_ms, payments=200)]


def test_a_line_of_another_shape_asks_for_a_map(tmp_path) -> None:
    path = tmp_path / "other.jsonl"
    path.write_text('{"id": 1}\n')
    assert "any other file needs --map" in problems_of(lambda: list(lines(path)))


@pytest.mark.parametrize(("text", "speed"), [("recorded", 1.0), ("flat", None), ("60", 60.0), ("0.5", 0.5)])
def test_speeds(text: str, speed: float | None) -> None:
    assert speed_of(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", "inf"])
def test_speeds_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="--speed"):
        speed_of(text)


def test_no_kafka_is_said_within_ten_seconds() -> None:
    began = time.monotonic()
    with pytest.raises(NoKafka, match=r"no Kafka answers at 127\.0\.0\.1:9"):
        asyncio.run(publish([], Settings(brokers="127.0.0.1:9")))
    assert time.monotonic() - began < 10


@pytest.mark.kafka
def test_a_stream_arrives_in_order_keyed_by_payer_and_paced(broker: str) -> None:
    settings = Settings(brokers=broker, topic_prefix="feed.", id="feed", partitions=2)
    sent = [Recorded(1_000 + n * 10, "payments" if n % 3 else "activity", f"usr_{n % 5}", b'{"n":%d}' % n) for n in range(101)]

    async def round_trip() -> tuple[float, list[Any]]:
        began = time.monotonic()
        published = await publish(sent, settings, speed=2.0)
        seconds = time.monotonic() - began
        assert published.counts == {"payments": 67, "activity": 34}
        consumer = AIOKafkaConsumer("feed.payments", bootstrap_servers=broker, auto_offset_reset="earliest")
        await consumer.start()
        try:
            return seconds, [await asyncio.wait_for(consumer.getone(), 20) for _ in range(67)]
        finally:
            await consumer.stop()

    seconds, got = asyncio.run(round_trip())
    assert seconds >= 0.5, "a second of stream at twice its speed"
    for partition in (0, 1):
        numbers = [json.loads(record.value)["n"] for record in got if record.partition == partition]
        assert numbers == sorted(numbers)
    assert {record.key.decode() for record in got} == {f"usr_{n}" for n in range(5)}
    assert len({(record.key, record.partition) for record in got}) == 5, "a payer is always in one partition"


# ---------------------------------------------------------------------------------------------------- labels that follow

LABELLED = MAP + "labels: {fraud: bad, kind: claim}\n"


def with_truth(path: Path, *truths: Any) -> Path:
    parquet.write_table(arrow.table({**COLUMNS, "bad": list(truths)}), path)
    return path


def told(stream: Any) -> list[tuple[int, str, str, str]]:
    """(time after the first message, topic, payment id, verdict) of each message."""
    found = [(said.due_ms - COLUMNS["at"][0], said.topic, json.loads(said.value)) for said in stream]
    return [(at, topic, body["payment_id"], body.get("verdict", "")) for at, topic, body in found]


def test_labels_follow_their_payments_at_the_delay_in_the_streams_own_time(written, tmp_path) -> None:
    path = with_truth(tmp_path / "a.parquet", 1, None, 0)
    stream = list(labelled(path, read_map(written(LABELLED)), 1_600))
    assert told(stream) == [
        (0, "payments", "pay_a", ""),
        (1_500, "payments", "pay_b", ""),
        (1_600, "labels", "pay_a", "fraud"),
        (2_000, "payments", "pay_c", ""),
        (3_600, "labels", "pay_c", "legitimate"),
    ]
    assert json.loads(stream[2].value) == {
        "event": "label", "payment_id": "pay_a", "verdict": "fraud", "kind": "claim", "version": 1, "known_at": "2025-01-01T00:06:09.600Z",
    }  # fmt: skip
    assert stream[2].key == stream[0].key, "a label goes where its payment went"
    assert load([EXAMPLE / "rules"]).schema.decode(stream[2].value).event_type == "label"


def test_the_limit_counts_payments_and_their_labels_still_come(written, tmp_path) -> None:
    path = with_truth(tmp_path / "a.parquet", True, False, True)
    stream = labelled(path, read_map(written(LABELLED)), 86_400_000, limit=2)
    assert [(topic, verdict) for _, topic, _, verdict in told(stream)] == [
        ("payments", ""), ("payments", ""), ("labels", "fraud"), ("labels", "legitimate"),
    ]  # fmt: skip


@pytest.mark.parametrize(("value", "fraud"), [(1, True), (0.0, False), ("true", True), ("Legitimate", False), ("", None), (None, None)])
def test_truth_is_read_in_several_forms(value: Any, fraud: bool | None) -> None:
    assert truth(value) is fraud


def test_labels_that_cannot_be_made_are_told(written, tmp_path) -> None:
    path = with_truth(tmp_path / "a.parquet", "perhaps", "1", "0")
    assert "row 1: `bad`: expected 0 or 1" in problems_of(lambda: list(labelled(path, read_map(written(LABELLED)), 0)))
    assert "--labels needs `labels: {fraud: COLUMN}`" in problems_of(lambda: labelled(path, read_map(written(MAP)), 0))
    assert "has no column `wicked`" in problems_of(
        lambda: list(labelled(path, read_map(written(LABELLED.replace("fraud: bad", "fraud: wicked"))), 0))
    )
    assert "labels: expected {fraud: COLUMN" in problems_of(lambda: read_map(written(MAP + "labels: is_fraud\n")))
    assert "`sort` is not known here" in problems_of(lambda: read_map(written(MAP + "labels: {fraud: bad, sort: x}\n")))


def test_a_simulated_stream_gets_its_labels_at_another_delay(tmp_path) -> None:
    path = tmp_path / "world.jsonl"
    simulate_command._write(World(4, 1_700_000_000_000, payments=400, fraud_share=0.3, label_delay=0.01), path)
    before, after = list(lines(path)), list(relabelled(path, 3_600_000))
    assert [said for said in after if said.topic != "labels"] == [said for said in before if said.topic != "labels"]
    paid = {json.loads(said.value)["payment_id"]: said.due_ms for said in before if said.topic == "payments"}
    labels = [(said.due_ms, json.loads(said.value)) for said in after if said.topic == "labels"]
    first = [(due_ms, body) for due_ms, body in labels if body["version"] == 1]
    assert len(labels) == sum(said.topic == "labels" for said in before) > 10
    assert all(due_ms == paid[body["payment_id"]] + 3_600_000 for due_ms, body in first)
    assert [said.due_ms for said in after] == sorted(said.due_ms for said in after)


@pytest.mark.parametrize(("text", "delay_ms"), [("7d", 604_800_000), ("36h", 129_600_000), ("0", 0)])
def test_delays(text: str, delay_ms: int) -> None:
    assert delay_of(text) == delay_ms
    with pytest.raises(ValueError, match="--labels is how late they come"):
        delay_of("soon")
