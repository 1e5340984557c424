"""Tables in memory: a DataFrame or an Arrow table goes the way that a file goes."""

import re
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import pandas as pd
import pyarrow as pa

from reeltune.trainables.data.reading.tables import Table, read_table, table_in_memory
from reeltune.trainables.errors import InputError

FRAME = "DataFrame"  # what such a table is called where a file's name would stand
QUOTED = r"""'[^']*'(?:"'"'[^']*')*"""  # a word as `shlex.quote` has it where it needs quotes
ARGUMENTS = {  # of `load_data`, for the command line's options
    r"--(missing|unknown|known)-ids (\w+)": r"\1_ids='\2'",
    r"--duplicates (\w+)": r"duplicates='\1'",
    r"--matrix": "matrix=True",
    r"(['\"])\) columns=Columns\(": r"\1, ",  # several columns are one argument
}


@runtime_checkable
class ArrowStream(Protocol):
    """A table of another library, such as polars, that hands its columns over as Arrow has them (the PyCapsule way)."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any: ...


Source: TypeAlias = str | Path | pd.DataFrame | pa.Table | ArrowStream


def table_of(source: Source) -> Table:
    """The table of a file, or of what is in memory already. Raises InputError as `read_table` does."""
    if isinstance(source, (str, Path)):
        table = read_table(str(source))
        return replace(table, frame=table.frame.rename(columns=str))
    if isinstance(source, (pd.DataFrame, pa.Table)):
        return table_in_memory(source, name=FRAME)
    if isinstance(source, ArrowStream) and (streamed := _streamed(source)) is not None:
        return table_in_memory(_plain_text(streamed), name=FRAME)
    raise InputError(f"expected a name, a file, a DataFrame or a pyarrow.Table; found {type(source).__name__}")


def _streamed(source: ArrowStream) -> pa.Table | None:
    """The table; None where the stream is of a single column, as that of a Series is."""
    try:
        return pa.table(source)
    except pa.ArrowInvalid:
        return None


def _plain_text(table: pa.Table) -> pa.Table:
    """The table with text as pandas and Parquet take it: polars hands over views."""
    views = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    fields = [field.with_type(views.get(field.type, field.type)) for field in table.schema]
    return table.cast(pa.schema(fields))


def arrow_of(source: Source) -> pa.Table:
    """A table in memory as Parquet can hold it: read from there, it is the same. Raises InputError as `table_of` does.

    A column of several types, which Arrow has no type for, becomes text, as ids do in any case.
    """
    frame = table_of(source).frame
    columns = [_column(frame.iloc[:, place]) for place in range(len(frame.columns))]
    return pa.table(columns, names=list(frame.columns))


def _column(values: pd.Series) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array(values.map(str, na_action="ignore"), type=pa.large_string(), from_pandas=True)


def in_code(line: str) -> str:
    """A line for somebody who calls `load_data`: options of the command line as its arguments."""
    line = re.sub(rf"--(\w+)-column ({QUOTED}|[^\s),.;]*[^\s),.;:])", _column_in_code, line)
    line = re.sub(rf"--not-rated ({QUOTED}|[^\s)]+)", lambda found: f"not_rated=({_text(found[1])},)", line)
    for option, argument in ARGUMENTS.items():
        line = re.sub(option, argument, line)
    return line


def _column_in_code(found: re.Match[str]) -> str:
    return f"columns=Columns({'timestamp' if found[1] == 'time' else found[1]}={_text(found[2])})"


def _text(word: str) -> str:
    """A word of the shell's as Python's text."""
    return repr(shlex.split(word)[0] if re.fullmatch(QUOTED, word) else word)


def dense(values: pd.Series) -> pd.Series:
    """A column of plain values: of categories those that stand there, of Arrow's types pandas' own, of lists text.

    Bytes, as Parquet's binary columns have them, are UTF-8 text, with `\ufffd` where they are none.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object if values.isna().any() else values.cat.categories.dtype)
    if isinstance(values.dtype, pd.ArrowDtype):
        plain = pa.array(values).to_pandas(integer_object_nulls=True)
        values = pd.Series(plain.to_numpy() if plain.dtype == object else plain.array, index=values.index)
    if values.dtype == object and pd.api.types.infer_dtype(values).startswith(("mixed", "bytes")):
        return values.map(_plain)
    return values


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    # Lists and records, as Parquet has them, can be neither compared nor told from a gap.
    return str(value) if pd.api.types.is_list_like(value) else value
