"""`--from RUN` reaches beyond the bounds on which that run's choice lay."""

from dataclasses import replace
from pathlib import Path

import pytest

from reeltune.cluster.runs.folder import Entry, Ledger, RunFolder, write_json
from reeltune.cluster.search.warm_start import begin, source_of, wider_as_begun
from reeltune.cluster.search.wider import lines, wider_bounds, with_bounds
from reeltune.search_spaces import Size, read_spaces, shipped
from reeltune.trainables.architectures.table import ARCHITECTURES

PMF = ARCHITECTURES["pmf"]


@pytest.fixture
def shape(small):
    return replace(small[2], ratings=72_000)


@pytest.fixture
def earlier(shape, tmp_path):
    """A run of two trials of `pmf`, the better of them with this setting."""

    def earlier(**changes):
        folder = RunFolder(Path("runs") / "first")
        space = shipped("pmf", PMF).on(shape, PMF)
        asked = {"verb": "tune", "data": "x.csv", "architectures": ["pmf"], "trials": 2}
        asked["space"] = {"pmf": space.model_dump(mode="json")}
        write_json(folder.record, {"schema": 2, "asked": asked, "size": vars(Size.of(shape))})
        ledger = Ledger(folder.ledger)
        for number, value in enumerate((0.9, 0.8)):
            config = {**PMF.Config(epochs=9, batch_size=1024).model_dump(), **changes}
            ledger.append(entry(number, config, value))
        return folder

    return earlier


def entry(number, config, value):
    return Entry(
        trial=f"pmf-{number:03}",
        architecture="pmf",
        number=number,
        stage="search",
        state="done",
        config=config,
        value=value,
        metrics={},
        temperature=1.0,
        curve={},
        epochs=9,
        seconds=1.0,
        seed=1,
        error=None,
    )


def test_a_search_reaches_beyond_the_bound_of_what_was_chosen_and_says_so(earlier):
    spaces = {"pmf": shipped("pmf", PMF)}
    found = wider_bounds(earlier(factors=99, dropout=0.1), spaces)
    assert found == {"pmf": {"factors": (16, 142)}}
    assert with_bounds(spaces, found)["pmf"].parameters["factors"].high == 142
    assert lines("first", spaces, found) == [
        "from first: pmf is searched beyond the bounds on which its choice lay: factors 16 to 142 (was 16 to 100)"
    ]


def test_a_choice_within_its_ranges_changes_nothing(earlier):
    assert wider_bounds(earlier(factors=60, dropout=0.1), {"pmf": shipped("pmf", PMF)}) == {}


def test_a_range_of_ones_own_stays_what_it_is(earlier, tmp_path):
    (tmp_path / "own.toml").write_text("[pmf.factors]\nlow = 16\nhigh = 99")
    own = read_spaces(tmp_path / "own.toml", {"pmf": PMF})
    assert wider_bounds(earlier(factors=99, dropout=0.29), own) == {"pmf": {"dropout": (0.0, 0.45)}}


def test_what_a_verdict_says_was_chosen_counts_and_not_the_best_trial(earlier):
    folder = earlier(factors=99, dropout=0.1)
    chosen = {**PMF.Config(batch_size=1024).model_dump(), "epochs": 14, "dropout": 0.1}
    answer = {"schema": 2, "baseline": {}, "architectures": {"pmf": {"config": chosen}}}
    write_json(folder.verdict, answer)
    assert wider_bounds(folder, {"pmf": shipped("pmf", PMF)}) == {"pmf": {"epochs": (4, 19)}}


def test_a_resumed_search_has_the_same_bounds_though_the_earlier_run_is_gone(earlier, shape):
    source, spaces = earlier(factors=99), {"pmf": shipped("pmf", PMF)}
    folder = RunFolder(Path("runs") / "second")
    write_json(folder.record, {"schema": 2, "asked": source.read_record().asked.as_json()})
    assert wider_as_begun(folder) == {}
    found = wider_bounds(source_of("first", folder, ["pmf"]), spaces)
    begin(folder, source, spaces, shape, wider=found, say=lambda line: None)
    assert wider_as_begun(folder) == found
    assert source_of("first", folder, ["pmf"]) is None
