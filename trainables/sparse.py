"""Sparse matrices that multiply tables: who rated what, and what side tables say."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from scipy.sparse import csr_matrix
from torch import Tensor

MOST_COLUMNS = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Bags:
    """A sparse matrix by rows: row r has entries at `columns[offsets[r]:offsets[r + 1]]`.

    `offsets` has shape (rows + 1,), `columns` shape (entries,), `weights` too; without weights all entries are 1.
    """

    offsets: Tensor
    columns: Tensor
    weights: Tensor | None = None

    @classmethod
    def of(cls, rows: Tensor, columns: Tensor, count: int, weights: Tensor | None = None) -> "Bags":
        """Sort entries, given as (row, column) of shape (entries,), into `count` rows."""
        order = torch.argsort(rows, stable=True)
        # 32 bits: half of the memory that a product reads beside the table.
        return cls(
            offsets=_ends(torch.bincount(rows, minlength=count)).int(),
            columns=columns[order].int(),
            weights=None if weights is None else weights[order],
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Tensor:
        """Entries of each row, shape (rows,)."""
        return self.offsets.diff()

    def times(self, table: Tensor) -> Tensor:
        """The product with a table of shape (columns, width): shape (rows, width)."""
        # `embedding_bag` is over twice as fast here as torch's CSR product.
        return torch.embedding_bag(table, self.columns, self.offsets, False, 0, False, self.weights, True)[0]

    def take(self, rows: Tensor) -> "Bags":
        """The matrix of these rows alone, in their order."""
        if self.columns.is_cpu:
            return self._of(self._matrix(MOST_COLUMNS)[rows.numpy()])
        sizes = self.sizes[rows]
        offsets = _ends(sizes)
        # Entry e of the result is entry e - (its row's offset there) + (its row's offset here).
        shift = (self.offsets[:-1][rows] - offsets[:-1]).repeat_interleave(sizes)
        places = shift + torch.arange(len(shift), device=rows.device)
        return Bags(
            offsets=offsets.int(),
            columns=self.columns[places],
            weights=None if self.weights is None else self.weights[places],
        )

    def transposed(self, count: int) -> "Bags":
        """The matrix whose rows are the columns of this one, `count` of them."""
        if self.columns.is_cpu:
            return self._of(self._matrix(count).tocsc())
        rows = torch.arange(len(self), device=self.columns.device).repeat_interleave(self.sizes)
        return Bags.of(self.columns, rows, count, self.weights)

    def _matrix(self, width: int) -> csr_matrix:
        """Of SciPy, which on a CPU picks rows and transposes many times faster than torch can."""
        return csr_matrix((self._values, self.columns.numpy(), self.offsets.numpy()), shape=(len(self), width))

    @cached_property
    def _values(self) -> np.ndarray:
        return np.ones(len(self.columns), np.int8) if self.weights is None else self.weights.numpy()

    def _of(self, matrix: csr_matrix) -> "Bags":
        return Bags(
            offsets=torch.from_numpy(matrix.indptr),
            columns=torch.from_numpy(matrix.indices),
            weights=None if self.weights is None else torch.from_numpy(matrix.data),
        )


def _ends(sizes: Tensor) -> Tensor:
    """0 and the running sums of sizes of shape (rows,): shape (rows + 1,)."""
    return F.pad(sizes.cumsum(0), (1, 0))


def product(bags: Bags, transpose: Bags, table: Tensor) -> Tensor:
    """`bags.times(table)` with a gradient, by the matrix's transpose."""
    return _Product.apply(table, bags, transpose)


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, table, bags, transpose):  # type: ignore[no-untyped-def]
        ctx.transpose = transpose
        return bags.times(table)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        return ctx.transpose.times(gradient.contiguous()), None, None
