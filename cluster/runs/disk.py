"""A search whose files can no longer be written stops, and nothing that it has not written counts as done."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from reeltune.trainables.errors import StorageFailed

UNSTORED: Final = "unstored"  # the state of a trial that could not use the run's storage: it has not ended
BROKEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class Disk:
    """Why the run's files can no longer be written, once that is so; the search then stops.

    An error that is raised while Tune handles a trial's end is taken for the trial's, and the search goes on with
    its books wrong.
    """

    def __init__(self) -> None:
        self.failed: StorageFailed | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Keep the error of a full or broken disk for later."""
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
