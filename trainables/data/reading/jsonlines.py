"""JSON lines (an object a line) and arrays of objects as a frame of text.

Numbers stay as they are written; what is no plain value (a list, an object) stays JSON. A lone surrogate, which an
escape such as `\\ud83d` makes and no text file can hold, is read as `\\ufffd`.
"""

import ast
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from reeltune.trainables.errors import InputError

ENDINGS = (".json", ".jsonl", ".ndjson", ".jsonlines")
SHOWN = 80  # characters of a line in a message
WAY_OUT = 'expected an object such as {"user": 1, "item": 2, "rating": 5} in each line, or one array of them'


@dataclass(frozen=True, kw_only=True)
class JsonTable:
    frame: pd.DataFrame  # of text
    lines: np.ndarray | None  # of each row, from 1; None for an array
    nested: dict[str, int]  # the columns that hold lists or objects, and the first row that does
    surrogates: dict[str, int]  # the columns with a lone surrogate, and the first row that has one


def is_json(file: str, content: bytes) -> bool:
    """Whether a text file holds JSON, by its name or because its first line is an object."""
    if file.endswith(ENDINGS):
        return True
    first = content.lstrip()[:1_048_576].split(b"\n", 1)[0].strip()
    return first.startswith(b"{") and first.endswith(b"}") and _object(first.decode(errors="replace")) is not None


def read_json(source: str, content: bytes) -> JsonTable:
    """Raises InputError at what is no table."""
    if not content.strip():
        raise InputError(f"{source}: is empty")
    if content.lstrip().startswith(b"["):
        return _table(_array(source, content))
    found: list[dict[str, object]] = []
    lines = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip():
            continue
        row = _object(line.decode())
        if row is None:
            text = line.decode().strip()
            shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
            raise InputError(f"{source}:{number}: is no JSON object: {shown!r}; {WAY_OUT}")
        found.append(row)
        lines.append(number)
    if len(found) == 1 and all(isinstance(value, (dict, list)) for value in found[0].values()):
        raise InputError(
            f"{source}: is one object that holds whole columns or lists; {WAY_OUT} "
            "(pandas writes it so by to_json(orient='records', lines=True))"
        )
    return _table(found, np.array(lines, dtype=np.int64))


def _object(line: str) -> dict[str, object] | None:
    """The object in a line, or the Python dictionary: Amazon's older files hold those."""
    try:
        row = json.loads(line, parse_float=str, parse_int=str)
    except ValueError:
        try:
            row = ast.literal_eval(line.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    except RecursionError:
        return None
    return row if isinstance(row, dict) else None


def _array(source: str, content: bytes) -> list[dict[str, object]]:
    try:
        rows = json.loads(content, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: is no JSON array: {error}; {WAY_OUT}") from None
    if not rows:
        raise InputError(f"{source}: has no rows")
    for place, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise InputError(f"{source}: element {place} of the array is no object: {str(row)[:SHOWN]!r}; {WAY_OUT}")
    return rows


def _table(rows: list[dict[str, object]], lines: np.ndarray | None = None) -> JsonTable:
    names = {name: _whole(name.strip()) for row in rows for name in row}
    columns: dict[str, pa.Array] = {}
    nested: dict[str, int] = {}
    surrogates: dict[str, int] = {}
    for name, title in names.items():
        columns[title], lone = _column([_text(row.get(name)) for row in rows])
        if lone is not None:
            surrogates[title] = lone
    for place, row in enumerate(rows):
        for name, value in row.items():
            if isinstance(value, (dict, list)):
                nested.setdefault(names[name], place)
    return JsonTable(frame=pa.table(columns).to_pandas(), lines=lines, nested=nested, surrogates=surrogates)


def _column(values: list[str | None]) -> tuple[pa.Array, int | None]:
    """A column of text, and the first row with a lone surrogate; None where there is none."""
    try:
        return pa.array(values, pa.string()), None
    except UnicodeEncodeError:
        whole = [None if value is None else _whole(value) for value in values]
    lone = (row for row, text in enumerate(whole) if text is not None and "\ufffd" in text and text != values[row])
    return pa.array(whole, pa.string()), next(lone, None)


def _whole(text: str) -> str:
    """Text with pairs of surrogates as the characters that they mean, as in a Python dictionary, and lone ones lost."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):  # of a Python dictionary
        return str(value)
    return json.dumps(value, ensure_ascii=False)
