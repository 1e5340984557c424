"""The tables that verbs write: CSV, TSV or Parquet."""

import errno
import gzip
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reeltune.trainables.errors import InputError

ROWS = 1 << 17  # written at once: the size of a Parquet file's row groups
TABLES = (".csv", ".tsv", ".parquet", ".pq", ".csv.gz", ".tsv.gz")


def check_output(output: Path) -> None:
    """Check the output's name and folder before any work. Raises InputError if the file cannot be written."""
    if not output.name.endswith(TABLES):
        raise InputError(f"-o {output}: expected a name that ends in {', '.join(TABLES[:-1])} or {TABLES[-1]}")
    if output.is_dir():
        raise InputError(f"-o {output}: is a folder; name a file")
    if not output.absolute().parent.is_dir():
        raise InputError(f"-o {output}: there is no folder {output.parent}")
    if not os.access(output.absolute().parent, os.W_OK | os.X_OK):
        raise InputError(f"-o {output}: the folder {output.parent} cannot be written")


class TableFile:
    """A table written part by part, which is there whole at the end or not at all: a context manager.

    The file's extension decides whether it is Parquet, TSV or CSV. All parts have the columns of the first. `types`
    are those of the source's columns, kept by decimals, lists and records, and by what is empty in the first part.
    """

    def __init__(self, output: Path, *, types: Mapping[str, pa.DataType] | None = None) -> None:
        self.output = output
        self._types = types or {}
        self._temporary = output.with_name(f".tmp-{output.name}")
        self._waiting: list[pd.DataFrame] = []
        self._parquet: pq.ParquetWriter | None = None
        self._text: IO[str] | None = None

    def __enter__(self) -> Self:
        return self

    def write(self, part: pd.DataFrame) -> None:
        self._waiting.append(part)
        if sum(map(len, self._waiting)) >= ROWS:
            self._flush()

    def _flush(self) -> None:
        part, self._waiting = pd.concat(self._waiting), []
        if self.output.suffix in (".parquet", ".pq"):
            table = self._table(part)
            with self._begun():
                self._parquet = self._parquet or pq.ParquetWriter(self._temporary, table.schema)
            self._parquet.write_table(table)
            return
        first = self._text is None
        with self._begun():
            self._text = self._text or self._opened()
        part.to_csv(self._text, index=False, header=first, sep="\t" if ".tsv" in self.output.suffixes[-2:] else ",")

    @contextmanager
    def _begun(self) -> Iterator[None]:
        """Name the file that was asked for where none can be made in its folder, but for a full disk."""
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
            why = os.strerror(error.errno) if error.errno else error
            raise InputError(f"-o {self.output}: cannot be written: {why}") from None

    def _table(self, part: pd.DataFrame) -> pa.Table:
        """A part with the types of the first. Raises InputError where a column has values of another type."""
        try:
            return self._as_first(part)
        except pa.ArrowException as error:
            column = next((name for name in part.columns if not self._fits(part[[name]])), None)
            where = "" if column is None else f"column {column!r}: "
            raise InputError(
                f"-o {self.output}: {where}cannot be written as Parquet: {str(error).splitlines()[0]} (write a .csv)"
            ) from None

    def _fits(self, column: pd.DataFrame) -> bool:
        try:
            self._as_first(column)
        except pa.ArrowException:
            return False
        return True

    def _as_first(self, part: pd.DataFrame) -> pa.Table:
        kept = {name: self._types[name] for name in part.columns if _is_lost_in_pandas(self._types.get(name))}
        schema = None
        if kept:
            others = pa.Table.from_pandas(part.drop(columns=[*kept]), preserve_index=False).schema
            schema = pa.schema([(name, kept[name] if name in kept else others.field(name).type) for name in part])
        table = pa.Table.from_pandas(part, schema=schema, preserve_index=False)
        if self._parquet is None:
            return table.cast(self._schema(table.schema))
        first = self._parquet.schema
        return table.cast(pa.schema([first.field(name) for name in part.columns], first.metadata))

    def _schema(self, found: pa.Schema) -> pa.Schema:
        types = [self._types.get(each.name, each.type) if pa.types.is_null(each.type) else each.type for each in found]
        return pa.schema([each.with_type(kind) for each, kind in zip(found, types, strict=True)], found.metadata)

    def _opened(self) -> IO[str]:
        packed = self.output.suffix == ".gz"
        opened = gzip.open if packed else open
        return cast(IO[str], opened(self._temporary, "wt", encoding="utf-8", newline=""))

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with ExitStack() as at_end:
            at_end.callback(self._temporary.unlink, missing_ok=True)
            with ExitStack() as before:
                before.callback(self._close)
                if kind is None and self._waiting:
                    self._flush()
            if kind is None:
                self._temporary.replace(self.output)

    def _close(self) -> None:
        for file in (self._parquet, self._text):
            if file is not None:
                file.close()


def _is_lost_in_pandas(kind: pa.DataType | None) -> bool:
    """Whether values of a type are plain objects in pandas, whose type another part's values may not tell."""
    return kind is not None and (pa.types.is_decimal(kind) or pa.types.is_nested(kind))
