"""Sparse matrices do what dense ones do, on any small matrix: empty rows, empty columns and repeated entries too."""

from dataclasses import dataclass, replace
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reeltune.trainables.architectures.parts import sparse
from reeltune.trainables.architectures.parts.sparse import Bags, product


@dataclass
class Both:
    """One matrix in both forms, and a table to multiply."""

    bags: Bags
    transpose: Bags
    dense: torch.Tensor  # shape (rows, columns)
    table: torch.Tensor  # shape (columns, 3)


@st.composite
def matrices(draw):
    """Of up to 6 rows and columns; with weights in quarters, which add up exactly, or without any."""
    rows, columns = draw(st.integers(1, 6)), draw(st.integers(1, 6))
    entry = st.tuples(st.integers(0, rows - 1), st.integers(0, columns - 1), st.integers(-8, 8))
    entries = draw(st.lists(entry, max_size=20))
    row, column = (torch.tensor([e[axis] for e in entries], dtype=torch.int64) for axis in (0, 1))
    weights = torch.tensor([e[2] / 4 for e in entries], dtype=torch.float64) if draw(st.booleans()) else None
    values = torch.ones(len(entries), dtype=torch.float64) if weights is None else weights
    dense = torch.zeros(rows, columns, dtype=torch.float64).index_put_((row, column), values, accumulate=True)
    return Both(
        bags=Bags.of(row, column, rows, weights),
        transpose=Bags.of(column, row, columns, weights),
        dense=dense,
        table=torch.randint(-9, 9, (columns, 3), generator=torch.Generator().manual_seed(len(entries))).double(),
    )


def dense_of(bags, columns):
    """What the rows hold, by a product with the unit matrix."""
    return bags.times(torch.eye(columns, dtype=torch.float64))


@given(matrices())
def test_a_product_is_that_of_the_dense_matrix(both):
    assert len(both.bags) == len(both.dense)
    assert torch.equal(both.bags.times(both.table), both.dense @ both.table)
    assert torch.equal(dense_of(both.transpose, len(both.dense)), both.dense.T)


@given(matrices(), st.integers(-30, 30))
def test_a_product_in_float16_is_within_its_eleven_bits(both, power):
    """Of numbers of any size: they are scaled, so that sums neither overflow nor are lost."""
    bags = replace(both.bags, weights=None)
    table = both.table.float() * 2.0**power
    exact = bags.times(table)
    rounded = bags.times_in_float16(table)
    bound = 2.0**-11 * (bags.times(table.abs()) + exact.abs()) + 1e-7 * table.abs().max() * len(bags.columns)
    assert rounded.dtype == torch.float32
    assert ((rounded - exact).abs() <= bound).all()


def test_a_product_in_float16_of_many_large_numbers_does_not_overflow():
    """A row of 100,000 ratings, whose plain sum is beyond 65,504."""
    bags = Bags.of(torch.zeros(100_000, dtype=torch.int64), torch.arange(100_000), 1)
    table = torch.full((100_000, 2), 3.0)
    assert torch.allclose(bags.times_in_float16(table), torch.full((1, 2), 300_000.0), rtol=2.0**-10)
    assert torch.equal(bags.times_in_float16(torch.zeros(100_000, 2)), torch.zeros(1, 2))


def test_a_product_in_float16_by_blocks_of_columns_is_that_of_the_whole(monkeypatch):
    made = torch.Generator().manual_seed(0)
    rows, columns = (torch.randint(0, 50, (4000,), generator=made) for _ in range(2))
    whole = Bags.of(rows, columns, 50)
    monkeypatch.setattr(sparse, "BLOCK", 10)
    blocks = whole.cut()
    assert len(blocks.blocks) == 5
    table = torch.randn(50, 3, generator=made)
    assert torch.allclose(blocks.times_in_float16(table), whole.times_in_float16(table), atol=0.05)


def test_what_is_no_number_stays_none():
    """A fit that diverges says so."""
    bags = Bags.of(torch.tensor([0, 1]), torch.tensor([0, 1]), 2)
    assert bags.times_in_float16(torch.tensor([[float("nan")], [1.0]])).isnan().any()


@given(matrices())
def test_a_row_has_as_many_entries_as_it_was_given(both):
    rows = torch.arange(len(both.bags)).repeat_interleave(both.bags.sizes)
    assert both.bags.sizes.sum() == len(both.bags.columns)
    again = Bags.of(rows, both.bags.columns.long(), len(both.bags), both.bags.weights)
    assert torch.equal(again.offsets, both.bags.offsets)
    assert torch.equal(again.columns, both.bags.columns)


@given(matrices(), st.data())
def test_rows_are_taken_in_any_order_and_any_number_of_times(both, data):
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(both.bags) - 1), max_size=9)), dtype=torch.int64)
    taken = both.bags.take(rows)
    assert torch.equal(taken.sizes, both.bags.sizes[rows])
    assert torch.equal(taken.times(both.table), (both.dense @ both.table)[rows])


@given(matrices())
def test_transposed_it_is_the_matrix_of_swapped_entries(both):
    columns = both.dense.shape[1]
    swapped = both.bags.transposed(columns)
    assert torch.equal(swapped.offsets, both.transpose.offsets)
    assert torch.equal(dense_of(swapped, len(both.dense)), both.dense.T)
    assert torch.equal(dense_of(swapped.transposed(len(both.dense)), columns), both.dense)


@given(matrices(), st.data())
def test_rows_that_are_taken_can_be_transposed(both, data):
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(both.bags) - 1), max_size=9)), dtype=torch.int64)
    swapped = both.bags.take(rows).transposed(both.dense.shape[1])
    assert torch.equal(dense_of(swapped, len(rows)), both.dense[rows].T)


def entries_of(bags):
    weights = [] if bags.weights is None else bags.weights.tolist()
    return bags.offsets.tolist(), bags.columns.tolist(), weights


@given(matrices(), st.data())
def test_off_the_cpu_a_matrix_is_sorted_picked_and_transposed_alike(both, data):
    rows = torch.tensor(data.draw(st.lists(st.integers(0, len(both.bags) - 1), max_size=9)), dtype=torch.int64)
    columns = both.dense.shape[1]

    def made():
        order = torch.arange(len(both.bags)).repeat_interleave(both.bags.sizes)
        again = Bags.of(order.flip(0), both.bags.columns.flip(0).long(), len(both.bags), both.bags.weights)
        taken = again.take(rows)
        return [entries_of(bags) for bags in (again, taken, taken.transposed(columns))]

    with patch.object(sparse, "_on_cpu", lambda tensor: False):
        expected = made()
    assert made() == expected


@given(matrices())
def test_cut_up_by_columns_a_matrix_gives_the_same_product(both):
    columns = both.bags.columns
    with patch.multiple(sparse, BLOCK=2, WORTH=0):
        cut = both.bags.cut()
    assert torch.equal(cut.times(both.table), both.dense @ both.table)
    if len(columns) and columns.max() > 1:
        assert len(cut.blocks) > 1
        assert sum(len(block.columns) for block in cut.blocks) == len(columns)
        assert max(len(block.columns.unique()) for block in cut.blocks) <= 3


def test_only_a_large_matrix_of_many_columns_is_cut_up():
    entries, columns = torch.arange(12), torch.arange(12)
    with patch.multiple(sparse, BLOCK=4, WORTH=2):
        assert len(Bags.of(entries % 2, columns, 2).cut().blocks) == 3
        assert Bags.of(entries % 3, columns, 3).cut().blocks == ()  # few entries for their rows
        assert Bags.of(entries % 2, columns % 5, 2).cut().blocks == ()  # one block holds them


@given(matrices())
def test_the_products_gradient_is_the_transposes_product(both):
    table = both.table.clone().requires_grad_()
    output = product(both.bags, both.transpose, table)
    assert torch.equal(output, both.dense @ both.table)
    cotangent = torch.arange(output.numel(), dtype=torch.float64).reshape(output.shape)
    (gradient,) = torch.autograd.grad(output, table, cotangent)
    assert torch.equal(gradient, both.dense.T @ cotangent)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, -2.0, 3.0, 1.0], dtype=torch.float64)])
def test_the_products_gradient_is_that_of_small_differences(weights):
    rows, columns = torch.tensor([0, 2, 2, 3]), torch.tensor([1, 0, 1, 1])
    bags, transpose = Bags.of(rows, columns, 4, weights), Bags.of(columns, rows, 2, weights)
    table = torch.randn(2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    assert torch.autograd.gradcheck(lambda table: product(bags, transpose, table), table)


def test_the_gradient_may_come_as_a_view():
    bags = Bags.of(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1]), 2)
    table = torch.ones(2, 3, dtype=torch.float64, requires_grad=True)
    product(bags, Bags.of(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), 2), table).T.sum(1).sum().backward()
    assert table.grad.tolist() == [[2, 2, 2], [1, 1, 1]]
