"""A run's figures."""

import pandas as pd

from reeltune.cluster.api.plots import plot
from reeltune.cluster.api.tables import trials_frame


def test_the_history_of_a_search_in_which_no_trial_ended_has_no_lines():
    trials = trials_frame(())
    assert list(trials.columns[:5]) == ["trial", "architecture", "number", "stage", "state"]
    chart = plot("history", pd.DataFrame(), trials)
    assert len(chart.axes[0].lines) == 0
    assert chart.axes[0].get_legend() is None
