"""Any ratings file as a frame of text: CSV, TSV, Parquet, `.gz` of them, MovieLens' formats, Parquet folders.

Local paths and object-store URIs (`s3://`, `gs://`) are read alike, through pyarrow's filesystems.
"""

import csv
import io
import itertools
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from reeltune.trainables.errors import InputError

SEPARATORS = ",\t;|"
FLAGS = (  # of a film's genres, in the order of u.item
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *("Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
HEADERLESS = {  # MovieLens' own files, which have no header line
    "u.data": ("user", "item", "rating", "timestamp"),
    "ratings.dat": ("user", "item", "rating", "timestamp"),
    "u.user": ("user_id", "age", "gender", "occupation", "zip_code"),
    "u.item": ("item_id", "title", "release_date", "video_release_date", "url", *FLAGS),
    "users.dat": ("user_id", "gender", "age", "occupation", "zip_code"),
    "movies.dat": ("movieId", "title", "genres"),
}
RATINGS_FILES = ("u.data", "ratings.dat", "ratings.csv")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as it stands in its file. Columns of a text file are all text."""

    source: str
    frame: pd.DataFrame
    text: str | None = None  # the file's text, to find the line of a bad row; None for Parquet
    separator: str = ","
    header: bool = True
    notes: tuple[str, ...] = ()  # a line for each thing guessed or left out in reading

    def place(self, row: int) -> str:
        """Where a row of the frame is in its file, for an error message: `ratings.csv:2`."""
        if self.text is None:
            return f"{self.source}: row {row + 1}"
        csv.field_size_limit(max(len(self.text), 131_072))
        lines = io.StringIO(self.text, newline="")
        # MovieLens' files without header have no quoting either.
        reader = csv.reader(
            lines, delimiter=self.separator, quoting=csv.QUOTE_MINIMAL if self.header else csv.QUOTE_NONE
        )
        # pandas skips blank lines, and so must the count.
        records = (reader.line_num for record in reader if len(record) > 1 or "".join(record).strip())
        line = next(itertools.islice(records, row + self.header, None), None)
        return f"{self.source}: row {row + 1}" if line is None else f"{self.source}:{line}"


def read_table(source: str) -> Table:
    """Read a file or a folder of Parquet parts. Raises InputError where there is none, or no table in it."""
    filesystem, path = _resolve(source)
    try:
        info = filesystem.get_file_info(path)
    except OSError as error:
        raise InputError(f"{source}: cannot be opened: {error}") from None
    if info.type == pa.fs.FileType.NotFound:
        raise InputError(f"{source}: no such file")
    if info.type == pa.fs.FileType.Directory:
        return _read_folder(source, filesystem, path)
    name = path.rsplit("/", 1)[-1].lower().removesuffix(".gz")
    if name.endswith((".parquet", ".pq")):
        return _read_parquet(source, filesystem, path)
    return _read_text(source, name, _text_of(source, name, filesystem, path))


def _resolve(source: str) -> tuple[pa.fs.FileSystem, str]:
    if "://" not in source:
        return pa.fs.LocalFileSystem(), str(Path(source).expanduser().absolute())
    try:
        return pa.fs.FileSystem.from_uri(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{source}: cannot be opened: {error}") from None


def files_in(source: str) -> list[str]:
    """The names of the files in a folder; none if it is no folder."""
    filesystem, path = _resolve(source)
    try:
        if filesystem.get_file_info(path).type != pa.fs.FileType.Directory:
            return []
    except OSError:
        return []
    return _names(filesystem, path)


def _names(filesystem: pa.fs.FileSystem, path: str) -> list[str]:
    found = filesystem.get_file_info(pa.fs.FileSelector(path))
    return sorted(entry.base_name for entry in found if entry.type == pa.fs.FileType.File)


def _read_folder(source: str, filesystem: pa.fs.FileSystem, path: str) -> Table:
    names = _names(filesystem, path)
    for known in RATINGS_FILES:
        if known in names:
            return read_table(f"{source.rstrip('/')}/{known}")
    if not any(name.endswith((".parquet", ".pq")) for name in names):
        listed = ", ".join(names[:8]) or "nothing"
        raise InputError(f"{source}: a folder needs Parquet parts or MovieLens files; found {listed}")
    return _read_parquet(source, filesystem, path)


def _read_parquet(source: str, filesystem: pa.fs.FileSystem, path: str) -> Table:
    try:
        if path.lower().endswith(".gz"):
            with filesystem.open_input_stream(path, compression="gzip") as stream:
                frame = pq.read_table(io.BytesIO(stream.read())).to_pandas()
        else:
            frame = pq.read_table(path, filesystem=filesystem).to_pandas()
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{source}: no readable Parquet: {str(error).splitlines()[0]}") from None
    if frame.empty:
        raise InputError(f"{source}: has no rows")
    named = [name for name in frame.index.names if name is not None]
    return Table(source=source, frame=frame.reset_index(named).reset_index(drop=True))


def _text_of(source: str, name: str, filesystem: pa.fs.FileSystem, path: str) -> str:
    try:
        with filesystem.open_input_stream(path, compression="detect") as stream:
            content = stream.read()
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error}") from None
    if b"\0" in content[:65536]:
        raise InputError(f"{source}: is no text file (it has NUL bytes); expected CSV, TSV or Parquet")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if name in HEADERLESS:
            return content.decode("latin-1")  # as MovieLens' older films are written
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{source}:{line}: is no UTF-8 text; expected CSV, TSV or Parquet") from None


def _read_text(source: str, name: str, text: str) -> Table:
    if not text.strip():
        raise InputError(f"{source}: is empty")
    columns: tuple[str, ...] | None = HEADERLESS.get(name)
    if name.endswith(".dat") and columns:
        # One character as separator lets pandas use its fast reader; no field holds a tab or two colons.
        text = text.replace("::", "\t")
    separator = _separator(text) if not columns else "|" if name in ("u.user", "u.item") else "\t"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows of more fields than the header
            frame = pd.read_csv(
                io.StringIO(text),
                sep=separator,
                header=None if columns else 0,
                names=columns,
                dtype=str,
                keep_default_na=False,
                na_values=[""],
                index_col=False,
                quoting=csv.QUOTE_MINIMAL if columns is None else csv.QUOTE_NONE,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning, ValueError) as error:
        raise InputError(f"{source}: is no table: {str(error).splitlines()[0]}") from None
    if frame.empty:
        raise InputError(f"{source}: has a header and no rows")
    return Table(source=source, frame=frame, text=text, separator=separator, header=not columns)


def _separator(text: str) -> str:
    """The separator that the first line has most of."""
    first = text.lstrip("\r\n").split("\n", 1)[0]
    return max(SEPARATORS, key=first.count)
