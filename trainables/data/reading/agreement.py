"""Whether the parts of a file, each read by its own bytes and quotes, are the rows of the whole file."""

import codecs
from dataclasses import dataclass, field

from reeltune.trainables.data.reading.delimited import Read
from reeltune.trainables.data.reading.dialect import Dialect
from reeltune.trainables.data.reading.quotes import ENCLOSED, lines_with_quotes
from reeltune.trainables.data.reading.text import first_strange_line, is_utf8
from reeltune.trainables.errors import InputError


@dataclass(kw_only=True)
class Agreement:
    """What the bytes and the quotes were in the parts so far."""

    source: str
    line: int | None = None  # the first with a quote that encloses nothing, in a part that was read without quoting
    kept: bool = False  # such a part has values with quotes around them
    enclose: bool = False  # another part's quotes enclose values
    by_record: bool = False  # some part cannot be read but record by record, nor could the whole file be
    unquoted: set[frozenset[str]] = field(default_factory=set)  # the columns of each part that lost their quotes
    strange: int | None = None  # the first line with bytes that are no UTF-8
    utf8: bool = False  # a part is UTF-8, and more than ASCII

    def add_bytes(self, piece: bytes, *, before: int) -> None:
        """Take in the next part, which has so many lines before it.

        Raises InputError where one part is UTF-8 and another is not: the whole file would be read as no UTF-8.
        """
        piece = piece.removeprefix(codecs.BOM_UTF8)
        if piece.isascii():
            return
        if is_utf8(piece):
            self.utf8 = True
        elif self.strange is None:
            self.strange = before + first_strange_line(piece)
        if self.utf8 and self.strange is not None:
            raise InputError(
                f"{self.source}:{self.strange}: bytes here are no UTF-8, and text elsewhere is; a file of this size "
                "must be one of both (write these bytes in UTF-8, or leave them out: iconv -f UTF-8 -t UTF-8 -c)"
            )

    def add(self, read: Read, content: bytes, dialect: Dialect) -> None:
        quoting = read.quoting
        self.by_record = self.by_record or read.lines is not None
        if quoting.enclose:
            self.enclose = True
            self.by_record = self.by_record or not _are_rows_without_quoting(content, dialect)
            return
        self.unquoted.add(read.unquoted)
        if quoting.literal and read.lines is None:
            self.line = self.line or quoting.line
            self.kept = self.kept or any(values.str.fullmatch(ENCLOSED).any() for _, values in read.frame.items())

    def check(self) -> None:
        """Raise InputError where rows of the whole file may be others."""
        if self.line is None:
            return
        if self.kept if self.by_record else self.enclose or len(self.unquoted) > 1:
            raise InputError(
                f"{self.source}:{self.line}: a quote here encloses no value, and quotes elsewhere do; a file of this "
                'size must do one of both (enclose the value and double the quote, "5"" disk", or take it out)'
            )


def _are_rows_without_quoting(content: bytes, dialect: Dialect) -> bool:
    """Whether lines with quotes have as many fields if their quotes enclose nothing."""
    lines = lines_with_quotes(content, dialect.start)
    return all(text.count(dialect.separator) == dialect.fields - 1 for _, text in lines)
