"""Every option of the command line is there in Python, under the same name and with the same default."""

import inspect

import pytest
import typer

import reeltune as rt
from reeltune.cluster.cli.app import app
from tests import inside

# What has another name in Python, or is said in another place.
OF_LOAD = {"architecture", "changed_source"}  # of `predict` and its like: a model is loaded before it is used
OF_FOLD_IN = {"ratings": "ratings", "known_ids": "known_ids", "rating_column": "rating"}  # of the same two
OF_RATINGS = {
    "user_column": "user",
    "item_column": "item",
    "rating_column": "rating",
    "time_column": "time",
    "weight_column": "weight",
    **{name: name for name in ("users", "items", "duplicates", "matrix", "not_rated", "missing_ids")},
}
RENAMED = {"earlier": "from_", "other": "architecture", "top": "n", "pairs": "users"}
LEFT_OUT = {
    "as_json",  # results are objects
    "dry_run",
    "settings",  # hyperparameters are keywords
    "run",  # of a run's methods
    "model",  # of a model's
}
VERBS = {
    "tune": rt.tune,
    "train": rt.train,
    "lr-find": rt.lr_find,
    "data": rt.Ratings,
    "verdict": rt.Run.judge,
    "replay": rt.Run.replay,
    "report": rt.Run.report,
    "predict": rt.Model.predict,
    "recommend": rt.Model.recommend,
    "export": rt.Model.export,
    "update": rt.update,
}


def options_of(verb):
    """The parameters of a verb by name, with what each is unless it is given."""
    command = typer.main.get_command(app).commands[verb]
    return {each.name: each.default for each in command.params if each.name not in ("help", *LEFT_OUT)}


def in_python(verb, name):
    if verb in ("tune", "train", "lr-find") and name in OF_RATINGS:
        return rt.Ratings, OF_RATINGS[name]
    if verb in ("predict", "recommend", "export") and name in OF_LOAD:
        return rt.load, name
    if verb in ("predict", "recommend") and name in OF_FOLD_IN:
        return rt.Model.fold_in, OF_FOLD_IN[name]
    if verb in ("data", "predict", "recommend", "update") and name.endswith("_column"):
        return VERBS[verb], OF_RATINGS[name]
    return VERBS[verb], RENAMED.get(name, name)


@pytest.mark.parametrize(("verb", "name"), [(verb, name) for verb in VERBS for name in options_of(verb)])
def test_every_option_is_there_with_its_default(verb, name):
    if (verb, name) in {("predict", "output"), ("recommend", "output")}:
        return  # the result is an object
    if (verb, name) in {("predict", "address"), ("recommend", "address")}:
        return  # of what is too large for a frame
    function, renamed = in_python(verb, name)
    parameters = inspect.signature(function).parameters
    assert renamed in parameters
    default = options_of(verb)[name]
    if default is not None and not callable(default) and parameters[renamed].default is not inspect.Parameter.empty:
        assert parameters[renamed].default == default or (default == () and not parameters[renamed].default)


@pytest.mark.parametrize("verb", ["tune", "train", "lr-find", "data", "update"])
def test_python_has_no_option_that_the_command_line_lacks(verb):
    there = {in_python(verb, name)[1] for name in options_of(verb)}
    assert set(inspect.signature(VERBS[verb]).parameters) - {"self", "model", "hyperparameters"} <= there


def test_a_hyperparameter_is_no_option_of_train():
    options = set(inspect.signature(rt.train).parameters)
    for about in rt.architectures().values():
        assert not options & set(about.hyperparameters)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: rt.tune("synthetic", trials=0), "--trials 0: expected 1 or more"),
        (lambda: rt.tune("synthetic", trials="20"), "--trials '20': expected a whole number, 1 or more"),
        (lambda: rt.tune("synthetic", trials=2.5), "--trials 2.5: expected a whole number, 1 or more"),
        (lambda: rt.tune("synthetic", folds=True), "--folds True: expected a whole number, 2 or more"),
        (lambda: rt.tune("synthetic", gpus_per_trial="1"), "--gpus-per-trial '1': expected a number, 0 or more"),
        (lambda: rt.tune("synthetic", validation="0.2"), "--validation '0.2': expected a share of the rows from 0 to"),
        (lambda: rt.tune("synthetic", test="a.csv", test_share="x"), "--test-share 'x': expected a share of the rows"),
        (lambda: rt.update("gone", "a.csv", "next", test_share="x"), "--test-share 'x': expected a share of the new"),
        (lambda: rt.train("synthetic", "pmf", seed="one"), "--split-seed 'one': expected a whole number, 0 or more"),
        (lambda: rt.tune("synthetic", time="soon"), "--time 'soon': expected a number of seconds, or 90s, 15m, 2h"),
        (lambda: rt.tune("synthetic", ["nothing"]), "architecture 'nothing': expected bias, pmf, "),
        (
            lambda: rt.tune("synthetic", split="by hand"),
            "--split 'by hand': expected random, user, time or folds:COLUMN",
        ),
        (lambda: rt.tune("synthetic", metric="ndcg"), "--metric 'ndcg': expected mse, mae, log_loss or rps"),
        (
            lambda: rt.tune("synthetic", metric="rps", baseline=0),
            "published mean ranked probability score is a number",
        ),
        (lambda: rt.tune("synthetic", validation=0), "trials on validation rows; give a share above 0, or fit one"),
        (lambda: rt.tune("synthetic", ["svdpp"], test_share=0), "reeltune train svdpp --test-share 0"),
        (lambda: rt.train("synthetic", "pmf", test_share=1), "--test-share 1: expected a share of the rows from 0 to"),
        (
            lambda: rt.train("synthetic", "pmf", test="a.csv", test_share=0.1),
            "--test a.csv brings the test rows, and no others",
        ),
        (lambda: rt.train("synthetic", "pmf", score_test=True, test_share=0), "--test-share 0 holds no test rows out"),
        (
            lambda: rt.train("synthetic", "pmf", metric="rps", validation=0),
            "--metric rps: --validation 0 leaves no",
        ),
        (lambda: rt.train("synthetic", "pmf", refit=True, validation=0), "--refit: --validation 0 holds nothing out"),
        (lambda: rt.tune("synthetic", address="ray://head:10001"), "through Ray's client only a whole command runs"),
        (lambda: rt.tune("synthetic", address="head"), "--address 'head': has no port: head:6379 on one of the nodes"),
        (lambda: rt.tune("synthetic", folds=2, address="head"), "has no port: head:6379 on one of the nodes"),
        (lambda: rt.train("synthetic", "pmf", address="head"), "has no port: head:6379 on one of the nodes"),
        (lambda: rt.train("synthetic", "nothing"), "architecture 'nothing': expected bias, pmf, "),
        (lambda: rt.train("synthetic", "pmf", decoder="tea leaves"), "--decoder 'tea leaves': expected argmax, "),
        (lambda: rt.tune("synthetic", shard="items"), "--shard 'items': expected users"),
        (lambda: rt.tune("synthetic", "bias", shard="users"), "--shard users: bias needs all users on each worker"),
        (lambda: rt.train("synthetic", "pmf", shard="items"), "--shard 'items': expected users"),
        (
            lambda: rt.train("synthetic", "pmf", shard="users", workers=65),
            "a worker needs one; use 64 workers",
        ),
        (lambda: rt.train("synthetic", "bias", shard="users"), "bias needs all users on each worker; pmf, "),
        (
            lambda: rt.train("synthetic", "svdpp", shard="users", id_dropout=0.1, name="three"),
            "svdpp with id_dropout = 0.1 needs all",
        ),
        (lambda: rt.train("synthetic", "pmf", factors=-1, name="one"), "factors=-1: expected a whole number from 1 to"),
        (
            lambda: rt.train("synthetic", "bias", fish=1, name="two"),
            "fish=...: is no option of train and no hyperparameter of bias, which has user_damping, item_damping",
        ),
        (lambda: rt.train("gone.csv", "bias", valdation=0.1), "item_damping; did you mean validation?"),
        (lambda: rt.train("gone.csv", "pmf", epoch=4), "dropout; did you mean epochs?"),
        (lambda: rt.train("gone.csv", "pmf", user="who"), "hyperparameter of pmf; rt.Ratings(data, user=...) takes it"),
        (lambda: rt.lr_find("gone.csv", "pmf", out="a.png"), "is no option of lr_find and no hyperparameter of pmf"),
        (lambda: rt.tune("ml-1m", smoke_test=True), "a smoke test runs on made-up ratings"),
        (lambda: rt.tune(test="own.csv", smoke_test=True), "--smoke-test test: a smoke test runs on made-up ratings"),
        (lambda: rt.tune(unknown_ids="allow", smoke_test=True), "--smoke-test unknown_ids: a smoke test runs on"),
        (
            lambda: rt.train("synthetic", "bias", test="s3://AKIA:hidden@bucket/a.csv"),
            "--test s3://...: a URI with cred",
        ),
        (
            lambda: rt.tune("synthetic", ["bias"], test="s3://AKIA:hidden@bucket/a.csv"),
            "--test s3://...: a URI with cr",
        ),
        (lambda: rt.update("gone", "s3://AKIA:hidden@bucket/a.csv", "next"), "--data s3://...: a URI with credentials"),
        (lambda: rt.update("gone", "a.csv", "next", with_="s3://A:b@bucket/a.csv"), "--with s3://...: a URI with cred"),
        (lambda: rt.open("nothing"), "nothing: no run of this name or path"),
        (lambda: rt.load("nothing"), "nothing: no model bundle"),
    ],
)
def test_a_wrong_input_is_an_input_error_in_the_command_lines_words(call, sentence, lean_ray):
    with pytest.raises(rt.InputError) as caught:
        call()
    assert sentence in str(caught.value)


def test_one_architecture_may_be_asked_for_without_a_list():
    assert list(rt.architectures("pmf")) == ["pmf"]


def test_the_picture_of_a_range_test_has_the_architectures_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert inside.reeltune("new", "odd").returncode == 0
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "odd.py").write_text((tmp_path / "odd.py").read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    rt.lr_find("synthetic:users=40,items=30,ratings=600", "mine.odd")
    assert (tmp_path / "runs" / "lr-find-odd.png").is_file()
