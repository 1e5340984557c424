"""The mailbox alone: what it answers to workers and to who asks, whatever the order in which they come."""

import asyncio

import pytest

from reeltune.cluster.data_parallel import mailbox
from reeltune.cluster.data_parallel.mailbox import DIED, NO_GROUP, NOT_HELD, TRIES, Failure, Lane, StaleGroup

BAD = Failure(kind="ValueError", message="bad")


async def answer(lane, command, word, *, progress=0.5):
    for rank in (0, 1):
        await lane.answer(command.number, rank, word if rank == 0 else b"", progress)


def played(scene, *, workers=2):
    """Play a scene with a lane, each worker of which is up as group `a`."""

    async def play():
        lane = Lane(workers)
        for rank in range(workers):
            await lane.hello("a", rank, None)
        return await asyncio.wait_for(scene(lane), 20)

    return asyncio.run(play())


def test_every_worker_gets_a_command_and_who_asked_the_first_ones_answer():
    async def scene(lane):
        asked = asyncio.create_task(lane.ask("fit", b"order"))
        commands = [await lane.next("a", 0), await lane.next("a", 0)]
        await answer(lane, commands[0], b"done")
        return commands, await asked

    (first, second), said = played(scene)
    assert first == second
    assert (first.fit, first.order) == ("fit", b"order")
    assert said == b"done"


def test_a_command_is_not_served_twice_to_a_worker():
    async def scene(lane):
        asked = asyncio.create_task(lane.ask("fit", b""))
        command = await lane.next("a", 0)
        again = asyncio.create_task(lane.next("a", command.number))
        await asyncio.sleep(0.05)
        waited = not again.done()
        await answer(lane, command, b"on")
        await asked
        second = asyncio.create_task(lane.ask("fit", b""))
        following = await again
        await answer(lane, following, b"done")
        return waited, await second

    assert played(scene) == (True, b"done")


def test_what_fails_on_every_worker_is_the_fits_own_fault_and_the_group_goes_on():
    async def scene(lane):
        asked = asyncio.create_task(lane.ask("fit", b""))
        number = (await lane.next("a", 0)).number
        own = await asyncio.gather(lane.failed(number, 1, BAD), lane.failed(number, 0, BAD))
        return own, await asked, await lane.ready()

    assert played(scene) == ([True, True], BAD, None)


def test_a_group_that_was_started_again_gets_the_same_command_and_the_earlier_group_none():
    async def scene(lane):
        asked = asyncio.create_task(lane.ask("fit", b""))
        command = await lane.next("a", 0)
        waiting = asyncio.create_task(lane.next("a", command.number))
        await lane.ended("killed")
        with pytest.raises(StaleGroup):
            await waiting
        for rank in (0, 1):
            await lane.hello("b", rank, None)
        again = await lane.next("b", 0)
        await answer(lane, again, b"done")
        return command == again, await asked

    assert played(scene) == (True, b"done")


def test_a_fit_of_which_the_group_dies_time_after_time_is_given_up():
    async def scene(lane):
        asked = asyncio.create_task(lane.ask("fit", b""))
        await asyncio.sleep(0)
        for _ in range(TRIES):
            await lane.ended("killed")
        return await asked

    assert played(scene) == Failure(kind=DIED, message="its workers died 3 times: killed")


async def died_once(lane, *, progress, fit="fit"):
    """What is said to who asks for a fit whose group dies once, and whose next group gets so far."""
    asked = asyncio.create_task(lane.ask(fit, b""))
    await asyncio.sleep(0)
    await lane.ended("killed")
    for rank in (0, 1):
        await lane.hello("b", rank, None)
    if lane.command is not None:  # else the fit is given up
        await answer(lane, await lane.next("b", 0), b"on", progress=progress)
    return await asked


def test_deaths_of_a_fit_that_gets_further_between_them_are_not_counted_together():
    async def scene(lane):
        return [await died_once(lane, progress=each / 10) for each in range(2 * TRIES)]

    assert played(scene) == [b"on"] * 2 * TRIES


def test_a_fit_that_goes_on_from_a_checkpoint_time_after_time_and_dies_no_later_is_given_up():
    async def scene(lane):
        first = await died_once(lane, progress=0.9)
        return first, [await died_once(lane, progress=each) for each in (0.5, 0.6, 0.7)]

    given_up = Failure(kind=DIED, message="its workers died 3 times: killed")
    assert played(scene) == (b"on", [b"on", b"on", given_up])


def test_deaths_of_two_fits_are_not_counted_together():
    async def scene(lane):
        return [await died_once(lane, progress=0.5, fit=fit) for fit in ("one", "one", "other", "other")]

    assert played(scene) == [b"on"] * 4


def test_workers_that_do_not_start_are_told_with_the_reason():
    async def scene():
        lane = Lane(2)
        ready = asyncio.create_task(lane.ready())
        for _ in range(TRIES):
            await asyncio.sleep(0)
            await lane.ended("no module named torch")
        return await ready

    assert asyncio.run(scene()) == "no module named torch"


def test_a_closed_lane_lets_its_workers_go():
    async def scene(lane):
        waiting = asyncio.create_task(lane.next("a", 0))
        await asyncio.sleep(0)
        await lane.close()
        return await waiting

    assert played(scene) is None


def test_a_late_word_of_an_earlier_command_is_not_taken_for_the_next_ones():
    async def scene(lane):
        first = asyncio.create_task(lane.ask("fit", b""))
        command = await lane.next("a", 0)
        await answer(lane, command, b"on")
        await first
        second = asyncio.create_task(lane.ask("fit", b""))
        await asyncio.sleep(0)
        await answer(lane, command, b"late")
        own = await lane.failed(command.number, 1, BAD)
        await answer(lane, await lane.next("a", command.number), b"done")
        return own, await second

    assert played(scene) == (False, b"done")


@pytest.fixture
def nobody_dies(monkeypatch):
    async def dead(actors):
        return False

    monkeypatch.setattr(mailbox, "_dead", dead)


@pytest.mark.usefixtures("nobody_dies")
def test_a_lane_goes_to_whoever_has_waited_longest_and_not_back_to_who_let_it_go():
    async def scene(lane):
        first = [await lane.claim("one"), await lane.claim("two"), await lane.claim("three")]
        await lane.release("one")
        second = [await lane.claim("three"), await lane.claim("one"), await lane.claim("two")]
        await lane.release("two")
        await lane.release("three")  # it has another lane by now
        return first, second, [await lane.claim("two"), await lane.claim("one")]

    assert played(scene) == ([True, False, False], [False, False, True], [False, True])


@pytest.mark.usefixtures("nobody_dies")
def test_a_holder_that_asks_for_nothing_loses_the_lane_and_is_told_so(monkeypatch):
    monkeypatch.setattr(mailbox, "IDLE", 0.3)

    async def scene(lane):
        await lane.claim("one")
        asked = asyncio.create_task(lane.ask("fit", b"", who="one"))
        command = await lane.next("a", 0)
        await asyncio.sleep(0.4)
        working = await lane.claim("two")
        await answer(lane, command, b"on")
        await asked
        soon = await lane.claim("two")
        await asyncio.sleep(0.4)
        return working, soon, await lane.claim("two"), (await lane.ask("fit", b"", who="one")).kind

    assert played(scene) == (False, False, True, NOT_HELD)


def test_a_lane_without_a_group_is_nobodys_and_after_a_while_says_so_to_who_asks():
    async def scene():
        lane = Lane(1, away=0.1)
        claimed = await lane.claim("one")
        said = await lane.ask("fit", b"")
        waiting = asyncio.create_task(lane.ask("fit", b""))
        await lane.hello("a", 0, None)
        await lane.answer((await lane.next("a", 0)).number, 0, b"on", 0.5)
        return claimed, said.kind, await waiting

    assert asyncio.run(scene()) == (False, NO_GROUP, b"on")
