"""Where a table's bytes come from: a local path or an object-store URI, packed or not.

Both are read through pyarrow's filesystems. `.gz`, `.bz2`, `.xz`, `.zst`, `.lz4` and `.zip` are unpacked.
"""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.fs

from reeltune.trainables.errors import InputError

PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
# By their first bytes, since not every packed file's name says what it is.
UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"\x1f\x8b": gzip.decompress,
    b"BZh": bz2.decompress,
    b"\xfd7zXZ\0": lzma.decompress,
}
UNPACK_ERRORS = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, RuntimeError)
SHOWN = 8  # files listed in a message


def resolve(source: str) -> tuple[pa.fs.FileSystem, str]:
    """The filesystem of a path or URI, and the path in it."""
    if "://" not in source:
        return pa.fs.LocalFileSystem(), str(Path(source).expanduser().absolute())
    try:
        return pa.fs.FileSystem.from_uri(source)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"{source}: cannot be opened: {error}") from None


def is_folder(source: str) -> bool:
    """Whether a source is a folder. Raises InputError where there is nothing."""
    filesystem, path = resolve(source)
    try:
        info = filesystem.get_file_info(path)
    except OSError as error:
        raise InputError(f"{source}: cannot be opened: {error}") from None
    if info.type == pa.fs.FileType.NotFound:
        raise InputError(f"{source}: no such file")
    if info.type == pa.fs.FileType.Unknown:
        raise InputError(
            f"{source}: is a named pipe or a device, and a table is read from a file or a folder, some of it twice: "
            "write what comes from there to a file, and give that"
        )
    return info.type == pa.fs.FileType.Directory


def files_in(source: str) -> list[str]:
    """The names of the files in a folder; none if it is no folder."""
    return _names_in(source, pa.fs.FileType.File)


def folders_in(source: str) -> list[str]:
    """The names of the folders in a folder."""
    return _names_in(source, pa.fs.FileType.Directory)


def below(source: str, name: str) -> str:
    """The path or URI of a file in a folder; what a URI asks after `?` stays at its end."""
    place, mark, query = source.partition("?") if "://" in source else (source, "", "")
    return f"{place.rstrip('/')}/{name}{mark}{query}"


def _names_in(source: str, kind: pa.fs.FileType) -> list[str]:
    filesystem, path = resolve(source)
    try:
        if filesystem.get_file_info(path).type != pa.fs.FileType.Directory:
            return []
    except OSError:
        return []
    found = filesystem.get_file_info(pa.fs.FileSelector(path))
    return sorted(entry.base_name for entry in found if entry.type == kind)


def plain_file_name(source: str) -> str:
    """A file's name in lower case, without the endings of packers."""
    name = source.rstrip("/").rsplit("/", 1)[-1].lower()
    while name.endswith(PACKED):
        name = name.rsplit(".", 1)[0]
    return name


def read_bytes(source: str) -> tuple[str, bytes]:
    """A file's name and content, unpacked. Of a `.zip` those of its only file. Raises InputError."""
    filesystem, path = resolve(source)
    # pyarrow unpacks `.gz`, `.bz2`, `.zst` and `.lz4` by name.
    try:
        with filesystem.open_input_stream(path, compression="detect") as stream:
            content = stream.read()
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error}") from None
    name = plain_file_name(path)
    for magic, unpack in UNPACK.items():
        if content.startswith(magic):
            try:
                content = unpack(content)
            except UNPACK_ERRORS as error:
                raise InputError(f"{source}: cannot be unpacked: {error}") from None
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _only_member(source, content)
    return name, content


def _only_member(source: str, content: bytes) -> tuple[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if _is_data(name)]
            if any(name.startswith("xl/") for name in names):
                raise InputError(f"{source}: is an Excel workbook; save its sheet as CSV (UTF-8) and give that file")
            if len(names) != 1:
                raise InputError(
                    f"{source}: expected one file in it; found {listed(names)} (unpack it, and give one file or folder)"
                )
            return plain_file_name(names[0]), archive.read(names[0])
    except UNPACK_ERRORS as error:
        raise InputError(f"{source}: cannot be unpacked: {error}") from None


def _is_data(name: str) -> bool:
    """Whether a member is a file, and none of those that macOS adds."""
    return not name.endswith("/") and not name.startswith("__MACOSX/") and is_visible(name.rsplit("/", 1)[-1])


def is_visible(name: str) -> bool:
    """Whether a file of a folder can hold data: Spark's and Hadoop's `_SUCCESS`, `.crc` and the like do not."""
    return not name.startswith((".", "_")) and not name.endswith(".crc")


def listed(names: list[str]) -> str:
    """The first names, and how many more."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return (", ".join(names[:SHOWN]) or "nothing") + more
