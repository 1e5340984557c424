"""`--verbose` and `--log-file`: the debug log of reeltune's modules, for bug reports."""

import logging
import sys
from pathlib import Path

from reeltune.trainables.errors import InputError

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class StandardError(logging.Handler):
    """Writes to the current `sys.stderr`, which the live table replaces while it is shown."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr)


def configure(*, verbose: bool, file: Path | None) -> None:
    """Set up the debug log; without either option there is none. Raises InputError if the file cannot be written."""
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
