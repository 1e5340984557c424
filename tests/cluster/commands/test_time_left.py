import heapq
import random
from dataclasses import replace

import pytest

from reeltune.cluster.commands.durations import spell, words
from reeltune.cluster.commands.time_left import (
    BETWEEN,
    BUSY,
    ENDING,
    REFITS_START,
    UNSURE,
    RefitsLeft,
    TimeLeft,
    Work,
)
from reeltune.cluster.commands.time_left import START as START_GUESS
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.search.choice import FINALISTS, SEEDS, finalists
from tests.cluster.runs.test_folder import ENTRY

COSTS = {"bias": 0.01, "pmf": 1.2, "embedding_nn": 2.4, "classifier": 2.7, "svdpp": 0.9}  # seconds of a usual fit
FIRST = 4.0  # times as long as a usual fit: modules are loaded
START, TRIALS, SLOTS = 12.0, 20, 2
LISTS = 6.0  # seconds to judge the refits' top lists


class World:
    """A search whose fits take made-up times: its clock, its ledger, and the estimates as they come."""

    def __init__(self, path, seed, deadline=None, all_rows=1.0):
        self.all_rows = all_rows
        self.draw, self.now, self.estimates = random.Random(seed), 0.0, []
        self.ledger = Ledger(path)
        work = Work(
            architectures=tuple(COSTS), trials=TRIALS, slots=SLOTS, lanes=1, baseline="pmf", more_rows=1.1,
            deadline=deadline, all_rows=all_rows, judging=LISTS,
        )  # fmt: skip
        self.left = TimeLeft(work, self.ledger, began=0.0, clock=lambda: self.now)
        self.deadline = deadline

    def orders(self):
        for number in range(TRIALS):
            for name in COSTS:
                if self.deadline is None or self.now < self.deadline:
                    yield name, number, "search"
        for name in COSTS:
            for number in range(FINALISTS * SEEDS):
                yield name, number, "confirm"

    def seconds(self, name, number, stage):
        usual = COSTS[name] * self.draw.uniform(0.5, 1.5)
        if stage == "search":
            return usual * (FIRST if number == 0 else 2 / 3 if number > 4 and number % 2 else 1)
        return usual * self.all_rows

    def search(self):
        """Fits in as many slots, each of which takes the next order when it is free."""
        free, orders = [START] * SLOTS, self.orders()
        ends = []
        while ends or free:
            if free and (order := next(orders, None)) is not None:
                self.now = max(self.now, free.pop())
                took = self.seconds(*order)
                heapq.heappush(ends, (self.now + took + 0.03, took, order))
                continue
            if not ends:
                return
            self.now, took, (name, number, stage) = heapq.heappop(ends)
            trial = f"{name}-{number:03}"
            if stage == "confirm":
                trial = f"{finalists(self.ledger, name)[number // SEEDS].trial}-again{number % SEEDS + 1}"
            self.ledger.append(
                replace(
                    ENTRY, trial=trial, architecture=name, number=number, stage=stage, seconds=took,
                    value=self.draw.random(), config={"number": number},
                )
            )  # fmt: skip
            self.left.trial_ended()
            self.estimates.append((self.now, self.left.seconds()))
            free = [self.now]

    def refit(self):
        expected = {f"{name} {seed}": self.left.of_refit(name) for name in [*COSTS, "pmf"] for seed in range(SEEDS)}
        ending = self.left.ending
        left = RefitsLeft(expected, lanes=1, start=self.left.start, ending=ending, clock=lambda: self.now)
        self.now += REFITS_START * START
        for name in expected:
            left.began(name)
            self.now += COSTS[name.split()[0]] * self.draw.uniform(0.9, 1.3) * self.all_rows
            left.ended(name)
            self.estimates.append((self.now, left.seconds()))
            self.now += BETWEEN
        self.now += ENDING * START + LISTS


def errors(world):
    """Each estimate over the truth, from a quarter of the run on."""
    return [left / (world.now - at) - 1 for at, left in world.estimates if at >= 0.25 * world.now]


@pytest.mark.parametrize("seed", range(5))
def test_from_a_quarter_of_the_run_on_the_estimate_is_within_30_percent(tmp_path, seed):
    world = World(tmp_path / "trials.jsonl", seed)
    world.search()
    world.refit()
    found = errors(world)
    assert len(found) > 60
    assert max(map(abs, found)) < 0.3


def test_what_follows_search_trials_on_a_sample_takes_as_many_times_longer(tmp_path):
    world = World(tmp_path / "trials.jsonl", 1, all_rows=5.0)
    world.search()
    world.refit()
    assert max(map(abs, errors(world))) < 0.3


@pytest.mark.parametrize("stranger", [None, "many", [3, 4]])
def test_what_a_configuration_has_more_of_on_all_rows_takes_longer_there(tmp_path, stranger):
    ledger = Ledger(tmp_path / "trials.jsonl")
    work = Work(architectures=("svdpp",), trials=2, slots=1, lanes=1, baseline=None, all_rows=10.0)
    left = TimeLeft(work, ledger)
    for number, epochs in enumerate((8, 4)):
        sizes = ((12 - number, 90), (epochs, 60))
        config, there = ({"epochs": count, "factors": stranger or width} for count, width in sizes)
        trial = replace(ENTRY, trial=f"svdpp-{number:03}", architecture="svdpp", number=number, seconds=2.0)
        ledger.append(replace(trial, config=config, on_sample=there))
    wider = 1.0 if stranger else 90 / 60
    assert left.of_refit("svdpp") == pytest.approx(10 * 2.0 * 11 / 4 * wider), "the reference's own is not counted"


def test_a_refit_is_expected_to_take_what_the_confirmations_of_its_own_configuration_took(tmp_path):
    ledger = Ledger(tmp_path / "trials.jsonl")
    left = TimeLeft(Work(architectures=("pmf",), trials=2, slots=1, lanes=1, baseline=None, more_rows=1.5), ledger)
    for number, seconds in enumerate((2.0, 6.0)):
        about = {"stage": "confirm", "config": {"number": number}, "seconds": seconds, "fold": 1}
        ledger.append(replace(ENTRY, trial=f"pmf-{number:03}-again1", architecture="pmf", **about))
    assert [left.of_refit("pmf", {"number": number}) for number in (0, 1, 2)] == [3.0, 9.0, 6.0]
    assert left.of_refit("pmf") == 6.0


def test_a_limit_of_the_search_is_heeded(tmp_path):
    world = World(tmp_path / "trials.jsonl", 1, deadline=60.0)
    world.search()
    world.refit()
    assert max(map(abs, errors(world))) < 0.3


def test_nothing_is_said_before_a_trial_of_each_architecture_has_ended(tmp_path):
    world = World(tmp_path / "trials.jsonl", 1)
    assert world.left.seconds() is None
    for name in COSTS:
        assert words(world.left.seconds()) == ""
        world.ledger.append(replace(ENTRY, trial=f"{name}-000", architecture=name))
        world.left.trial_ended()
    assert world.left.seconds() > START


@pytest.mark.parametrize(
    ("again", "sampled", "waited_for"),
    [
        ((0.81, 0.82, 0.83), False, 6),
        ((0.81, 0.84, 9.93), False, 4),
        ((0.81, 0.84, 9.93), True, 0),
        ((0.81, 0.811, 9.93), True, 2),
        ((0.81, 0.811, 0.812), True, 3),
    ],
)
def test_a_finalist_that_was_dropped_or_is_left_alone_on_a_sample_is_not_waited_for(
    tmp_path, again, sampled, waited_for
):
    ledger = Ledger(tmp_path / "trials.jsonl")
    work = Work(architectures=("pmf",), trials=3, slots=1, lanes=1, baseline=None)
    left = TimeLeft(work, ledger, clock=lambda: 0.0)
    for fold, values in enumerate([(0.80, 0.82, 9.90), again]):
        for number, value in enumerate(values):
            about = {"trial": f"pmf-{number:03}{'-again1' * fold}", "stage": ("search", "confirm")[fold], "fold": fold}
            about |= {"architecture": "pmf", "number": number, "config": {"number": number}}
            about["on_sample"] = {"number": number} if sampled and not fold else None
            ledger.append(replace(ENTRY, value=value, **about))
            left.trial_ended()
    fit, rate = ENTRY.seconds, (5 * ENTRY.seconds + UNSURE * BUSY) / UNSURE
    refits = START_GUESS * (REFITS_START + ENDING) + SEEDS * (fit + BETWEEN)
    assert left.seconds() == pytest.approx(max(0.0, waited_for - 0.5) * fit / rate + refits)


def test_on_a_sample_third_confirmations_are_waited_for_only_where_the_first_two_disagree(tmp_path):
    ledger = Ledger(tmp_path / "trials.jsonl")
    left = TimeLeft(Work(architectures=("pmf",), trials=3, slots=1, lanes=1, baseline=None), ledger)
    waited = []
    for fold, values in enumerate([(0.80, 0.82, 9.90), (0.81, 0.811, 9.93), (0.82, 0.81), (0.8, 0.8)]):
        for number, value in enumerate(values):
            about = {"trial": f"pmf-{number:03}{f'-again{fold}' if fold else ''}", "fold": fold}
            about |= {"stage": "confirm" if fold else "search", "on_sample": None if fold else {"number": number}}
            ledger.append(
                replace(ENTRY, architecture="pmf", number=number, config={"number": number}, value=value, **about)
            )
            waited.append(left._confirmations("pmf") - len(ledger.of("confirm", "pmf")))
    expected, dropped_one, disagree = [5, 5, 5, 4, 3], [2, 1], [2, 1, 0]
    assert waited == [*expected, *dropped_one, *disagree]


def test_after_a_resume_with_more_trials_the_confirmations_of_new_finalists_are_waited_for(tmp_path):
    ledger = Ledger(tmp_path / "trials.jsonl")

    def end(number, value, fold=0):
        about = {"trial": f"pmf-{number:03}{f'-again{fold}' if fold else ''}", "fold": fold}
        about |= {"stage": "confirm" if fold else "search", "on_sample": None if fold else {"number": number}}
        config = {"number": number}
        ledger.append(replace(ENTRY, architecture="pmf", number=number, config=config, value=value, **about))

    def waited_for(trials):
        left = TimeLeft(Work(architectures=("pmf",), trials=trials, slots=1, lanes=1, baseline=None), ledger)
        return left._confirmations("pmf") - len(left._confirmed("pmf"))

    for fold, values in enumerate([(0.80, 0.82, 0.83), (0.81, 0.811, 9.93), (0.81, 0.811)]):
        for number, value in enumerate(values):
            end(number, value, fold)
    assert waited_for(3) == 0
    assert waited_for(6) == 3, "the reference has its two"
    for number in (3, 4, 5):
        end(number, 0.7 + 0.01 * number)
    assert waited_for(6) == 3


def test_between_two_ends_the_time_runs_and_a_fit_that_takes_long_is_not_counted_below_what_comes_after_it(tmp_path):
    world = World(tmp_path / "trials.jsonl", 1)
    world.search()
    left = world.left.seconds()
    world.ledger.append(replace(ENTRY, trial="late", architecture="pmf", number=99))
    world.left.trial_ended()
    world.now += 0.01
    assert world.left.seconds() <= left
    world.now += 10_000.0
    assert world.left.seconds() >= START * (REFITS_START + ENDING) + LISTS


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "10 s"), (44.0, "40 s"), (54.0, "50 s"), (80.0, "1 min"), (1704.0, "28 min"), (5400.0, "1 h 30 min")],
)
def test_the_time_left_is_as_exact_as_anybody_needs_it(seconds, said):
    assert words(seconds) == f"about {said} left"


def test_the_time_so_far_is_to_the_second_below_a_minute():
    assert [spell(seconds) for seconds in (0.4, 21.0, 200.0)] == ["0 s", "21 s", "3 min"]
