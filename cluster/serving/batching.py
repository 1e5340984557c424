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
MOST_AT_ONCE = 256  # requests in one call
MOST_WAITING = 2048  # requests; more are refused, as they would only wait


class Busy(Exception):
    """Too many requests wait already."""


class Batcher(Generic[Asked, Given]):
    """Asks `work` for the answers to several requests at once, in one thread of its own."""

    def __init__(
        self, work: Callable[[Sequence[Asked]], Sequence[Given | InputError]], *, sized: Callable[[int], None]
    ) -> None:
        """`sized` is told how many requests each call has."""
        self._work, self._sized = work, sized
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._waiting: deque[tuple[Asked, asyncio.Future[Given]]] = deque()
        self._running = False

    async def ask(self, asked: Asked) -> Given:
        """The answer. Raises Busy, and what `work` gives or raises."""
        if len(self._waiting) >= MOST_WAITING:
            raise Busy
        future: asyncio.Future[Given] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, future))
        self._next()
        return await future

    def _next(self) -> None:
        if self._running or not self._waiting:
            return
        self._running = True
        batch = [self._waiting.popleft() for _ in range(min(MOST_AT_ONCE, len(self._waiting)))]
        self._sized(len(batch))
        call = asyncio.get_running_loop().run_in_executor(self._thread, self._work, [asked for asked, _ in batch])
        call.add_done_callback(lambda done: self._finished(done, [future for _, future in batch]))

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
