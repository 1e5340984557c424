"""Gathers requests that wait into one call of the model.

A call of the model costs about the same for one pair as for a hundred. So while one runs in the worker thread, requests
that come are gathered, and the next call takes all of them. Nobody waits for a batch to fill up: alone, a request goes
on at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

from reeltune.trainables.errors import InputError

Asked = TypeVar("Asked")
Given = TypeVar("Given")
MOST_AT_ONCE = 10_000  # pairs in one call, unless one request has more
MOST_WAITING = 200_000  # pairs, about 100 MB of them; more are refused, as they would only wait


class Busy(Exception):
    """Too many requests wait already."""


class Batcher(Generic[Asked, Given]):
    """Asks `work` for the answers to several requests at once, in one thread of its own."""

    def __init__(
        self,
        work: Callable[[Sequence[Asked]], Sequence[Given | InputError]],
        *,
        pairs: Callable[[Asked], int],
        sized: Callable[[int], None],
    ) -> None:
        """`pairs` says how many a request has, and `sized` is told how many requests each call has."""
        self._work, self._pairs, self._sized = work, pairs, sized
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._waiting: deque[tuple[Asked, asyncio.Future[Given]]] = deque()
        self._pairs_waiting = 0
        self._running = False

    async def ask(self, asked: Asked) -> Given:
        """The answer. Raises Busy, and what `work` gives or raises."""
        if self._pairs_waiting + self._pairs(asked) > MOST_WAITING:
            raise Busy
        future: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        self._pairs_waiting += self._pairs(asked)
        self._next()
        return await future

    def _next(self) -> None:
        if self._running or not self._waiting:
            return
        self._running = True
        batch = self._batch()
        self._sized(len(batch))
        call = asyncio.get_running_loop().run_in_executor(self._thread, self._work, [asked for asked, _ in batch])
        call.add_done_callback(lambda done: self._finished(done, [future for _, future in batch]))

    def _batch(self) -> "list[tuple[Asked, asyncio.Future[Given]]]":
        """The requests that have waited longest."""
        batch = [self._waiting.popleft()]
        size = self._pairs(batch[0][0])
        while self._waiting and (size := size + self._pairs(self._waiting[0][0])) <= MOST_AT_ONCE:
            batch.append(self._waiting.popleft())
        self._pairs_waiting -= sum(self._pairs(asked) for asked, _ in batch)
        return batch

    def _finished(
        self, done: "asyncio.Future[Sequence[Given | InputError]]", futures: Sequence["asyncio.Future[Given]"]
    ) -> None:
        self._running = False
        error = done.exception()
        for place, future in enumerate(futures):
            given = done.result()[place] if error is None else error
            if future.cancelled():
                continue  # whoever asked has hung up
            if isinstance(given, BaseException):
                future.set_exception(given)
            else:
                future.set_result(given)
        self._next()


class Line:
    """One thread for what takes longer, a request after the other, beside the batches."""

    def __init__(self, most_waiting: int) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lists")
        self._most, self._waiting = most_waiting, 0

    async def ask(self, work: Callable[[Asked], Given], asked: Asked) -> Given:
        """Raises Busy, and what `work` raises."""
        if self._waiting >= self._most:
            raise Busy
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, asked)
        finally:
            self._waiting -= 1
