"""The columns of the result table; its rows are tested with the sentences about them, in `test_words.py`."""

from reeltune.cluster.report.results import HEADINGS, chance, heading
from reeltune.trainables.scoring.decoder_table import DECODERS


def test_squared_errors_of_other_decoders_say_what_they_are_where_another_metric_is_judged():
    assert [heading(name, "mse") for name in HEADINGS] == list(HEADINGS)
    others = [name for name in DECODERS if name != "argmax"]
    headings = [heading(name, "rps") for name in HEADINGS]
    assert headings[1] == "test RPS"
    assert [f"MSE, {name}" for name in others] == headings[-1 - len(others) : -1]


def test_a_small_p_is_not_0():
    assert (chance(0.00004), chance(0.00006), chance(None)) == ("<0.0001", "0.0001", "")
