"""Whether the parts of a file, each read by what its own quotes do, are the rows of the whole file."""

from dataclasses import dataclass, field

from reeltune.trainables.data.reading.delimited import Read
from reeltune.trainables.data.reading.dialect import Dialect
from reeltune.trainables.data.reading.quotes import ENCLOSED, lines_with_quotes
from reeltune.trainables.errors import InputError


@dataclass(kw_only=True)
class Agreement:
    """What the quotes did in the parts so far."""

    source: str
    line: int | None = None  # the first with a quote that encloses nothing, in a part that was read without quoting
    kept: bool = False  # such a part has values with quotes around them
    enclose: bool = False  # another part's quotes enclose values
    by_record: bool = False  # some part cannot be read but record by record, nor could the whole file be
    unquoted: set[frozenset[str]] = field(default_factory=set)  # the columns of each part that lost their quotes

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
