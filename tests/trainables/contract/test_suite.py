"""The suite finds what is broken: each clause fails on a model that breaks it, and says what was found."""

import pytest

from reeltune.trainables.architectures.registry import Registry, resolve
from reeltune.trainables.architectures.source import Source
from reeltune.trainables.contract import outputs
from reeltune.trainables.contract.subject import Broken, Subject
from reeltune.trainables.contract.suite import CLAUSES, found_wrong, in_words
from reeltune.trainables.contract.workers import two_workers_fit_what_one_fits
from tests import two_towers

TEXT = resolve([two_towers.__file__])[1].sources["two_towers"].text

# By clause: a line of the stranger, what is in its place, and what is said.
BREACHES = {
    "refuses what it does not know": (
        "class Config(TrainingConfig):",
        "class Config(TrainingConfig, extra='ignore'):",
        "takes a field that it does not have",
    ),
    "every number has bounds": ("gt=0, le=100, description", "description", "takes patience = "),
    "every field has a default and a description": (
        ', description="numbers in each tower\'s layers"',
        "",
        "`Config.breadth` has no description",
    ),
    "the reference is valid for data of any size": (
        "min(512, max(8, ",
        "max(8, min(9999, ",
        "two_towers.py:94: ValidationError",
    ),
    "shapes are right on every scale": (
        "return self.mean + self.unit * match",
        "return (self.mean + self.unit * match)[:, None]",
        "`forward` gave (48, 1), expected (48,)",
    ),
    "the loss is the mean over rows": (
        "delta=self.config.patience)",
        "delta=self.config.patience, reduction='sum')",
        "and its mean",
    ),
    "the losses of rows are those of the loss": (
        "    def loss(self",
        "    def row_losses(self, output, ratings):\n        return (output - ratings).square()\n\n    def loss(self",
        "the mean of `row_losses` is",
    ),
    "every parameter has a gradient and a group": (
        "self.register_buffer(",
        "self.idle = nn.Parameter(torch.zeros(2))\n        self.register_buffer(",
        "the parameter idle has no part in the loss",
    ),
    "a pair is rated alike whatever is beside it": (
        "return self.mean + self.unit * match",
        "return self.mean + self.unit * (match - match.mean() + users.float().mean())",
        "alone a pair is rated otherwise",
    ),
    "a rating draws no random numbers": (
        "return self.mean + self.unit * match",
        "return self.mean + self.unit * match + torch.rand(len(users))",
        "rated otherwise a second time",
    ),
    "learns a pattern that no mean can": (
        "return self.mean + self.unit * match",
        "return self.mean + self.unit * 1e-6 * match",
        "two groups of opposite tastes",
    ),
    "ids without a rating are rated alike and near the mean": (
        "return [self.user_tower[0].weight], [self.item_tower[0].weight]",
        "return [], []",
        "users without a rating are not rated alike",
    ),
    "rows of ids rate as their indices do": (
        "return self.mean + self.unit * (users * items).sum(1)",
        "return self.mean + 2 * self.unit * (users * items).sum(1)",
        "`rate_rows` rates rows of ids otherwise than `forward` rates the ids",
    ),
}


# A matrix product of the towers alone.
PRODUCT = """    factored = True

    def crossed(self, users, items, times):
        return self.mean + self.unit * (self.user_tower(users) @ self.item_tower(items).T)

"""


def subject_of(text):
    source = Source(name="two_towers", file="two_towers.py", text=text)
    return Subject(registry=Registry(sources={"two_towers": source}), name="two_towers")


def clause_of(words):
    return next(clause for clause in CLAUSES if in_words(clause) == words)


@pytest.mark.parametrize("words", BREACHES)
def test_a_breach_is_found_and_said(words):
    line, other, said = BREACHES[words]
    assert line in TEXT
    wrong = found_wrong(clause_of(words), subject_of(TEXT.replace(line, other)))
    assert wrong is not None
    assert said in wrong


def test_state_outside_of_parameters_and_buffers_is_found():
    text = TEXT.replace("    def forward(self, users", "    seen = 0\n\n    def forward(self, users", 1).replace(
        "        match = (self.user_tower",
        "        self.seen += self.training\n        match = self.seen / 100 + (self.user_tower",
    )
    wrong = found_wrong(clause_of("a fit taken up again ends as one that ran through"), subject_of(text))
    assert "the whole state of a model must be in parameters and buffers" in wrong


def test_a_matrix_product_of_other_ratings_than_those_of_pairs_is_found():
    text = TEXT.replace(
        "    def forward(self, users",
        "    factored = True\n\n    def crossed(self, users, items, times):\n"
        "        return super().crossed(users, items, times) + 0.1\n\n    def forward(self, users",
        1,
    )
    wrong = found_wrong(clause_of("a pair is rated alike whatever is beside it"), subject_of(text))
    assert wrong.startswith("`crossed` rates pairs otherwise than `forward`, by 0.1")


def test_a_matrix_product_that_lacks_what_is_zero_before_the_first_step_is_found():
    text = TEXT
    for line, other in (
        (
            "        self.register_buffer(",
            "        self.extra = nn.Parameter(torch.zeros(shape.items))\n        self.register_buffer(",
        ),
        ("return self.mean + self.unit * match", "return self.mean + self.unit * (match + self.extra[items])"),
        ("    def forward(self, users", f"{PRODUCT}    def forward(self, users"),
    ):
        assert text.count(line) == 1
        text = text.replace(line, other)
    subject = subject_of(text)
    assert found_wrong(clause_of("a pair is rated alike whatever is beside it"), subject) is None
    wrong = found_wrong(clause_of("all items at once are rated as pairs are after a fit"), subject)
    assert wrong.startswith("after a fit `crossed` rates pairs otherwise than `forward`, by ")


def test_indices_are_as_a_fit_gives_them():
    """One-hot vectors are made of 64-bit indices alone."""
    text = TEXT
    for line, other in (
        ("self.mean.fill_(rows", "self.raters = F.one_hot(rows.users).sum(0)\n        self.mean.fill_(rows"),
        (
            "        match = (self.user_tower",
            "        F.one_hot(users), F.one_hot(items)\n        match = (self.user_tower",
        ),
    ):
        assert text.count(line) == 1
        text = text.replace(line, other)
    subject = subject_of(text)
    wrong = {
        in_words(clause): found_wrong(clause, subject) for clause in CLAUSES if clause.__module__ == outputs.__name__
    }
    assert set(wrong.values()) == {None}


def test_an_error_of_the_models_own_is_a_breach_with_its_line():
    wrong = found_wrong(
        clause_of("the loss is the mean over rows"), subject_of(TEXT.replace("F.huber_loss", "F.hubert"))
    )
    assert wrong.startswith("two_towers.py:")
    assert "AttributeError" in wrong


@pytest.mark.parametrize(
    "groups",
    [
        '[{"params": self.parameters(), "weight_decay": 0.0}]',
        '[{"params": each, "weight_decay": 0.0} for each in self.parameters()]',
    ],
    ids=["an iterator", "one alone"],
)
def test_a_groups_parameters_may_be_whatever_torchs_optimiser_takes(groups):
    line = '[{"params": list(self.parameters()), "weight_decay": 0.0}]'
    assert line in TEXT
    subject = subject_of(TEXT.replace(line, groups))
    for words in ("every parameter has a gradient and a group", "learns a pattern that no mean can"):
        assert found_wrong(clause_of(words), subject) is None


@pytest.mark.slow
def test_two_workers_that_do_not_fit_what_one_fits_are_found():
    two_workers_fit_what_one_fits(subject_of(TEXT))
    apart = TEXT.replace("return F.huber_loss(", "return F.huber_loss(torch.rand(()) * ")
    with pytest.raises(Broken):
        two_workers_fit_what_one_fits(subject_of(apart))


@pytest.mark.slow
def test_a_model_that_takes_a_workers_own_rows_for_all_is_found():
    line = "rows.mean_rating()"
    assert line in TEXT
    with pytest.raises(Broken, match="with sharded users two workers rate otherwise than one, by up to 0"):
        two_workers_fit_what_one_fits(subject_of(TEXT.replace(line, "rows.ratings.mean()")))
