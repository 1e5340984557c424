"""A lane's mailbox: between who asks for a fit, word by word, and the workers of one Ray Train run that stay up.

The workers fetch what is asked of them; nothing is sent. So none of them waits for another while there is nothing to
do, and a group that was started again, or a fit that was left in the middle, needs no message of its own.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from reeltune.cluster.session.ray_private import ping

TRIES = 3  # of a group of workers, until the fit that it dies of is given up
GRACE = 5.0  # seconds after one worker's failure in which the others say theirs
PING = 2.0  # seconds in which a living process answers
DIED, TOO_LONG = "Died", "TooLong"  # kinds of failure that are no exception of the fit's

Word = dict[str, Any]  # what a fit said last; "done" in it: it was its last


@dataclass(frozen=True, kw_only=True)
class Command:
    """That a fit is to say its next word. A worker that holds another fit drops that one."""

    number: int
    fit: str
    order: Any


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a fit will say no more."""

    kind: str  # the exception's class
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class StaleGroup(RuntimeError):
    """The worker belongs to a group that was given up: it is to end."""


class Lane:
    """Runs as an actor that takes no CPU. It can be killed: what its workers do not know again, they fetch again."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.group: str | None = None  # names one start of the workers
        self.handles: dict[int, ActorHandle] = {}
        self.started = False  # it was up once, and comes back if it goes
        self.ends, self.why = 0, ""  # of groups, since a fit last said a word
        self.holder: ActorHandle | None = None
        self.closed = False
        self.command: Command | None = None
        self.number = time.time_ns()  # no number of a mailbox that was here before
        self.said: Word | Failure | None = None
        self.words: dict[int, Word] = {}  # by rank
        self.failures: dict[int, Failure] = {}
        self.asking = asyncio.Lock()
        self.news = asyncio.Event()

    # Called by the driver

    async def ready(self) -> str | None:
        """Wait until the workers are up; why they are not, where several starts have failed."""
        await self._until(lambda: self._up() or self.ends >= TRIES)
        return None if self._up() else self.why

    async def ended(self, why: str) -> None:
        """The workers' run has ended, and another one is about to start."""
        self._give_up()
        self.words, self.failures = {}, {}  # a group that is started again says all of it again
        self.ends, self.why = self.ends + 1, why
        if self.command is not None and self.ends >= TRIES:
            self._settle(Failure(kind=DIED, message=f"its workers died {TRIES} times: {why}"))
        self._tell()

    async def close(self) -> None:
        """Have the workers end once they have nothing to do."""
        self.closed = True
        self._tell()

    async def processes(self) -> list[ActorHandle]:
        return list(self.handles.values())

    # Called by who wants fits

    async def claim(self, who: ActorHandle) -> bool:
        """Whether the lane, once it is up, is now for this actor alone. One that has died holds nothing."""
        if not self.started:
            return False
        if self.holder is None or self.holder == who or await _dead([self.holder]):
            self.holder = who
        return self.holder == who

    async def release(self, who: ActorHandle) -> None:
        if self.holder == who:
            self.holder = None

    async def ask(self, fit: str, order: Any, limit: float | None = None) -> Word | Failure:
        """The next word of a fit, which has `limit` seconds for it; time in which no group is up does not count."""
        if self.command is not None and self.command.fit != fit:
            await self._abandoned(self.command)
        async with self.asking:  # what a holder asked that then died comes to its end first
            self.number += 1
            self.said, self.words, self.failures, self.ends = None, {}, {}, 0
            self.command = Command(number=self.number, fit=fit, order=order)
            self._tell()
            while self.command is not None:
                await self._until(lambda: self.command is None or self._up())
                await self._settled(limit)
            assert self.said is not None
            return self.said

    # Called by the workers

    async def hello(self, group: str, rank: int, process: ActorHandle) -> None:
        if group != self.group:
            self.group, self.handles = group, {}
        self.handles[rank] = process
        self.started = self.started or self._up()
        self._tell()

    async def next(self, group: str, seen: int) -> Command | None:
        """The command after the one of this number; None when the lane has been closed."""
        await self._until(
            lambda: group != self.group or (self._up() and (self.closed or self._asked_after(seen))),
        )
        if group != self.group:
            raise StaleGroup
        return self.command

    async def answer(self, number: int, rank: int, word: Word) -> None:
        """A worker is through with the word. Once all of them are, the first one's is what was asked for."""
        if not self._current(number):
            return
        self.words[rank] = word
        self._tell()
        if len(self.words) == self.workers:
            self._settle(self.words[0])

    async def failed(self, number: int, rank: int, failure: Failure) -> bool:
        """A worker's fit failed. True: on all of them, so that the group can go on; else the worker is to end."""
        if not self._current(number):
            return False
        failures, words, group = self.failures, self.words, self.group
        failures[rank] = failure
        self._tell()
        with suppress(TimeoutError):
            all_said = self._until(lambda: len(failures) + len(words) >= self.workers or group != self.group)
            await asyncio.wait_for(all_said, GRACE)
        if len(failures) == self.workers:
            if self._current(number):
                self._settle(failures[min(failures)])
            return True
        # Another worker has died, and this one failed of that: the fit is tried again. Or it failed on this one alone.
        others = [process for rank, process in self.handles.items() if rank not in failures]
        if group == self.group and not await _dead(others) and self._current(number):
            self._kill_group(failure)
        return False

    # What it knows

    def _up(self) -> bool:
        return len(self.handles) == self.workers

    def _current(self, number: int) -> bool:
        return self.command is not None and self.command.number == number

    def _asked_after(self, number: int) -> bool:
        return self.command is not None and self.command.number > number

    def _settle(self, said: Word | Failure) -> None:
        self.said, self.command = said, None
        self._tell()

    async def _settled(self, limit: float | None) -> None:
        """Wait for the command's end, or the group's. A group that takes too long is killed: it will not end itself."""
        group = self.group
        try:
            await asyncio.wait_for(self._until(lambda: self.command is None or group != self.group), limit)
        except TimeoutError:
            self._kill_group(Failure(kind=TOO_LONG, message=""))

    async def _abandoned(self, command: Command) -> None:
        """End what a holder asked that has died since, whose fit nobody wants any more."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._until(lambda: self.command != command), GRACE)
        if self.command == command:
            self._kill_group(Failure(kind=TOO_LONG, message=""))

    def _kill_group(self, failure: Failure) -> None:
        processes = list(self.handles.values())
        self._give_up()
        self._settle(failure)
        kill(processes)

    def _give_up(self) -> None:
        self.group, self.handles = None, {}

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    async def _until(self, happened: Callable[[], bool]) -> None:
        while not happened():
            await self.news.wait()


def kill(processes: Iterable[ActorHandle]) -> None:
    for process in processes:
        with suppress(RayActorError):
            ray.kill(process)


async def _dead(actors: list[ActorHandle]) -> bool:
    """Whether one of them has died. One that is busy does not answer, and lives."""
    for actor in actors:
        try:
            await asyncio.wait_for(ping(actor), PING)
        except RayActorError:
            return True
        except TimeoutError:
            pass
    return False
