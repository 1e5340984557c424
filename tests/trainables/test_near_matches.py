import pytest

from reeltune.trainables.near_matches import did_you_mean

THERE = ("epochs", "best-simple", "Kunde Nr.", "user_id")


@pytest.mark.parametrize(
    ("word", "offered"),
    [
        ("epoch", "epochs"),
        ("best_simple", "best-simple"),
        ("kunde nr", "'Kunde Nr.'"),
        ("KUNDE_NR", "'Kunde Nr.'"),
        ("userId", "user_id"),
    ],
)
def test_a_word_that_is_nearly_there_is_offered(word, offered):
    assert did_you_mean(word, THERE) == f"; did you mean {offered}?"


@pytest.mark.parametrize("word", ["rating", "", "x"])
def test_nothing_is_offered_for_another_word(word):
    assert did_you_mean(word, THERE) == ""
