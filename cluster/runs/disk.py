"""Stops a search whose files can no longer be written; a trial whose end was not written does not count as done."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reeltune.trainables.errors import StorageFailed

UNSTORED: Final = "unstored"  # state of a trial that could not use the run's storage: it has not ended
BROKEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class Disk:
    """Keeps the error once the run's files cannot be written; the search checks it and stops.

    Raising at once would not do: Tune takes an error raised while it handles a trial's end for that trial's own
    failure, and goes on with a wrong ledger.
    """

    def __init__(self) -> None:
        self.failed: StorageFailed | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Catch and keep the error of a full or broken disk, or of a failing store."""
        try:
            yield
        except StorageFailed as error:
            self.fail(str(error))
        except OSError as error:
            if error.errno not in BROKEN:
                raise
            self.fail(f"the run's folder cannot be written: {error.strerror}")

    def fail(self, reason: str) -> None:
        self.failed = self.failed or StorageFailed(reason)
