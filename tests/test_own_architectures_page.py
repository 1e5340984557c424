"""The page on own architectures tells the truth: its example keeps the contract and has the space that it shows."""

import re
from pathlib import Path

import pytest

from reeltune import trainables
from reeltune.search_spaces import declared
from reeltune.trainables.architectures.registry import resolve
from reeltune.trainables.contract.subject import Subject
from reeltune.trainables.contract.suite import CLAUSES, in_words
from reeltune.trainables.contract.workers import two_workers_fit_what_one_fits
from reeltune.trainables.model import RatingModel

PAGE = (Path(__file__).parent.parent / "docs" / "own-architectures.md").read_text()
BLOCKS = dict(re.findall(r"```(python|toml)\n(.*?)```", PAGE, re.S)[:2])
ALONE = [clause for clause in CLAUSES if clause is not two_workers_fit_what_one_fits]


@pytest.fixture
def registry(tmp_path):
    for kind, part in (("python", ".py"), ("toml", ".toml")):
        (tmp_path / f"two_tower{part}").write_text(BLOCKS[kind])
    return resolve([str(tmp_path / "two_tower.py")])[1]


@pytest.mark.parametrize("clause", ALONE, ids=in_words)
def test_the_example_keeps_the_contract(registry, clause):
    clause(Subject(registry=registry, name="two_tower"))


def test_the_example_has_the_space_that_is_shown(registry):
    assert list(declared(registry, ["two_tower"])["two_tower"].parameters) == ["width", "learning_rate"]


def test_every_method_that_is_named_is_one_of_the_contracts_or_a_public_name():
    table = PAGE.split("## What a model may do besides")[1].split("The docstrings of")[0]
    words = {re.match(r"\w+", word)[0] for word in re.findall(r"`(\w[^`]*)`", table)}
    plain = {"super", "shape", "weight_decay", "share", "Config", "Model", "None"}
    known = {*dir(RatingModel), *trainables.__all__, *plain}
    assert words - known == set()
