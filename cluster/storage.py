"""Where a run's files are kept: a folder, or an object store (s3://, gs://) through pyarrow's filesystems."""

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pyarrow as pa
from pyarrow import fs

from trainables.errors import InputError, StorageFailed

SCHEMES = ("s3", "gs")
WAITS = (0.5, 1, 2, 4, 8, 16, 30)  # seconds before each further try: a store that fails for half a minute is outlived
Result = TypeVar("Result")


@dataclass(frozen=True)
class Store:
    """Files by name below a place that every node sees. Picklable, so that workers write for themselves.

    `where` is an absolute path or a URI, whose query (`?endpoint_override=...`) is pyarrow's.
    """

    where: str

    def __post_init__(self) -> None:
        if not self.remote and not os.path.isabs(self.where):
            raise ValueError(f"{self.where}: not an absolute path")

    @classmethod
    def at(cls, where: str) -> "Store":
        """A store of a path or URI that a person typed. Raises InputError at one that can be none."""
        scheme, sign, _ = where.partition("://")
        if not sign:
            return cls(str(Path(where).expanduser().absolute()))
        if scheme not in SCHEMES or not urlsplit(where).netloc:
            known = " or ".join(f"{scheme}://BUCKET/..." for scheme in SCHEMES)
            raise InputError(f"--storage {where}: expected a folder, {known}")
        try:
            fs.FileSystem.from_uri(where)
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            raise InputError(f"--storage {where}: {error}") from None
        return cls(where)

    @property
    def remote(self) -> bool:
        return "://" in self.where

    def below(self, name: str) -> "Store":
        """The store of a folder in this one."""
        start, sign, query = self.where.partition("?") if self.remote else (self.where, "", "")
        return Store(f"{start.rstrip('/')}/{name}{sign}{query}")

    def write(self, name: str, content: bytes) -> None:
        """Write a file that is there as a whole or as it was before. Raises StorageFailed after several tries."""
        system, folder = self._open()
        path = f"{folder}/{name}"

        def put() -> None:
            if self.remote:  # an object appears when its stream is closed, and not at all if that fails
                with system.open_output_stream(path) as stream:
                    stream.write(content)
            else:
                replace(Path(path), content)

        self._insist(put, f"{name} cannot be written")

    def read(self, name: str) -> bytes | None:
        """A file's content, None where there is no such file. Raises StorageFailed after several tries."""
        system, folder = self._open()

        def get() -> bytes | None:
            try:
                with system.open_input_file(f"{folder}/{name}") as stream:
                    return stream.read()
            except FileNotFoundError:
                return None

        return self._insist(get, f"{name} cannot be read")

    def remove(self, name: str) -> None:
        """Remove a file; one that is not there is no error."""
        system, folder = self._open()

        def delete() -> None:
            with suppress(FileNotFoundError):
                system.delete_file(f"{folder}/{name}")

        self._insist(delete, f"{name} cannot be removed")

    def names(self) -> list[str]:
        """The files below, with their paths from here, in order."""
        system, folder = self._open()
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=True)
        found = self._insist(lambda: system.get_file_info(selector), "cannot be listed")
        start = folder.rstrip("/") + "/"
        return sorted(info.path.removeprefix(start) for info in found if info.type == fs.FileType.File)

    def _open(self) -> tuple[fs.FileSystem, str]:
        if self.remote:
            return fs.FileSystem.from_uri(self.where)
        return fs.LocalFileSystem(), self.where

    def _insist(self, act: Callable[[], Result], what: str) -> Result:
        for wait in (*WAITS, None):
            try:
                return act()
            except OSError as error:
                if wait is None:
                    raise StorageFailed(f"storage {self.where}: {what}: {error}") from error
            time.sleep(wait)
        raise AssertionError


def replace(path: Path, content: bytes) -> None:
    """Write a file that is there as a whole or, if writing fails, as it was before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
