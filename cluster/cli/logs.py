"""`--verbose` and `--log-file`: what a bug report needs to know, from the loggers of our modules."""

import logging
import sys
from pathlib import Path

from reeltune.trainables.errors import InputError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class StandardError(logging.Handler):
    """Writes to whatever standard error is now: the live table puts its own in its place."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def configure(*, verbose: bool, file: Path | None) -> None:
    """Have our loggers write. Without either option they write nothing. Raises InputError at a file that cannot be."""
    handlers: list[logging.Handler] = [StandardError()] if verbose else []
    if file is not None:
        try:
            handlers.append(logging.FileHandler(file, encoding="utf-8"))
        except OSError as error:
            raise InputError(f"--log-file {file}: cannot be written: {error.strerror}") from None
    ours = logging.getLogger("reeltune")
    for earlier in ours.handlers:
        earlier.close()
    ours.setLevel(logging.DEBUG if handlers else logging.WARNING)
    ours.propagate = False
    ours.handlers = handlers or [logging.NullHandler()]
    for handler in handlers:
        handler.setFormatter(logging.Formatter(FORMAT))
