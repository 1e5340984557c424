"""What a replica makes of a failure while it asks for another bundle."""

import asyncio
import errno
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

from ray.exceptions import RayError

from reeltune.cluster.ray_serve import replica
from reeltune.cluster.ray_serve.keeper import Bundle
from reeltune.cluster.ray_serve.replica import Replica, stay_in_touch
from reeltune.cluster.serving.holder import Holder
from reeltune.cluster.serving.options import ServeOptions
from reeltune.trainables.architectures.registry import SHIPPED
from reeltune.trainables.bundle import restore


class Alone:
    """A replica without Ray Serve, which has one bundle, and whose keeper offers another."""

    _ask_the_keeper, _sent, _take = Replica._ask_the_keeper, Replica._sent, Replica._take
    _write, _clear, _link, _say_failed = Replica._write, Replica._clear, Replica._link, Replica._say_failed

    def __init__(self, has, offered):
        self._lines, self._tried, self._unwritten = [], has.name, None
        self._own = tempfile.TemporaryDirectory(prefix="reeltune-")
        self._write(has)
        options = ServeOptions(model=str(self._link), host="127.0.0.1", port=0, drain=0)
        holder = Holder(options, self._lines.append, load=lambda folder: restore(folder, SHIPPED))
        self._service = SimpleNamespace(holder=holder)
        self._clear()

        async def beat(said):
            return offered.name

        async def bundle():
            return offered

        async def sent():
            return SimpleNamespace(bundle=bundle())

        self._keeper = SimpleNamespace(beat=SimpleNamespace(remote=beat), sent=SimpleNamespace(remote=sent))

    def _beat(self):
        return None

    @property
    def answering(self):
        return self._service.holder.answers.name

    def on_disk(self):
        return list(Path(self._own.name).iterdir())


def test_a_bundle_that_the_disk_does_not_take_is_asked_for_again_until_it_does(bundles, monkeypatch):
    has, offered = (Bundle.read(path) for path in bundles)
    alone = Alone(has, offered)

    def full(path, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        for _ in range(2):
            asyncio.run(alone._ask_the_keeper())
            assert (alone.answering, alone.on_disk()) == (has.name, [])
    asyncio.run(alone._ask_the_keeper())
    assert (alone.answering, alone.on_disk()) == (offered.name, [])
    failed, taken = alone._lines
    assert failed == f"reload: failed, and {has.name} still answers: [Errno 28] No space left on device"
    assert taken.endswith(f"answers now, in place of {has.name}")
    alone._own.cleanup()


def test_a_failure_that_nobody_expects_is_said_once_and_logged_and_the_keeper_is_asked_again(monkeypatch, caplog):
    monkeypatch.setattr(replica, "BEAT", 0)
    failures = [ValueError("two\nlines"), ValueError("two\nlines"), RayError("gone"), KeyError("other")]
    said, lost = [], []

    async def until_asked_again():
        asked_again = asyncio.Event()

        async def ask():
            if failures:
                raise failures.pop(0)
            asked_again.set()

        task = asyncio.create_task(stay_in_touch(ask, lost=lambda: lost.append(True), say_failed=said.append))
        await asyncio.wait_for(asked_again.wait(), timeout=60)
        task.cancel()

    asyncio.run(until_asked_again())
    assert (said, lost) == (["ValueError: two lines", "KeyError: 'other'"], [True])
    assert [record.exc_info[0] for record in caplog.records] == [ValueError, KeyError]
