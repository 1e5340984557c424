"""A lane's mailbox: the actor between a caller, who asks for a fit step by step, and the workers that do it.

The workers belong to one Ray Train run that stays up. They fetch commands from the mailbox; the mailbox never calls
them. So no worker waits for another while there is nothing to do, and neither a restarted group nor a fit that was
dropped half-way needs a message of its own.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import ray
from ray import cloudpickle
from ray.actor import ActorHandle
from ray.exceptions import RayActorError

from reeltune.cluster.session.ray_private import ping

TRIES = 3  # a fit is given up when so many groups of workers have died of it since it last got further
GRACE = 5.0  # seconds, after one worker has failed, for the others to report their failures
PING = 2.0  # seconds in which a living and idle process answers
AWAY = 60.0  # seconds without a group after which another lane may do the fit: groups restart in less, if there is room
IDLE = 10.0  # seconds without a word after which a holder, or one who waits, is not reckoned with
# Kinds of failure that are no exception raised by the fit. Of the last two the fit goes on if it is asked for again.
DIED, TOO_LONG, NO_GROUP, NOT_HELD = "Died", "TooLong", "NoGroup", "NotHeld"


@dataclass(frozen=True, kw_only=True)
class Command:
    """Asks all workers for the next update of a fit. A worker that holds another fit drops it."""

    number: int
    fit: str
    order: bytes


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a fit cannot go on."""

    kind: str  # the exception's class
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class StaleGroup(RuntimeError):
    """Raised in a worker whose group was given up: it must end."""


class Lane:
    """An actor that takes no CPU. Ray may restart it at any time: its workers then say hello and fetch again."""

    def __init__(self, workers: int, *, away: float = AWAY) -> None:
        self.workers, self.away = workers, away
        self.group: str | None = None  # a new name for each start of the workers
        self.handles: dict[int, ActorHandle] = {}
        # Groups that have ended since a fit last got further than ever, and why the last one did. An update after a
        # restart does not do: a fit that goes on from a checkpoint repeats steps that it had done.
        self.ends, self.why = 0, ""
        self.fit, self.reached = "", -1.0  # the fit that was asked for last, and the largest progress of its updates
        self.holder: ActorHandle | None = None
        self.heard = 0.0  # when the holder last had something of the lane, by `time.monotonic`
        self.waiting: dict[ActorHandle, float] = {}  # who was refused, the first one first, and when they last asked
        self.closed = False
        self.command: Command | None = None
        self.number = time.time_ns()  # larger than any number used before this actor was restarted
        self.said: bytes | Failure | None = None
        self.answers: dict[int, bytes] = {}  # by rank; an update comes from rank 0 alone
        self.failures: dict[int, Failure] = {}
        self.asking = asyncio.Lock()
        self.news = asyncio.Event()

    # Called by the driver

    async def ready(self) -> str | None:
        """Wait until the workers are up. Returns None, or why they are not after several failed starts."""
        await self._until(lambda: self._up() or self.ends >= TRIES)
        return None if self._up() else self.why

    async def ended(self, why: str) -> None:
        """The workers' Ray Train run has ended, and another is about to start."""
        self._give_up()
        self.answers, self.failures = {}, {}  # the next group answers the command from its beginning
        self.ends, self.why = self.ends + 1, why
        if self.command is not None and self.ends >= TRIES:
            self._settle(Failure(kind=DIED, message=f"its workers died {TRIES} times: {why}"))
        self._tell()

    async def close(self) -> None:
        """Let the workers end once they have nothing to do."""
        self.closed = True
        self._tell()

    async def processes(self) -> list[ActorHandle]:
        return list(self.handles.values())

    # Called by callers that want fits

    async def claim(self, who: ActorHandle) -> bool:
        """Whether this actor now has the lane to itself: the lane is up, and no other one holds it or came before.

        A holder that has died, or asks for nothing, loses it: Tune may keep an actor that it has no trial for.
        """
        if not self._up():
            return False
        now = time.monotonic()
        self.waiting = {actor: asked for actor, asked in self.waiting.items() if now - asked < IDLE}
        holder = self.holder
        free = holder is None or holder == who or self._idle() or await _dead([holder])
        if free and self.holder == holder and next(iter(self.waiting), who) == who:
            self.holder, self.heard = who, time.monotonic()
            self.waiting.pop(who, None)
        if self.holder != who:
            self.waiting[who] = time.monotonic()
        return self.holder == who

    async def release(self, who: ActorHandle) -> None:
        """This actor no longer holds the lane, nor waits for it."""
        self.waiting.pop(who, None)
        if self.holder == who:
            self.holder = None

    async def ask(
        self, fit: str, order: bytes, limit: float | None = None, who: ActorHandle | None = None
    ) -> bytes | Failure:
        """The next update of a fit, within `limit` seconds. Time in which no group is up does not count.

        A Failure of kind NO_GROUP says that none has been up for `away` seconds: perhaps the cluster has lost a node.
        One of kind NOT_HELD is for an actor, `who`, that does not hold the lane.
        """
        if who is not None and who != self.holder:
            return Failure(kind=NOT_HELD, message="")
        if self.command is not None and self.command.fit != fit:
            await self._abandoned(self.command)
        async with self.asking:  # a command of a holder that has died ends first
            self.number += 1
            self.said, self.answers, self.failures = None, {}, {}
            if fit != self.fit:
                self.fit, self.reached, self.ends = fit, -1.0, 0
            self.command = Command(number=self.number, fit=fit, order=order)
            self._tell()
            while self.command is not None:
                try:
                    await asyncio.wait_for(self._until(lambda: self.command is None or self._up()), self.away)
                except TimeoutError:
                    self._settle(Failure(kind=NO_GROUP, message="there is no room for its workers"))
                else:
                    await self._settled(limit)
            assert self.said is not None
            return self.said

    # Called by the workers

    async def hello(self, group: str, rank: int, process: ActorHandle) -> None:
        if group != self.group:
            self.group, self.handles = group, {}
        self.handles[rank] = process
        self._tell()

    async def next(self, group: str, seen: int) -> Command | None:
        """Wait for the command after number `seen`. Returns None when the lane is closed. Raises StaleGroup."""
        await self._until(
            lambda: group != self.group or (self._up() and (self.closed or self._asked_after(seen))),
        )
        if group != self.group:
            raise StaleGroup
        return self.command

    async def answer(self, number: int, rank: int, update: bytes, progress: float) -> None:
        """A worker has done the command: its fit has done this share of its steps.

        Once all have, the caller gets the update of rank 0.
        """
        if not self._current(number):
            return
        self.answers[rank] = update
        if len(self.answers) == self.workers and progress > self.reached:
            self.reached, self.ends = progress, 0
        self._tell()
        if len(self.answers) == self.workers:
            self._settle(self.answers[0])

    async def failed(self, number: int, rank: int, failure: Failure) -> bool:
        """A worker's fit failed.

        Returns True if it failed on every worker, so that the group goes on; else the worker must end.
        """
        if not self._current(number):
            return False
        failures, answers, group = self.failures, self.answers, self.group
        failures[rank] = failure
        self._tell()
        with suppress(TimeoutError):
            all_said = self._until(lambda: len(failures) + len(answers) >= self.workers or group != self.group)
            await asyncio.wait_for(all_said, GRACE)
        if len(failures) == self.workers:
            if self._current(number):
                self._settle(failures[min(failures)])
            return True
        # If another worker died, this one failed because of it: the fit is retried. Else it failed on this one alone.
        others = [process for rank, process in self.handles.items() if rank not in failures]
        if group == self.group and not await _dead(others) and self._current(number):
            self._kill_group(failure)
        return False

    # Internals

    def _up(self) -> bool:
        return len(self.handles) == self.workers

    def _idle(self) -> bool:
        return self.command is None and time.monotonic() - self.heard > IDLE

    def _current(self, number: int) -> bool:
        return self.command is not None and self.command.number == number

    def _asked_after(self, number: int) -> bool:
        return self.command is not None and self.command.number > number

    def _settle(self, said: bytes | Failure) -> None:
        self.said, self.command, self.heard = said, None, time.monotonic()
        self._tell()

    async def _settled(self, limit: float | None) -> None:
        """Wait until the command or the group has ended. Kill a group that takes too long: it cannot end itself."""
        group = self.group
        try:
            await asyncio.wait_for(self._until(lambda: self.command is None or group != self.group), limit)
        except TimeoutError:
            self._kill_group(Failure(kind=TOO_LONG, message=""))

    async def _abandoned(self, command: Command) -> None:
        """End the command of a holder that has died since: nobody wants that fit any more."""
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


def packed(content: object) -> bytes:
    """An order or an update as the mailbox carries it. Its process loads none of their modules: torch takes seconds."""
    return cloudpickle.dumps(content)


def unpacked(content: bytes) -> Any:
    return cloudpickle.loads(content)


def kill(processes: Iterable[ActorHandle]) -> None:
    for process in processes:
        with suppress(RayActorError):
            ray.kill(process)


async def _dead(actors: list[ActorHandle]) -> bool:
    """Whether one of them has died. A busy actor does not answer in time, and counts as alive."""
    for actor in actors:
        try:
            await asyncio.wait_for(ping(actor), PING)
        except RayActorError:
            return True
        except TimeoutError:
            pass
    return False
