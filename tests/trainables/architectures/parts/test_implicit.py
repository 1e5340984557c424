"""One half of the trunk against its formula written with dense matrices, whose gradient autograd works out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reeltune.trainables.architectures.parts import implicit
from reeltune.trainables.architectures.parts.implicit import half
from reeltune.trainables.architectures.parts.sparse import Bags
from tests.worlds import features_of

ROWS, PARTNERS, WIDTH = 7, 5, 3
SIDES = features_of([[0, 0], [1, 0], [0, 1], [0.5, 0.5], [0, 0], [0, -2], [1, 1]])
# Row 1 has rated most, row 3 one, rows 0 ('unknown') and 6 nothing; the pair (2, 1) is there twice.
IDS = torch.tensor([1, 1, 1, 1, 2, 2, 2, 3, 4, 4, 5, 5])
PARTNER = torch.tensor([0, 1, 2, 4, 1, 1, 3, 2, 0, 3, 3, 4])


def half_of(ids=IDS, partners=PARTNER, *, exponent=0.4, features=SIDES):
    """A half in double precision."""
    made = half(Bags.of(ids, partners, ROWS), Bags.of(partners, ids, PARTNERS), exponent, features, rare=None)
    sides = made.features and tuple(replace(bags, weights=bags.weights.double()) for bags in made.features)
    return replace(made, scale=counts_of(ids).clamp(min=1) ** -exponent * (counts_of(ids) > 0), features=sides)


def counts_of(ids):
    return torch.bincount(ids, minlength=ROWS)[:, None].double()


def tables(features=SIDES, *, seed=0):
    """The half's own vectors, its partners' implicit ones, and those of features."""
    draw = torch.Generator().manual_seed(seed)
    sizes = (ROWS, PARTNERS, 0 if features is None else len(features.names))
    return [torch.randn(size, WIDTH, dtype=torch.float64, generator=draw) for size in sizes]


def written_out(own, implicit_vectors, sides, ids, shown, partners, *, exponent=0.4, features=SIDES):
    """known + n^-a (A Y - what the pair itself adds) + S C, row by row."""
    incidence = torch.zeros(ROWS, PARTNERS, dtype=torch.float64)
    incidence.index_put_((IDS, PARTNER), torch.ones(len(IDS), dtype=torch.float64), accumulate=True)
    counts = incidence.sum(1)
    matrix = torch.zeros(ROWS, len(sides), dtype=torch.float64)
    if features is not None:
        places = np.repeat(np.arange(ROWS), np.diff(features.offsets))
        matrix[torch.from_numpy(places), torch.from_numpy(features.columns)] = torch.from_numpy(
            features.weights
        ).double()
    vectors = []
    for one, seen, partner in zip(ids.tolist(), shown.tolist(), partners.tolist(), strict=True):
        vector = own[seen] + matrix[one] @ sides
        if counts[seen] > 0:
            vector = vector + counts[seen] ** -exponent * (
                incidence[seen] @ implicit_vectors - implicit_vectors[partner]
            )
        vectors.append(vector)
    return torch.stack(vectors)


def compared(made, batch, *, exponent=0.4, features=SIDES):
    """Vectors and gradients of three tables by hand, and as autograd has them."""
    ids, shown, partners = batch
    given_tables = [table.requires_grad_() for table in tables(features)]
    expected = written_out(*given_tables, ids, shown, partners, exponent=exponent, features=features)
    cotangent = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    slopes = torch.autograd.grad(expected, given_tables, cotangent, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        found = made.vectors(*given_tables, ids, shown, partners)
        by_hand = tuple(torch.full_like(table, torch.nan) for table in given_tables)
        made.gradients(by_hand, cotangent, ids, shown, partners)
    return [found, *by_hand], [expected.detach(), *slopes]


def whole_batch():
    return IDS, IDS, PARTNER


def some_dropped():
    """Rows 1, 4 and 8 of the batch show as 'unknown'."""
    shown = IDS.clone()
    shown[[1, 4, 8]] = 0
    return IDS, shown, PARTNER


def repeated_pairs():
    rows = torch.tensor([4, 4, 4, 0, 7, 7])
    return IDS[rows], IDS[rows], PARTNER[rows]


BATCHES = {"every pair": whole_batch, "some ids unknown": some_dropped, "pairs more than once": repeated_pairs}


@pytest.mark.parametrize("features", [None, SIDES], ids=["ids alone", "with features"])
@pytest.mark.parametrize("exponent", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("piece", [4096, 5], ids=["in one piece", "in pieces"])
def test_vectors_and_gradients_by_hand_are_those_of_the_formula(monkeypatch, piece, batch, exponent, features):
    monkeypatch.setattr(implicit, "PIECE", piece)
    found, expected = compared(
        half_of(exponent=exponent, features=features), batch(), exponent=exponent, features=features
    )
    for by_hand, known in zip(found, expected, strict=True):
        assert torch.allclose(by_hand, known, rtol=1e-9, atol=1e-12)


@given(rows=st.lists(st.integers(0, len(IDS) - 1), min_size=1, max_size=20), dropped=st.sets(st.integers(0, 19)))
@settings(max_examples=40)
def test_so_they_are_for_any_batch(rows, dropped):
    rows = torch.tensor(rows)
    shown = IDS[rows].clone()
    shown[[place for place in dropped if place < len(rows)]] = 0
    found, expected = compared(half_of(), (IDS[rows], shown, PARTNER[rows]))
    for by_hand, known in zip(found, expected, strict=True):
        assert torch.allclose(by_hand, known, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("features", [None, SIDES], ids=["ids alone", "with features"])
@pytest.mark.parametrize("dropped", [[], [1]], ids=["all ids known", "one unknown"])
@pytest.mark.parametrize("backward", [0.0, 0.5], ids=["forward alone", "and backward"])
def test_a_step_that_multiplies_its_own_rows_alone_gives_the_same(monkeypatch, features, dropped, backward):
    rows = torch.tensor([7, 8, 10])  # 5 of the 12 entries
    shown = IDS[rows].clone()
    shown[dropped] = 0
    batch = IDS[rows], shown, PARTNER[rows]
    made = half_of(features=features)
    assert made._rows_alone(shown, 0.5) is None
    whole, expected = compared(made, batch, features=features)
    monkeypatch.setattr(implicit, "WHOLE", 0)
    monkeypatch.setattr(implicit, "BACKWARD", backward)
    assert made._rows_alone(shown, 0.5) is not None
    alone, _ = compared(made, batch, features=features)
    for one, other, known in zip(alone, whole, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-14)
        assert torch.allclose(one, known, rtol=1e-9, atol=1e-12)


def test_rows_that_hold_a_larger_share_of_all_ratings_are_not_picked(monkeypatch):
    monkeypatch.setattr(implicit, "WHOLE", 0)
    made = half_of()
    assert made._rows_alone(torch.tensor([1, 3]), 0.5) is not None  # 5 of 12
    assert made._rows_alone(torch.tensor([1, 3]), 0.4) is None
    assert made._rows_alone(torch.tensor([1, 4]), 0.5) is None  # 6 of 12
    rows, place = made._rows_alone(torch.tensor([4, 3, 4, 5]), 0.5)
    assert rows[place].tolist() == [4, 3, 4, 5]


@pytest.mark.parametrize("row", [0, 4, 7], ids=["of many", "of a pair rated twice", "the only rating"])
def test_a_pair_in_training_gets_the_vector_of_a_half_that_never_saw_it(row):
    """But for the count: n stays what it is."""
    without = torch.arange(len(IDS)) != row
    made = half_of()
    never = replace(half_of(IDS[without], PARTNER[without]), scale=made.scale)
    one, partner = IDS[row : row + 1], PARTNER[row : row + 1]
    found = made.vectors(*tables(), one, one, partner)
    assert torch.allclose(found, never.folded(*tables(), learnt=True)[one], rtol=1e-12)


def test_the_vectors_of_all_ids_are_the_formulas():
    own, implicit_vectors, sides = tables()
    folded = half_of().folded(own, implicit_vectors, sides, learnt=True)
    only = written_out(
        own, implicit_vectors * 0, sides, torch.arange(ROWS), torch.arange(ROWS), torch.zeros(ROWS).long()
    )
    assert torch.allclose(folded[3], only[3] + implicit_vectors[2], rtol=1e-12)  # one rating: n^-a is 1
    expected = only[4] + 2**-0.4 * (implicit_vectors[0] + implicit_vectors[3])
    assert torch.allclose(folded[4], expected, rtol=1e-12)


def test_an_id_without_a_rating_is_unknown_as_it_was_learnt_with_its_features():
    own, implicit_vectors, sides = tables()
    folded = half_of().folded(own, implicit_vectors, sides, learnt=True)
    assert torch.allclose(folded[6], own[0] + sides[0] + sides[1])
    assert torch.equal(folded[0], own[0])
    assert not torch.allclose(folded[5], own[0] - 2 * sides[1])  # it has rated


def test_where_unknown_was_not_learnt_it_is_the_mean_of_the_rated_ids_before_their_features():
    own, implicit_vectors, sides = tables()
    folded = half_of().folded(own, implicit_vectors, sides, learnt=False)
    mean = half_of(features=None).folded(own, implicit_vectors, sides, learnt=True)[1:6].mean(0)
    assert torch.allclose(folded[0], mean)
    assert torch.allclose(folded[6], mean + sides[0] + sides[1])
    assert torch.equal(folded[1:6], half_of().folded(own, implicit_vectors, sides, learnt=True)[1:6])


@pytest.mark.parametrize("features", [None, SIDES], ids=["ids alone", "with features"])
def test_folding_leaves_the_tables_as_they_were(features):
    given_tables = tables(features)
    made = half_of(features=features)
    made.folded(*given_tables, learnt=False)
    made.vectors(*given_tables, *some_dropped())
    assert all(torch.equal(one, other) for one, other in zip(given_tables, tables(features), strict=True))


def test_the_scale_is_the_count_to_the_minus_exponent():
    made = half(Bags.of(IDS, PARTNER, ROWS), Bags.of(PARTNER, IDS, PARTNERS), 0.5, None, rare=None)
    assert made.scale[:, 0].tolist() == pytest.approx([0, 4**-0.5, 3**-0.5, 1, 2**-0.5, 2**-0.5, 0])


def test_features_that_say_nothing_change_nothing():
    silent = features_of(np.zeros((ROWS, 2)))
    own, implicit_vectors, sides = tables()
    folded = half_of(features=silent).folded(own, implicit_vectors, sides, learnt=True)
    assert torch.equal(folded, half_of(features=None).folded(own, implicit_vectors, sides, learnt=True))
    found, _ = compared(half_of(features=silent), whole_batch())
    assert not found[3].any()
