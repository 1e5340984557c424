"""The storage of a run's files: a folder, or an object store (s3://, gs://) through pyarrow's filesystems."""

import io
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import replace as changed
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
from pyarrow import fs

from reeltune.trainables.errors import InputError, StorageFailed

log = logging.getLogger(__name__)

SCHEMES = ("s3", "gs")
WAITS = (0.5, 1, 2, 4, 8, 16, 30)  # seconds before each retry
PATIENCE, HASTE = 60.0, 5.0  # seconds of retrying: enough to survive a store that fails for half a minute
FLAGS = ("allow_bucket_creation", "allow_bucket_deletion")
S3_OPTIONS = ("region", "scheme", "endpoint_override", *FLAGS)
TRIES = 2  # attempts per request of Amazon's own client, whose default can take minutes
Result = TypeVar("Result")
OpenFile = io.BufferedRandom | io.BytesIO


@dataclass(frozen=True, kw_only=True)
class Stamp:
    """What tells one version of a file from another."""

    size: int
    changed: int  # nanoseconds


@dataclass(frozen=True)
class Store:
    """Files by name below a folder or URI that every node sees. Picklable, so that workers can write themselves.

    `where` is an absolute path or a URI; its query (`?endpoint_override=...`) has pyarrow's options.
    """

    where: str
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        if not self.remote and not os.path.isabs(self.where):
            raise ValueError(f"{self.where}: not an absolute path")

    @classmethod
    def at(cls, where: str, what: str = "--storage") -> "Store":
        """A store from a path or URI that a person typed. Raises InputError if it is malformed; needs no network."""
        scheme, sign, _ = where.partition("://")
        if not sign:
            return cls(str(Path(where).expanduser().absolute()))
        refuse_credentials(where, what)
        parts = urlsplit(where)
        if scheme not in SCHEMES or not parts.netloc:
            known = " or ".join(f"{scheme}://BUCKET/..." for scheme in SCHEMES)
            raise InputError(f"{what} {where}: expected a folder, {known}")
        inside(parts.path.strip("/") or "x", of=f"{what} {where}")
        try:
            _system(f"s3://{parts.netloc}?region=any&{parts.query}" if scheme == "s3" else _root(where))
        except (pa.ArrowInvalid, OSError, ValueError) as error:
            raise InputError(f"{what} {where}: {error}") from None
        return cls(where)

    @property
    def remote(self) -> bool:
        return "://" in self.where

    @property
    def hasty(self) -> "Store":
        """The same store, with HASTE seconds of retrying."""
        return changed(self, patience=HASTE)

    def below(self, name: str) -> "Store":
        """The store of a folder below this one."""
        start, sign, query = self.where.partition("?") if self.remote else (self.where, "", "")
        return changed(self, where=f"{start.rstrip('/')}/{inside(name, of=self.where)}{sign}{query}")

    def check(self) -> None:
        """Raise InputError if the store cannot be written: no such bucket, no permission, no server."""
        try:
            if self.remote:
                self.hasty._insist(self._make_bucket, "cannot be reached")
            self.hasty.write(".check", b"")
            self.hasty.remove(".check")
        except StorageFailed as error:
            raise InputError(f"--{error}") from None

    def write(self, name: str, content: bytes | memoryview) -> None:
        """Write a file whole; if that fails, the file stays as it was. Raises StorageFailed after retries."""

        def put() -> None:
            system, path = self._open(name)
            if self.remote:  # an object appears only once its stream is closed
                with system.open_output_stream(path) as stream:
                    stream.write(content)
                _expect(system.get_file_info(path).size or 0, of=len(content))
            else:
                replace(Path(path), content)

        self._insist(put, f"{name} cannot be written")

    def write_by(self, name: str, fill: Callable[[OpenFile], object]) -> None:
        """As `write`, of what `fill` writes. In a folder the content goes to the disk as it is written.

        `fill` may go back in the file, and is called again after a failure.
        """
        if self.remote:
            content = io.BytesIO()
            fill(content)
            self.write(name, content.getbuffer())
            return
        _, path = self._open(name)
        self._insist(lambda: replace_by(Path(path), fill), f"{name} cannot be written")

    def read(self, name: str) -> bytes | None:
        """A file's content; None if there is no such file. Raises StorageFailed after retries."""

        def get() -> bytes | None:
            system, path = self._open(name)
            try:
                with system.open_input_file(path) as stream:
                    content = stream.read()
                    _expect(len(content), of=stream.size())
                    return content
            except FileNotFoundError:
                return None

        return self._insist(get, f"{name} cannot be read")

    def remove(self, name: str) -> None:
        """Remove a file, if it exists. Raises StorageFailed after retries."""

        def delete() -> None:
            system, path = self._open(name)
            with suppress(FileNotFoundError):
                system.delete_file(path)

        self._insist(delete, f"{name} cannot be removed")

    def clear(self) -> None:
        """Remove the store's folder with all files. Raises StorageFailed after retries."""
        system, folder = self._open()

        def delete() -> None:
            with suppress(FileNotFoundError):
                system.delete_dir(folder)

        self._insist(delete, "cannot be removed")

    def names(self) -> list[str]:
        """The sorted paths of all files, relative to the store."""
        return list(self.files())

    def files(self) -> dict[str, Stamp]:
        """All files' stamps by relative path. Raises InputError at a path such as `../x`, which objects may have."""

        def look() -> dict[str, Stamp]:
            system, folder = self._open()
            found = system.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=True))
            start = folder.rstrip("/") + "/"
            return {
                inside(info.path.removeprefix(start), of=self.where): Stamp(size=info.size, changed=info.mtime_ns)
                for info in sorted(found, key=lambda info: info.path)
                if info.type == fs.FileType.File
            }

        return self._insist(look, "cannot be listed")

    def _open(self, name: str = "") -> tuple[fs.FileSystem, str]:
        folder = self.where
        system: fs.FileSystem = fs.LocalFileSystem()
        if self.remote:
            parts = urlsplit(self.where)
            system, folder = _system(_root(self.where)), f"{parts.netloc}{parts.path.rstrip('/')}"
        return system, f"{folder}/{inside(name, of=self.where)}" if name else folder

    def _make_bucket(self) -> None:
        system, bucket = _system(_root(self.where)), urlsplit(self.where).netloc
        if system.get_file_info(bucket).type == fs.FileType.NotFound:
            system.create_dir(bucket)  # raises unless the URI has ?allow_bucket_creation=true

    def _insist(self, act: Callable[[], Result], what: str) -> Result:
        start = time.monotonic()
        for wait in (*WAITS, None):
            try:
                return act()
            except OSError as error:
                if wait is None or time.monotonic() + wait - start > self.patience:
                    raise StorageFailed(f"storage {self.where}: {what}: {error}") from error
                log.warning("storage %s: %s: %s; trying again in %g s", self.where, what, error, wait)
            time.sleep(wait)
        raise AssertionError


def _expect(found: int, *, of: int) -> None:
    """Raise OSError, after which the transfer is done again, unless all of a file's bytes are there."""
    if found != of:
        raise OSError(f"{found} of {of} bytes came through")


def _root(where: str) -> str:
    """The URI of the bucket, with the query but without the path."""
    parts = urlsplit(where)
    return f"{parts.scheme}://{parts.netloc}" + (f"?{parts.query}" if parts.query else "")


@lru_cache(maxsize=16)
def _system(root: str) -> fs.FileSystem:
    """The filesystem of a bucket. Its requests fail within seconds, since `Store` retries them itself."""
    parts = urlsplit(root)
    if parts.scheme == "gs":
        return fs.FileSystem.from_uri(f"{root}{'&' if parts.query else '?'}retry_limit_seconds=10")[0]
    given = dict(parse_qsl(parts.query))
    unknown = next((key for key in given if key not in S3_OPTIONS), None)
    if unknown is not None:
        raise ValueError(f"no option {unknown!r} of an S3 URI; there are {', '.join(S3_OPTIONS)}")
    if "region" not in given and "endpoint_override" not in given:
        given["region"] = fs.resolve_s3_region(parts.netloc)
    return fs.S3FileSystem(
        region=given.get("region"),
        scheme=given.get("scheme", "https"),
        endpoint_override=given.get("endpoint_override"),
        allow_bucket_creation=given.get(FLAGS[0]) == "true",
        allow_bucket_deletion=given.get(FLAGS[1]) == "true",
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
    )


def refuse_credentials(where: str, what: str) -> None:
    """Raise InputError at a URI with credentials, without repeating them: they would get into files and logs."""
    scheme, _, rest = where.partition("://")
    host, query = rest.partition("/")[0], rest.partition("?")[2]
    if "@" in host + query or (scheme in SCHEMES and ":" in host.partition("?")[0]):
        raise InputError(
            f"{what} {scheme}://...: a URI with credentials would be written down with the run; leave them out, and "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, on every node, or give the machines a role"
        )


def inside(name: str, *, of: str) -> str:
    """The name, if it stays below `of`. Raises InputError if it leads out."""
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts:
        raise InputError(f"{of}: {name!r} leads out of it")
    return name


def replace(path: Path, content: bytes | memoryview) -> None:
    """Write a file whole; if that fails, the file stays as it was."""
    replace_by(path, lambda file: file.write(content))


def replace_by(path: Path, fill: Callable[[OpenFile], object]) -> None:
    """As `replace`, of what `fill` writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "w+b") as file:
            fill(file)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
