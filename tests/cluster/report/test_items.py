import numpy as np
import pandas as pd

from reeltune.cluster.report.items import items
from reeltune.cluster.runs.finished import read_run
from tests.reported import write_run


def test_items_are_ranked_by_the_winners_error_and_none_is_among_both(tmp_path):
    folder = write_run(tmp_path / "one")
    names = np.repeat([f"film {number}" for number in range(30)], 12)
    off = np.repeat(np.arange(30) / 10, 12)
    frame = pd.DataFrame({"item": names, "rating": 3.0, "classifier": 3.0 + off, "baseline": 4.0})
    frame.to_parquet(folder.predictions, index=False)
    found = items(read_run(folder))
    assert [item.title for item in found.worst] == [f"film {number}" for number in range(29, 21, -1)]
    assert [item.title for item in found.best] == [f"film {number}" for number in range(8)]
    assert (found.fewest, found.worst[0].count) == (10, 12)
    assert np.isclose(found.worst[0].error, 2.9**2)
    assert found.worst[0].baseline == 1


def test_a_few_items_are_shown_once_each(tmp_path):
    found = items(read_run(write_run(tmp_path / "one", titles=("a", "b", "c"))))
    assert sorted(item.title for item in [*found.worst, *found.best]) == ["a", "b", "c"]


def test_a_run_without_predictions_shows_no_items(tmp_path):
    folder = write_run(tmp_path / "one")
    folder.predictions.unlink()
    assert items(read_run(folder)) is None


def test_the_means_of_an_item_are_by_its_rows_weights(tmp_path):
    folder = write_run(tmp_path / "one")
    frame = pd.DataFrame({"item": ["a", "a", "b"], "rating": [1.0, 5.0, 3.0], "classifier": [2.0, 5.0, 3.0]})
    frame.assign(baseline=3.0, weight=[3.0, 1.0, 0.5]).to_parquet(folder.predictions, index=False)
    found = items(read_run(folder)).worst[0]
    assert (found.title, found.count, found.rating, found.predicted) == ("a", 2, 2.0, 2.75)
    assert (found.error, found.baseline) == (0.75, 4.0)
