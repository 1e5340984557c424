"""What a replica makes of a failure while it asks for another bundle."""

import asyncio

from ray.exceptions import RayError

from reeltune.cluster.ray_serve import replica
from reeltune.cluster.ray_serve.replica import stay_in_touch


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
