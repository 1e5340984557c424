"""`--tracker`: what is taken, and what is refused before anything runs."""

from importlib.machinery import ModuleSpec

import pytest

from reeltune.cluster.trackers import asked
from reeltune.cluster.trackers.asked import AskedTracker, asked_trackers, masked, safe
from reeltune.trainables.errors import InputError


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (None, ()),
        ("mlflow", (AskedTracker(kind="mlflow"),)),
        ("mlflow=http://host:5000/a=b", (AskedTracker(kind="mlflow", where="http://host:5000/a=b"),)),
        (["wandb=films", "mlflow"], (AskedTracker(kind="wandb", where="films"), AskedTracker(kind="mlflow"))),
    ],
)
def test_a_tracker_has_a_kind_and_perhaps_a_place(words, found):
    assert asked_trackers(words) == found
    assert asked_trackers([tracker.word for tracker in found]) == found


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("comet", "--tracker 'comet': expected mlflow[=URI] or wandb[=PROJECT]"),
        ("mlflow=", "expected URI after '=', or mlflow alone"),
        (["wandb", "wandb=films"], "--tracker wandb: it is given twice"),
        ("mlflow=http://me:secret@host", "mlflow=http://***@host: a URI with credentials would be written down"),
        ("mlflow=postgresql://me:secret@host/db", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        ("mflow=http://me:secret@host", "--tracker 'mflow=http://***@host': expected"),
    ],
)
def test_another_word_is_refused_and_no_secret_repeated(words, sentence):
    with pytest.raises(InputError) as caught:
        asked_trackers(words)
    assert sentence in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("found", [None, ModuleSpec("mlflow", None)], ids=["nothing", "a folder of this name"])
def test_a_missing_package_is_one_line_that_names_the_extra(monkeypatch, found):
    monkeypatch.setattr(asked, "find_spec", lambda name: found)
    with pytest.raises(InputError) as caught:
        asked_trackers("mlflow")
    assert "pip install 'reeltune[mlflow]', or from a checkout: pip install '.[mlflow]'" in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("http://me:a@b@host:1/x", "http://***@host:1/x"),
        ("http://me:a/b@host/x", "http://***@host/x"),
        ("http://me:a?b@host/x", "http://***@host/x"),
        ("http://me@host", "http://***@host"),
        ("http://host/run@2?by=me@host", "http://host/run@2?by=me@host"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:////of@me/mlflow.db", "sqlite:////of@me/mlflow.db"),
        ("databricks", "databricks"),
    ],
)
def test_a_uri_is_shown_without_user_and_password(uri, shown):
    assert masked(uri) == shown


def test_a_librarys_text_is_shown_without_them():
    uri = "http://me:hidden@host:1"
    assert safe(f"no answer from {uri}, as 'hidden'", uri) == "no answer from http://***@host:1, as '***'"
    assert safe("no answer", "http://host") == "no answer"
    assert safe("no answer to me:p/ss", "http://me:p/ss@host") == "no answer to ***"
    assert safe("no answer to me:p@ss", "http://me:p%40ss@host") == "no answer to ***", "decoded"
