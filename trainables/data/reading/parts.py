"""A large file some rows at a time, so that memory does not grow with it: Parquet, and text with separators.

Small files, and formats that cannot be cut (JSON, `.zip`, `.xz`, UTF-16, row names of R's, folders of text), are read
whole.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa
import pyarrow.dataset

from reeltune.trainables.data.reading.agreement import Agreement
from reeltune.trainables.data.reading.cuts import BLOCKS_HELD, pieces
from reeltune.trainables.data.reading.delimited import read_delimited
from reeltune.trainables.data.reading.dialect import Dialect, dialect_of
from reeltune.trainables.data.reading.files import UNPACK, is_folder, plain_file_name, resolve
from reeltune.trainables.data.reading.folders import (
    PARQUET,
    RATINGS_FILES,
    Beside,
    about_fragments,
    holds_parquet,
    refuse_other_schemas,
    visible_in,
)
from reeltune.trainables.data.reading.frames import table_of
from reeltune.trainables.data.reading.header import known_names
from reeltune.trainables.data.reading.jsonlines import is_json
from reeltune.trainables.data.reading.tables import (
    Table,
    by_lines,
    place_in,
    table_of_frame,
)
from reeltune.trainables.data.reading.text import as_utf8
from reeltune.trainables.errors import InputError

WHOLE_BYTES = 1 << 24  # text of up to so many bytes, unpacked, is read whole
WHOLE_ROWS = 1 << 20  # and Parquet of up to so many rows
BYTES, ROWS = 1 << 22, 1 << 18  # of a part
PACKED_WHOLE = (*UNPACK, b"PK")  # first bytes of what is still packed, as pyarrow unpacks by name alone


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The tables of a file, in the order of its rows, all of the same columns."""

    tables: Iterator[Table]
    rows: int | None = None  # of all tables; None: known only at their end
    share: Callable[[], float | None] = lambda: None  # of the file's bytes that is read, where `rows` is unknown
    types: Mapping[str, pa.DataType] = field(default_factory=dict)  # of columns, for parts that hold nothing there


@dataclass(kw_only=True)
class Taken:
    """The blocks of a file of `size` bytes (None: unknown), and how many bytes of it were taken so far."""

    blocks: Iterable[bytes]
    size: int | None
    so_far: int = 0

    def __iter__(self) -> Iterator[bytes]:
        for block in self.blocks:
            self.so_far += len(block)
            yield block

    def share(self) -> float | None:
        return self.so_far / self.size if self.size else None


def parts_of(source: str) -> Parts:
    """The tables of a file; of a small one, or one that is read whole, the one table. Raises InputError."""
    return (_parquet(source) if _is_parquet(source) else _text(source)) or whole(source)


def whole(source: str) -> Parts:
    """A file as one table. Raises InputError."""
    table = table_of(source)
    return Parts(tables=iter([table]), rows=len(table.frame))


def _is_parquet(source: str) -> bool:
    if not is_folder(source):
        _, path = resolve(source)  # without the query of a URI
        return path.lower().endswith(PARQUET)
    names = visible_in(source)
    return not set(RATINGS_FILES) & {*names} and holds_parquet(source, names)


def _parquet(source: str) -> Parts | None:
    try:
        data = _dataset(source)
        rows = data.count_rows()
    except (pa.ArrowException, OSError):
        return None  # reading it whole says what is wrong
    if rows <= WHOLE_ROWS:
        return None
    types = {name: data.schema.field(name).type for name in data.schema.names}
    return Parts(tables=_batches(source, data), rows=rows, types=types)


@dataclass(frozen=True, kw_only=True)
class Parquet:
    """A Parquet file, or a folder of such, of any size."""

    source: str
    data: pyarrow.dataset.Dataset

    @classmethod
    def at(cls, source: str) -> "Parquet":
        """Raises InputError where there is none."""
        source = source.rstrip("/")
        if not _is_parquet(source):
            raise InputError(
                f"{source}: --stream reads Parquet alone; write the ratings as Parquet, or leave the option out"
            )
        try:
            return cls(source=source, data=_dataset(source))
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{source}: no readable Parquet: {str(error).splitlines()[0]}") from None

    def head(self, rows: int) -> Table:
        """The first rows, with all columns. Raises InputError where there are none."""
        try:
            found = self.data.head(rows, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise InputError(f"{self.source}: no readable Parquet: {str(error).splitlines()[0]}") from None
        return table_of_frame(found.to_pandas(integer_object_nulls=True), self.source)

    def type_of(self, column: str) -> pa.DataType:
        return self.data.schema.field(column).type

    def tables(self, columns: Iterable[str]) -> Iterator[Table]:
        """All rows, ROWS or fewer at a time, with these columns."""
        return _batches(self.source, self.data, list(columns))


def _dataset(source: str) -> pyarrow.dataset.Dataset:
    filesystem, path = resolve(source)
    partitioning = pa.dataset.HivePartitioning.discover(infer_dictionary=True) if is_folder(source) else None
    passed = Beside.parquet(source).prefixes
    data = pa.dataset.dataset(
        path, filesystem=filesystem, format="parquet", partitioning=partitioning, ignore_prefixes=passed
    )
    data.count_rows()  # reads what each part says of itself, several at once
    refuse_other_schemas(source, data.get_fragments())
    return data


def _batches(source: str, data: pyarrow.dataset.Dataset, columns: list[str] | None = None) -> Iterator[Table]:
    options = pa.dataset.ParquetFragmentScanOptions(pre_buffer=False)
    batches = data.to_batches(
        columns=columns,
        batch_size=ROWS,
        batch_readahead=1,
        fragment_readahead=1,
        use_threads=False,
        fragment_scan_options=options,
    )
    before = 0
    try:
        for batch in batches:
            if batch.num_rows:
                frame = pa.Table.from_batches([batch]).to_pandas(integer_object_nulls=True)
                notes = () if before else _about(source, data)
                yield replace(table_of_frame(frame, source), locate=partial(_row, source, before), notes=notes)
                before += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source}: no readable Parquet: {str(error).splitlines()[0]}") from None


def _about(source: str, data: pyarrow.dataset.Dataset) -> tuple[str, ...]:
    """Which files are parts of a folder, and which are not."""
    if not is_folder(source):
        return ()
    return (*about_fragments(source, data.get_fragments()), *Beside.parquet(source).notes)


def _row(source: str, before: int, row: int) -> str:
    return f"{source}: row {before + row + 1}"


def _text(source: str) -> Parts | None:
    if is_folder(source):
        return None
    filesystem, path = resolve(source)
    try:
        stream = filesystem.open_input_stream(path, compression="detect")
        head = _read(stream, WHOLE_BYTES + 1)
    except OSError:
        return None
    if len(head) <= WHOLE_BYTES or head.startswith(PACKED_WHOLE) or b"\0" in head or b"\n" not in head:
        stream.close()
        return None
    file = plain_file_name(path)
    sample, _ = as_utf8(source, head[: head.rfind(b"\n") + 1])
    dialect = dialect_of(source, file, sample)
    if is_json(file, sample) or dialect.unnamed_first:
        stream.close()
        return None
    blocks = itertools.chain((head[at : at + BYTES] for at in range(0, len(head), BYTES)), _blocks(source, stream))
    packed = file != path.rsplit("/", 1)[-1].lower()
    taken = Taken(blocks=blocks, size=None if packed else filesystem.get_file_info(path).size)
    cut = pieces(source, dialect, taken, most=BLOCKS_HELD * BYTES)
    tables = _tables(source, dialect, cut, latin=known_names(file) is not None)
    return Parts(tables=tables, share=taken.share, types=dict.fromkeys(dialect.names, pa.large_string()))


def _read(stream: pa.NativeFile, size: int) -> bytes:
    """So many bytes, or fewer at the end: a stream that unpacks may give fewer at a time."""
    found = []
    while size and (block := stream.read(size)):
        found.append(block)
        size -= len(block)
    return b"".join(found)


def _blocks(source: str, stream: pa.NativeFile) -> Iterator[bytes]:
    with stream:
        try:
            while block := _read(stream, BYTES):
                yield block
        except OSError as error:
            raise InputError(f"{source}: cannot be read: {error}") from None


def _tables(source: str, dialect: Dialect, cut: Iterator[bytes], *, latin: bool) -> Iterator[Table]:
    lines, columns, agreement = 0, None, Agreement(source=source)
    for piece in cut:
        agreement.add_bytes(piece, before=lines)
        content, notes = as_utf8(source, piece, latin=latin, before=lines)
        here = replace(dialect, start=0) if lines else dialect
        read = read_delimited(source, content, here, before=lines)
        agreement.add(read, content, here)
        frame = read.frame.rename(columns=str)
        columns = frame.columns if columns is None else columns
        if len(frame.columns) != len(columns):
            raise InputError(
                f"{source}: has {len(columns)} columns at first and {len(frame.columns)} after line {lines:,}: end "
                "each row, or none, with a separator"
            )
        place = partial(place_in, source, content, here, read.multiline, lines)
        if len(frame):
            yield Table(
                source=source,
                frame=frame,
                notes=(*notes, *dialect.notes, *read.notes),
                locate=place if read.lines is None else by_lines(source, read.lines),
                multiline=read.multiline,
                headerless=not dialect.in_file,
            )
        lines += content.count(b"\n")
    agreement.check()
