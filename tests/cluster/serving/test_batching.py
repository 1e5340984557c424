"""Requests that wait are answered together, each with its own answer; a bound says how many may wait."""

import asyncio
import threading

import pytest

from reeltune.cluster.serving import batching
from reeltune.cluster.serving.batching import Batcher, Busy, Line
from reeltune.trainables.errors import InputError


class Work:
    """Doubles numbers, once it is let; a request is a list of them."""

    def __init__(self):
        self.let, self.calls = threading.Event(), []
        self.batcher = Batcher(self.done, pairs=len, sized=lambda size: None)

    def done(self, asked):
        assert self.let.wait(60)
        self.calls.append(asked)
        return [InputError("none of these") if None in each else [2 * number for number in each] for each in asked]

    async def ask(self, *requests):
        """The answers to requests of which the first is in work while the others come."""
        asking = [asyncio.ensure_future(self.batcher.ask(each)) for each in requests]
        await asyncio.sleep(0)
        self.let.set()
        return await asyncio.gather(*asking, return_exceptions=True)


def test_what_comes_while_one_is_in_work_is_done_in_one_call():
    work = Work()
    assert asyncio.run(work.ask([1], [2, 3], [4])) == [[2], [4, 6], [8]]
    assert work.calls == [[[1]], [[2, 3], [4]]]


def test_an_error_is_of_its_own_request_alone():
    first, error, last = asyncio.run(Work().ask([1], [None], [3]))
    assert (first, str(error), last) == ([2], "none of these", [6])


def test_a_failure_of_the_call_is_all_of_its_requests_and_the_next_call_goes_on():
    work = Work()

    async def several():
        failed = await work.ask([1], ["text", object()], [3])
        return failed, await work.ask([4])

    failed, after = asyncio.run(several())
    assert failed[0] == [2]
    assert [type(each) for each in failed[1:]] == [TypeError, TypeError]
    assert after == [[8]]


def test_who_hangs_up_is_no_hindrance_to_the_others():
    work = Work()

    async def several():
        gone = asyncio.ensure_future(work.batcher.ask([1]))
        stays = asyncio.ensure_future(work.batcher.ask([2]))
        await asyncio.sleep(0)
        gone.cancel()
        work.let.set()
        return await stays

    assert asyncio.run(several()) == [4]


def test_a_call_has_so_many_pairs_and_so_many_may_wait(monkeypatch):
    monkeypatch.setattr(batching, "MOST_AT_ONCE", 3)
    monkeypatch.setattr(batching, "MOST_WAITING", 6)
    work = Work()
    found = asyncio.run(work.ask([0], [1, 1], [2], [3, 3, 3], [4]))
    assert found[:4] == [[0], [2, 2], [4], [6, 6, 6]]
    assert isinstance(found[4], Busy)
    assert work.calls == [[[0]], [[1, 1], [2]], [[3, 3, 3]]]


def test_a_line_refuses_who_would_only_wait():
    let = threading.Event()

    async def several():
        line = Line(2)
        asking = [asyncio.ensure_future(line.ask(lambda asked: let.wait(60) and asked, number)) for number in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await asking[2]
        let.set()
        return await asyncio.gather(*asking[:2]), await line.ask(abs, -3)

    assert asyncio.run(several()) == ([0, 1], 3)
