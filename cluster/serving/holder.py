"""The model in use, and a newer bundle in its place.

A new bundle is read and checked beside the model in use, which answers meanwhile. One assignment then swaps them: each
request is answered by one model, the old or the new one. A bundle that cannot be read changes nothing.
"""

import asyncio
import gc
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from reeltune.cluster.runs.find import model_folder
from reeltune.cluster.serving.answers import Answers
from reeltune.cluster.serving.options import ServeOptions
from reeltune.trainables.bundle import DESCRIPTION, Predictor, load_own, no_bundle
from reeltune.trainables.errors import InputError, StorageFailed

Reload = Literal["none", "swapped", "unchanged", "failed"]
SHOWN = 12  # of a name's hexadecimal digits


class Holder:
    """The model in use; `last_reload` is what came of the latest look for another one."""

    def __init__(
        self,
        options: ServeOptions,
        say: Callable[[str], None],
        *,
        load: Callable[[Path], Predictor] | None = None,
        taken: str = "answers now",
    ) -> None:
        """Load the bundle, by `load` if that is given. `taken` says what becomes of another one.

        Raises InputError where it cannot be used.
        """
        self._options, self._say, self._taken = options, say, taken
        self._load = load or (lambda folder: load_own(folder, options.own))
        self.answers = self._read()
        self.last_reload: Reload = "none"
        self.told: Callable[[Reload], None] = lambda outcome: None  # is called with what came of each look
        self._one = threading.Lock()
        self._failed: str | None = None

    def look(self, *, ask: bool) -> Reload:
        """Take the bundle that is there now, if it is another one. `ask`: somebody asked for it, and is answered."""
        with self._one:
            try:
                self.last_reload = self._swap(ask=ask)
            except (InputError, StorageFailed, OSError, MemoryError) as error:
                self._fail(str(error), ask=ask)
        self.told(self.last_reload)
        return self.last_reload

    def _swap(self, *, ask: bool) -> Reload:
        if not ask and self._name_there() == self.answers.name:
            self._failed = None
            return "none" if self.last_reload == "none" else "unchanged"
        found = self._read()
        self._failed, before = None, self.answers.name
        if found.name == before:
            self._say(f"reload: {self._options.model} is still the bundle {before}")
            return "unchanged"
        self.answers = found
        self._say(f"reload: the bundle {found.name} {self._taken}, in place of {before}")
        return "swapped"

    def _fail(self, why: str, *, ask: bool) -> None:
        """Say it once, unless somebody asks again: a folder that is looked at each second fails each second."""
        self.last_reload = "failed"
        if ask or why != self._failed:
            self._say(f"reload: failed, and the bundle {self.answers.name} still answers: {why}")
        self._failed = why

    def _read(self) -> Answers:
        """The bundle, checked and ready to answer. A link is followed once, so that all files are of one bundle."""
        folder = model_folder(self._options.model).resolve()
        name = _name(folder)
        found = Answers(self._load(folder), name)
        found.prepare()
        if _name(folder) != name:
            raise InputError(f"{folder}: changed while it was read; load it again once it is whole")
        return found

    def _name_there(self) -> str:
        return _name(model_folder(self._options.model).resolve())


def _name(folder: Path) -> str:
    """The start of the SHA-256 of the bundle's description, which has those of the other files."""
    try:
        content = (folder / DESCRIPTION).read_bytes()
    except OSError:
        raise no_bundle(folder) from None
    return name_of(content)


def name_of(description: bytes) -> str:
    """The name of the bundle whose `config.json` has this content."""
    return hashlib.sha256(description).hexdigest()[:SHOWN]


def settle() -> None:
    """Let the collector of garbage leave alone what is there now: a model's ids are many objects, which stay."""
    gc.unfreeze()  # the model before the last one, where something of it is still there
    gc.collect()
    gc.freeze()


async def look_every(holder: Holder, seconds: float) -> None:
    """Look for another bundle for ever, in a thread of its own. A failure that nobody expects ends one look alone."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await asyncio.to_thread(holder.look, ask=False)
        except Exception as error:  # noqa: BLE001  The boundary of a look: the model in use answers on.
            log_unexpected(error)


def log_unexpected(error: Exception) -> None:
    """Have asyncio log a failed look for another bundle, with its traceback."""
    found = {"message": "a look for another bundle failed; there will be others", "exception": error}
    asyncio.get_running_loop().call_exception_handler(found)
