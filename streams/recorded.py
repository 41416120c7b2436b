"""A stream that somebody else recorded, row by row, as messages of our schema.

Belongs here: reading Parquet and JSON lines (in batches, never whole), and the map from their columns to our fields.
Never: what the fields mean (the schema), and nothing of Kafka. `examples/sparkov/README.md` shows a map.
"""

from __future__ import annotations

import difflib
import itertools
import json
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow.parquet as parquet
import yaml

from risk.world.clock import stamp

BATCH_ROWS = 4_096
ROWS_LOOKED_AT = 200  # of JSON lines, to learn which columns there are
TOPICS = ("payments", "activity", "labels")
MAP_DEFAULTS = {"topic": "payments", "key": "payer.id", "paced_by": "occurred_at"}
MAP_KEYS = (*MAP_DEFAULTS, "fields", "labels")
LABEL_KEYS = ("fraud", "kind")
LABEL_KIND = "chargeback"
SOURCE_KEYS = ("column", "constant", "template", "unit", "scale")
UNITS = {"ms": 1, "s": 1_000}

Row = Mapping[str, Any]
Read = Callable[[Row], Any]


class MapProblem(Exception):
    """A map or a file that cannot be used: `problems` has a line for each mistake."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Recorded(NamedTuple):
    """One message: `due_ms` is the row's own time."""

    due_ms: int
    topic: str
    key: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Source:
    """Where one field comes from: exactly one of column, template, constant; then the unit of a time or the scale of a number."""

    column: str | None = None
    template: str | None = None
    constant: Any = None
    unit: str | None = None
    scale: Decimal | None = None

    def columns(self) -> tuple[str, ...]:
        """The columns it reads."""
        if self.column is not None:
            return (self.column,)
        return tuple(name for _, name, _, _ in string.Formatter().parse(self.template or "") if name)


@dataclass(frozen=True, slots=True)
class RowMap:
    """The map file: for each path of our JSON its source; which field is the record key; which one paces the stream."""

    path: str
    topic: str
    key: str
    paced_by: str
    fields: Mapping[str, Source]
    fraud: str | None = None
    """The column that says what was found out later; read only for labels."""
    label_kind: str = LABEL_KIND

    def columns(self) -> list[str]:
        """All columns that are read, each once, in order of first use."""
        return list(dict.fromkeys(column for source in self.fields.values() for column in source.columns()))


def read_map(path: Path) -> RowMap:
    """Read a map file. Raises MapProblem with everything that is wrong in it."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MapProblem([f"{path}: cannot be read: {error.strerror}"]) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MapProblem([f"{path}: not YAML: {error}"]) from error
    if not isinstance(content, dict) or not isinstance(content.get("fields"), dict):
        raise MapProblem([f"{path}: expected a mapping with `fields:`, a source for each field of our JSON"])
    problems = [f"{path}: `{key}` is not a setting of a map{_close(key, MAP_KEYS)}" for key in content if key not in MAP_KEYS]
    fields = {str(name): _source(f"{path}: {name}", given, problems) for name, given in content["fields"].items()}
    topic, key, paced_by = (str(content.get(name, default)) for name, default in MAP_DEFAULTS.items())
    fraud, kind = _labels(f"{path}: labels", content.get("labels"), problems)
    found = RowMap(str(path), topic, key, paced_by, fields, fraud, kind)
    if found.topic not in TOPICS:
        problems.append(f"{path}: `topic` is one of {', '.join(TOPICS)}, not `{found.topic}`")
    for role, name in (("key", found.key), ("paced_by", found.paced_by)):
        if name not in fields:
            problems.append(f"{path}: `{role}: {name}` names no entry of `fields`{_close(name, fields)}")
    if found.paced_by in fields and fields[found.paced_by].unit is None:
        problems.append(f"{path}: `{found.paced_by}` paces the stream, so its source needs `unit: ms` or `unit: s`")
    problems += _overlaps(str(path), list(fields))
    if problems:
        raise MapProblem(problems)
    return found


def rows(path: Path, row_map: RowMap) -> Iterator[Recorded]:
    """The messages of a recorded file (`.parquet`, else JSON lines), in its order.

    Raises MapProblem before the first message for a column that the file does not have, and at a row that cannot be mapped.
    """
    return (said for said, _, _ in mapped(path, row_map))


def mapped(path: Path, row_map: RowMap, *more: str) -> Iterator[tuple[Recorded, Row, int]]:
    """Each message with its row and the row's number; ``more``: columns read beside those of the map."""
    reads = [(tuple(name.split(".")), _reader(source)) for name, source in row_map.fields.items()]
    paced, key = _reader_ms(row_map.fields[row_map.paced_by]), _reader(row_map.fields[row_map.key])
    encode = msgspec.json.Encoder().encode
    for number, row in enumerate(_read(path, row_map, more), start=1):
        try:
            due_ms, name = paced(row), key(row)
            body = _body(reads, row)
        except (ValueError, TypeError, ArithmeticError) as error:
            raise MapProblem([f"{path}: row {number}: {error}"]) from error
        if due_ms is None or name is None:
            raise MapProblem([f"{path}: row {number}: no value for `{row_map.paced_by if due_ms is None else row_map.key}`"])
        yield Recorded(due_ms, row_map.topic, str(name), encode(body)), row, number


def lines(path: Path) -> Iterator[Recorded]:
    """The messages of a file that `risk simulate --out` wrote. Raises MapProblem at a line of another shape."""
    encode = msgspec.json.Encoder().encode
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                said = json.loads(line)
                yield Recorded(int(said["due_ms"]), _known_topic(said["topic"]), str(said["key"]), encode(said["value"]))
            except (ValueError, KeyError, TypeError) as error:
                hint = "a line of `risk simulate --out` has topic, key, due_ms and value; any other file needs --map"
                raise MapProblem([f"{path}:{number}: {error!r}: {hint}"]) from error


def count_rows(path: Path) -> int | None:
    """How many rows a file has, where that is known without reading it (Parquet); else None."""
    return int(parquet.ParquetFile(path).metadata.num_rows) if is_parquet(path) else None


def is_parquet(path: Path) -> bool:
    """By its first bytes, not by its name."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _known_topic(topic: str) -> str:
    if topic not in TOPICS:
        raise ValueError(f"topic `{topic}` is not one of {', '.join(TOPICS)}")
    return topic


# ---- reading files


def _read(path: Path, row_map: RowMap, more: Sequence[str]) -> Iterator[Row]:
    wanted = list(dict.fromkeys([*row_map.columns(), *more]))
    if is_parquet(path):
        file = parquet.ParquetFile(path)
        _check_columns(path, row_map, more, file.schema_arrow.names)
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
            yield from batch.to_pylist()
        return
    with path.open("rb") as text:
        flat = (_flat(path, number, line) for number, line in enumerate(text, start=1) if line.strip())
        head = list(itertools.islice(flat, ROWS_LOOKED_AT))
        _check_columns(path, row_map, more, list(dict.fromkeys(name for row in head for name in row)))
        yield from itertools.chain(head, flat)


def _flat(path: Path, number: int, line: bytes) -> dict[str, Any]:
    """A JSON object with nested ones as dotted names: what a map calls columns."""
    try:
        content = json.loads(line)
    except ValueError as error:
        raise MapProblem([f"{path}:{number}: not JSON: {error}"]) from error
    if not isinstance(content, dict):
        raise MapProblem([f"{path}:{number}: expected a JSON object, one a line"])
    flat: dict[str, Any] = {}
    stack = [("", content)]
    while stack:
        prefix, part = stack.pop()
        for name, value in part.items():
            if isinstance(value, dict):
                stack.append((f"{prefix}{name}.", value))
            else:
                flat[prefix + name] = value
    return flat


def _check_columns(path: Path, row_map: RowMap, more: Sequence[str], present: list[str]) -> None:
    wanted = [(name, column) for name, source in row_map.fields.items() for column in source.columns()]
    problems = [
        f"{row_map.path}: {name}: {path.name} has no column `{column}`{_close(column, present)}"
        for name, column in [*wanted, *(("labels", column) for column in more)]
        if column not in present
    ]
    if problems:
        raise MapProblem([*problems, f"its columns are {', '.join(present)}"])


# ---- reading maps


def _source(place: str, given: Any, problems: list[str]) -> Source:
    if not isinstance(given, dict):
        problems.append(f"{place}: expected {{column: NAME}}, {{template: TEXT}} or {{constant: VALUE}}, got `{given}`")
        return Source()
    problems += [f"{place}: `{key}` is not known here{_close(str(key), SOURCE_KEYS)}" for key in given if key not in SOURCE_KEYS]
    if sum(key in given for key in ("column", "template", "constant")) != 1:
        problems.append(f"{place}: exactly one of `column`, `template`, `constant`")
    unit, scale = given.get("unit"), given.get("scale")
    if unit is not None and unit not in UNITS:
        problems.append(f"{place}: `unit` is ms or s (since 1970), not `{unit}`")
    if (unit is not None or scale is not None) and "column" not in given:
        problems.append(f"{place}: `unit` and `scale` go with `column`")
    if unit is not None and scale is not None:
        problems.append(f"{place}: `unit` is for times, `scale` for numbers: one of them")
    factor = None
    if scale is not None:
        try:
            factor = Decimal(str(scale))
        except InvalidOperation:
            problems.append(f"{place}: `scale` is a number, not `{scale}`")
    return Source(_text(given.get("column")), _template(place, given.get("template"), problems), given.get("constant"), unit, factor)


def _labels(place: str, given: Any, problems: list[str]) -> tuple[str | None, str]:
    """The column that tells fraud, and the kind that its labels are given."""
    if given is None:
        return None, LABEL_KIND
    if not isinstance(given, dict) or not isinstance(given.get("fraud"), str):
        problems.append(f"{place}: expected {{fraud: COLUMN, kind: chargeback}}, got `{given}`")
        return None, LABEL_KIND
    problems += [f"{place}: `{key}` is not known here{_close(str(key), LABEL_KEYS)}" for key in given if key not in LABEL_KEYS]
    return given["fraud"], str(given.get("kind", LABEL_KIND))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _template(place: str, value: Any, problems: list[str]) -> str | None:
    if value is None:
        return None
    if not re.fullmatch(r"(?:[^{}]|\{[^{}!:\[\]]+\})*", str(value)):
        problems.append(f"{place}: a template holds column names in braces, nothing more: `{value}`")
        return None
    return str(value)


def _overlaps(path: str, names: list[str]) -> list[str]:
    """A field cannot be a value and an object at once."""
    return [f"{path}: `{name}` is also the beginning of `{other}`" for name in names for other in names if other.startswith(name + ".")]


def _close(name: str, known: Any) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean `{close[0]}`?" if close else ""


# ---- mapping rows


def _reader(source: Source) -> Read:
    if source.template is not None:
        return _filled(source.template, source.columns())
    if source.column is None:
        constant = source.constant
        return lambda row: constant
    column = source.column
    if source.unit is not None:
        ms = _reader_ms(source)
        return lambda row: None if row.get(column) is None else stamp(ms(row) or 0)
    if source.scale is not None:
        scale = source.scale
        return lambda row: None if row.get(column) is None else _scaled(row[column], scale)
    return lambda row: row.get(column)


def _filled(template: str, columns: tuple[str, ...]) -> Read:
    parts = re.split(r"\{([^{}]+)\}", template)  # text, column, text, column ... text

    def fill(row: Row) -> str | None:
        if any(row.get(name) is None for name in columns):
            return None
        return "".join(str(row[part]) if place % 2 else part for place, part in enumerate(parts))

    return fill


def _reader_ms(source: Source) -> Callable[[Row], int | None]:
    column, factor = source.column or "", UNITS[source.unit or "ms"]
    return lambda row: None if row.get(column) is None else int(Decimal(str(row[column])) * factor)


def _scaled(value: Any, scale: Decimal) -> int:
    """The number times the scale, a whole one, halves away from zero: 12.345 yuan times 100 is 1235 fen."""
    return int((Decimal(str(value)) * scale).to_integral_value(ROUND_HALF_UP))


def _body(reads: list[tuple[tuple[str, ...], Read]], row: Row) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for path, read in reads:
        value = read(row)
        if value is None:
            continue
        part = body
        for name in path[:-1]:
            part = part.setdefault(name, {})
        part[path[-1]] = value
    return body
