"""Any ratings file as a frame of text: CSV and its kin, JSON lines, Parquet, packed or in parts (docs/data.md).

What was guessed or left out on the way is in the table's notes.
"""

import io
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reeltune.trainables.data.reading.delimited import read_delimited
from reeltune.trainables.data.reading.dialect import Dialect, dialect_of
from reeltune.trainables.data.reading.files import (
    below,
    folders_in,
    is_folder,
    is_visible,
    listed,
    plain_file_name,
    read_bytes,
    resolve,
)
from reeltune.trainables.data.reading.folders import (
    PARQUET,
    PARTS,
    RATINGS_FILES,
    Beside,
    about_fragments,
    about_parts,
    beside_ratings,
    holds_parquet,
    refuse_other_columns,
    refuse_other_schemas,
    visible_in,
)
from reeltune.trainables.data.reading.header import NO_HEADER, ROW_NAMES, known_names
from reeltune.trainables.data.reading.jsonlines import is_json, read_json
from reeltune.trainables.data.reading.records import records
from reeltune.trainables.data.reading.text import as_utf8
from reeltune.trainables.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it stands in its file. Columns of a text file are all text."""

    source: str
    frame: pd.DataFrame
    notes: tuple[str, ...] = ()  # a line for each thing guessed or left out in reading
    locate: Callable[[int], str] | None = None  # where a row is, in words
    multiline: bool = False  # some values have a line break in them
    headerless: bool = False  # the columns' names do not stand in the file
    nested: Mapping[str, int] = field(default_factory=dict)  # columns of JSON's lists or objects, and their first row
    surrogates: Mapping[str, int] = field(default_factory=dict)  # of JSON's with a lone surrogate, and their first row

    def place(self, row: int) -> str:
        """Where a row of the frame is in its file, for an error message: `ratings.csv:2`."""
        return f"{self.source}: row {row + 1}" if self.locate is None else self.locate(row)

    def numbered(self, column: str | None) -> str | None:
        """The name of a column that is asked for by its number, from 1, where a file has no names of its own."""
        names = self.frame.columns
        if not self.headerless or column is None or column in names or not column.isdecimal():
            return column
        return str(names[int(column) - 1]) if 1 <= int(column) <= len(names) else column

    def first_nested(self, column: str) -> int | None:
        """The first row whose value in a column is a list or a record; None where none is."""
        values = self.frame[column]
        if isinstance(values.dtype, pd.ArrowDtype):
            return int(values.notna().to_numpy().argmax()) if pa.types.is_nested(values.dtype.pyarrow_dtype) else None
        if values.dtype == object and pd.api.types.infer_dtype(values).startswith("mixed"):
            found = values.map(pd.api.types.is_list_like).to_numpy(dtype=bool)
            return int(found.argmax()) if found.any() else None
        return self.nested.get(column)

    def refuse_line_breaks(self, column: str) -> None:
        """Raise InputError if a value has one: a stray quote has swallowed what follows."""
        if not self.multiline:
            return
        broken = self.frame[column].str.contains("\n", regex=False, na=False).to_numpy(dtype=bool)
        if broken.any():
            row = int(broken.argmax())
            raise InputError(
                f"{self.place(row)}: expected one line; found {self.frame[column].iloc[row][:80]!r} in column "
                f"{column!r} (close the quote that opens there, or take it out)"
            )


def read_table(source: str) -> Table:
    """Read a file or a folder of parts. Raises InputError where there is none, or no table in it."""
    table = _read_folder(source) if is_folder(source) else _read_file(source)
    if table.frame.empty:
        raise InputError(f"{source}: has a header and no rows")
    return table


def table_in_memory(data: pd.DataFrame | pa.Table, *, name: str) -> Table:
    """A frame or an Arrow table in memory as a table; an index with a name is a column. Raises InputError."""
    # Whole numbers with gaps stay whole: as floats, long ids would change.
    return table_of_frame(data.to_pandas(integer_object_nulls=True) if isinstance(data, pa.Table) else data, name)


def table_of_frame(frame: pd.DataFrame, name: str) -> Table:
    """A frame as a table; an index with a name is a column. Raises InputError where columns share a name."""
    if frame.empty:
        raise InputError(f"{name}: has no rows")
    named = [level for level in frame.index.names if level is not None]
    frame = frame.reset_index(named, allow_duplicates=True).reset_index(drop=True)
    frame.columns = frame.columns.map(str)
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{name}: two columns are called {repeated[0]!r}; rename one of them")
    return Table(source=name, frame=frame)


def _read_file(source: str) -> Table:
    if source.lower().endswith(PARQUET):
        return _read_parquet(source)
    file, content = read_bytes(source)
    if file.endswith(PARQUET) or content.startswith(b"PAR1"):
        return _read_parquet(source, content)
    return _read_text(source, file, content)


def _read_parquet(source: str, content: bytes | None = None, *, beside: Beside | None = None) -> Table:
    filesystem, path = resolve(source)
    passed = None if beside is None else beside.prefixes
    said: tuple[str, ...] = ()
    try:
        if content is None:
            data = pq.ParquetDataset(path, filesystem=filesystem, ignore_prefixes=passed)
            table = data.read()
            refuse_other_schemas(source, data.fragments)
            said = () if beside is None else about_fragments(source, data.fragments)
        else:
            table = pq.read_table(io.BytesIO(content))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source}: no readable Parquet: {str(error).splitlines()[0]}") from None
    frame = table.to_pandas(integer_object_nulls=True, split_blocks=True, self_destruct=True)
    return replace(table_of_frame(frame, source), notes=said)


def _read_text(source: str, file: str, content: bytes) -> Table:
    content, notes = as_utf8(source, content, latin=known_names(file) is not None)
    if is_json(file, content):
        read_as = read_json(source, content)
        locate = by_lines(source, read_as.lines)
        return Table(
            source=source,
            frame=read_as.frame,
            notes=notes,
            locate=locate,
            nested=read_as.nested,
            surrogates=read_as.surrogates,
        )
    dialect = dialect_of(source, file, content)
    read = read_delimited(source, content, dialect)
    commas: tuple[str, ...] = ()
    frame = read.frame
    if dialect.unnamed_first and not frame[ROW_NAMES].is_unique:
        raise InputError(f"{source}: {dialect.too_few_names}")
    if dialect.separator != ",":
        frame, commas = _with_points(frame)
    locate = (
        partial(_find_line, source, dialect, read.multiline) if read.lines is None else by_lines(source, read.lines)
    )
    return Table(
        source=source,
        frame=frame,
        notes=(*notes, *dialect.notes, *read.notes, *commas),
        locate=locate,
        multiline=read.multiline,
        headerless=not dialect.in_file,
    )


def by_lines(source: str, lines: np.ndarray | None) -> Callable[[int], str]:
    return lambda row: f"{source}: row {row + 1}" if lines is None else f"{source}:{lines[row]}"


def _find_line(source: str, dialect: Dialect, multiline: bool, row: int) -> str:
    """Read the file again for a row's line, rather than keep its text: only an error asks."""
    content, _ = as_utf8(source, read_bytes(source)[1], latin=True)
    return place_in(source, content, dialect, multiline, 0, row)


def place_in(source: str, content: bytes, dialect: Dialect, multiline: bool, before: int, row: int) -> str:
    """Where a row of this text is, of which `before` lines of the file come before it."""
    found = records(
        content.decode().split("\n"),
        start=dialect.start,
        separator=dialect.separator,
        fields=dialect.fields,
        quotes=multiline,
    )
    record = next(itertools.islice(found, row, None), None)
    return f"{source}: row {row + 1}" if record is None else f"{source}:{before + record.line}"


def _with_points(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Columns of numbers with a decimal comma, such as `4,5`, with a point."""
    changed = {}
    for name in frame.columns:
        values = frame[name]
        if not values.str.contains(",", regex=False, na=False).any():
            continue
        if values.str.fullmatch(r"\s*[-+]?\d{1,3},\d{3}\s*", na=False).any():
            continue  # may be thousands
        if values.dropna().str.fullmatch(r"\s*[-+]?\d+(,\d+)?\s*").all():
            changed[name] = values.str.replace(",", ".", regex=False)
    if not changed:
        return frame, ()
    plural = "s" if len(changed) > 1 else ""
    return frame.assign(**changed), (f"decimal commas in column{plural} {listed(list(changed))}",)


def _read_folder(source: str) -> Table:
    source = source.rstrip("/")
    names = visible_in(source)
    for known in RATINGS_FILES:
        if known in names:
            found = _read_file(below(source, known))
            return replace(found, notes=(*found.notes, *beside_ratings(names, known)))
    if holds_parquet(source, names):
        beside = Beside.parquet(source)
        found = _read_parquet(source, beside=beside)
        return replace(found, notes=(*found.notes, *beside.notes))
    parts = [name for name in names if plain_file_name(name).endswith(PARTS) or name.startswith("part-")]
    if not parts:
        raise InputError(
            f"{source}: a folder needs MovieLens' files or parts in CSV, JSON lines or Parquet; found {listed(names)}"
        )
    read = {part: table for part in parts if (table := _read_part(below(source, part))) is not None}
    table = _joined(source, read)
    folders = [f"{name}/" for name in folders_in(source) if is_visible(name)]
    others = [*(name for name in names if name not in parts), *folders]
    left_out = (f"not read: {listed(others)}",) if others else ()
    return replace(table, notes=(*table.notes, *left_out))


def _read_part(source: str) -> Table | None:
    """None for an empty part: Spark writes them."""
    file, content = read_bytes(source)
    return _read_text(source, file, content) if content.strip() else None


def _first_rows(parts: list[Mapping[str, int]], starts: np.ndarray) -> dict[str, int]:
    """`Table.nested`, or `Table.surrogates`, of parts one after the other."""
    found: dict[str, int] = {}
    for part, start in zip(parts, starts, strict=False):
        found = {name: int(start) + row for name, row in part.items()} | found
    return found


def _joined(source: str, read: Mapping[str, Table]) -> Table:
    """The rows of all parts, by their names. Raises InputError where they have other columns than the first."""
    if not read:
        raise InputError(f"{source}: all of its parts are empty")
    parts = list(read.values())
    first = parts[0]
    frames = []
    for part in parts:
        frame = part.frame
        if part.headerless and len(frame.columns) == len(first.frame.columns):
            frame = frame.set_axis(first.frame.columns, axis=1)
        frames.append(frame)
    refuse_other_columns(
        source, ((part.source, list(frame.columns)) for part, frame in zip(parts, frames, strict=True))
    )
    starts = np.cumsum([0, *map(len, frames)])

    def locate(row: int) -> str:
        part = int(np.searchsorted(starts, row, side="right")) - 1
        return parts[part].place(row - int(starts[part]))

    said = [note for part in parts for note in part.notes]
    if not first.headerless and any(part.headerless for part in parts):
        said = [note for note in said if not note.startswith(NO_HEADER)]
        said.append("parts without a header line have the columns of the first")
    return replace(
        first,
        source=source,
        frame=pd.concat(frames, ignore_index=True),
        notes=(about_parts(list(read)), *dict.fromkeys(said)),
        locate=locate,
        multiline=any(part.multiline for part in parts),
        nested=_first_rows([part.nested for part in parts], starts),
        surrogates=_first_rows([part.surrogates for part in parts], starts),
    )
