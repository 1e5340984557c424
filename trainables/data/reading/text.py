"""From bytes to UTF-8 text with `\\n` as line end, whatever a file was saved as."""

import codecs

from reeltune.trainables.errors import InputError

MARKS = (  # UTF-32's mark starts with UTF-16's, so it comes first
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
HEAD = 65_536  # bytes that are looked at to tell text from other files
EXPECTED = "expected CSV, TSV, JSON lines or Parquet"


def as_utf8(source: str, content: bytes, *, latin: bool = False, before: int = 0) -> tuple[bytes, tuple[str, ...]]:
    """The text in UTF-8 without mark, and notes. `latin`: bytes that are no UTF-8 are nothing to be noted.

    It may be a part of a file, with `before` lines before it.
    Raises InputError where it is no text.
    """
    encoding = next((name for mark, name in MARKS if content.startswith(mark)), None)
    notes: tuple[str, ...] = ()
    if encoding is None and (encoding := _wide_without_mark(content)) is not None:
        notes = (f"no byte-order mark: read as {encoding}",)
    if encoding is not None:
        try:
            content = content.decode(encoding).encode()
        except UnicodeError:
            raise InputError(f"{source}: is no {encoding} text, as its first bytes say; {EXPECTED}") from None
    content = content.removeprefix(codecs.BOM_UTF8)
    _refuse_binary(source, content)
    if not is_utf8(content):
        line = before + first_strange_line(content)
        encoding, content = _from_one_byte(content)
        notes = () if latin else (f"is no UTF-8 (first in line {line}): read as {encoding}",)
    # Ctrl-Z ended files under DOS.
    return _line_ends(content.removesuffix(b"\x1a")), notes


def _wide_without_mark(content: bytes) -> str | None:
    """UTF-16 whose mark is missing: every other byte of plain text is NUL."""
    head = content[:HEAD]
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = head[offset::2]
        if len(half) > 8 and half.count(0) > 0.9 * len(half) and head[1 - offset :: 2].count(0) == 0:
            return name
    return None


def _refuse_binary(source: str, content: bytes) -> None:
    head = content[:HEAD]
    if head[257:262] == b"ustar":
        raise InputError(f"{source}: is a tar archive; unpack it, and give one file or folder")
    if head.lstrip()[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise InputError(f"{source}: is a web page or XML; {EXPECTED}")
    if b"\0" in head:
        raise InputError(f"{source}: is no text file (it has NUL bytes); {EXPECTED}")


def is_utf8(content: bytes) -> bool:
    """Whether bytes are UTF-8; ASCII is that too."""
    if content.isascii():
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def first_strange_line(content: bytes) -> int:
    """The line, from 1, of the first bytes that are no UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content[: error.start].count(b"\n") + 1
    return 1


def _from_one_byte(content: bytes) -> tuple[str, bytes]:
    """Windows' Latin text if it uses what Windows adds to Latin-1 (`€`, curly quotes), else Latin-1."""
    added = bytes(range(0x80, 0xA0))
    if len(content.translate(None, added)) < len(content):
        try:
            return "cp1252 (Windows Latin-1)", content.decode("cp1252").encode()
        except UnicodeDecodeError:
            pass  # it uses a byte that Windows' Latin lacks
    return "Latin-1", content.decode("latin-1").encode()


def _line_ends(content: bytes) -> bytes:
    """All lines end in `\n`. Those of old Macs end in `\r`, but perhaps the last."""
    if b"\r" not in content:
        return content
    content = content.replace(b"\r\n", b"\n")
    return content.replace(b"\r", b"\n") if content.count(b"\r") > content.count(b"\n") else content
