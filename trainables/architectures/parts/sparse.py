"""Sparse matrices that multiply tables: who rated what, and the features of side tables."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

BLOCK = 25_000  # rows of a table that fit in a CPU's cache: 6 MB if they are 64 wide
WORTH = 16  # entries of a row in a block, from which it pays to cut into blocks
MOST_COLUMNS = 2**31 - 1
LARGEST_FLOAT16 = 65_504.0
SMALLEST = 1e-30  # largest number of a table, at the least: one of zeros is scaled too


@dataclass(frozen=True, kw_only=True)
class Bags:
    """A sparse matrix by rows: row r has entries at `columns[offsets[r]:offsets[r + 1]]`.

    `offsets` has shape (rows + 1,), `columns` shape (entries,), `weights` too; without weights all entries are 1.
    """

    offsets: Tensor
    columns: Tensor
    weights: Tensor | None = None
    blocks: tuple["Bags", ...] = ()  # the same matrix by ranges of columns, if that makes products faster

    @classmethod
    def of(cls, rows: Tensor, columns: Tensor, count: int, weights: Tensor | None = None) -> "Bags":
        """The matrix of `count` rows with these entries: their row, column and weight, all of shape (entries,)."""
        # 32-bit indices halve what a product reads beside the table.
        columns = columns.int()
        if _on_cpu(rows):
            return cls._sorted_by_scipy(rows, columns, count, weights)
        order = torch.argsort(rows, stable=True)
        return cls(
            offsets=_ends(torch.bincount(rows, minlength=count)).int(),
            columns=columns[order],
            weights=None if weights is None else weights[order],
        )

    @classmethod
    def _sorted_by_scipy(cls, rows: Tensor, columns: Tensor, count: int, weights: Tensor | None) -> "Bags":
        """As `of`, in half of the time: SciPy transposes a matrix with a row for each entry by counting."""
        from scipy.sparse import csr_matrix  # takes time to load, and who rates pairs needs none

        each = np.arange(len(rows) + 1, dtype=np.int32)
        entries = csr_matrix((columns.numpy(), rows.int().numpy(), each), shape=(len(rows), count)).tocsc()
        return cls(
            offsets=torch.from_numpy(entries.indptr),
            columns=torch.from_numpy(entries.data),
            weights=None if weights is None else weights.index_select(0, torch.from_numpy(entries.indices)),
        )

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> Tensor:
        """Entries of each row, shape (rows,)."""
        return self.offsets.diff()

    def times(self, table: Tensor) -> Tensor:
        """The product with a table of shape (columns, width): shape (rows, width)."""
        if self.blocks:
            total = self.blocks[0].times(table)
            for block in self.blocks[1:]:
                total += block.times(table)
            return total
        # `embedding_bag` is over twice as fast here as torch's CSR product.
        return torch.embedding_bag(table, self.columns, self.offsets, False, 0, False, self.weights, True)[0]

    @property
    def has_float16(self) -> bool:
        """Whether a product in float16 is faster here: on CPUs for which torch has FBGEMM's kernels, x86's."""
        return _on_cpu(self.columns) and "fbgemm" in torch.backends.quantized.supported_engines

    def times_in_float16(self, table: Tensor) -> Tensor:
        """As `times`, with each number of the table rounded to 11 bits: faster, as memory is what a product waits for.

        The table is first scaled by a power of two by which no sum of a row overflows. Sums are rounded to 11 bits too.
        """
        scale = self._scale_of_float16(table)
        numbers = torch.empty_like(table, dtype=torch.float16)
        torch.mul(table, scale, out=numbers)
        first, *others = self.blocks or (self,)
        total = first.times(numbers).float()
        for block in others:
            total += block.times(numbers)
        return total.div_(scale)

    def _scale_of_float16(self, table: Tensor) -> Tensor:
        """The largest power of two that keeps the largest number times the longest row below what float16 holds."""
        low, high = table.aminmax()
        largest = torch.maximum(high, -low).clamp_(min=SMALLEST) * self.sizes.max().clamp(min=1)
        return torch.exp2(torch.floor(torch.log2(LARGEST_FLOAT16 / largest)))

    def cut(self) -> "Bags":
        """The same with blocks of columns, where it is so large that this pays: each reads a part of the table."""
        width = int(self.columns.max()) + 1 if len(self.columns) else 0
        blocks = round(width / BLOCK)
        if not _on_cpu(self.columns) or blocks < 2 or len(self.columns) < WORTH * blocks * len(self):
            return self
        edges = np.linspace(0, width, blocks + 1).astype(int).tolist()
        return replace(self, blocks=tuple(self._between(low, high) for low, high in pairwise(edges)))

    def _between(self, low: int, high: int) -> "Bags":
        """The matrix with the columns from `low` to before `high` alone, which stay in their places."""
        kept = (self.columns >= low) & (self.columns < high)
        return Bags(
            offsets=_ends(kept)[self.offsets].int(),
            columns=self.columns[kept],
            weights=None if self.weights is None else self.weights[kept],
        )

    def take(self, rows: Tensor) -> "Bags":
        """The matrix of these rows alone, in their order."""
        if _on_cpu(self.columns):
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
        if _on_cpu(self.columns):
            return self._of(self._matrix(count).tocsc())
        rows = torch.arange(len(self), device=self.columns.device).repeat_interleave(self.sizes)
        return Bags.of(self.columns, rows, count, self.weights)

    def _matrix(self, width: int) -> "csr_matrix":
        from scipy.sparse import csr_matrix

        return csr_matrix((self._values, self.columns.numpy(), self.offsets.numpy()), shape=(len(self), width))

    @cached_property
    def _values(self) -> np.ndarray:
        return np.ones(len(self.columns), np.int8) if self.weights is None else self.weights.numpy()

    def _of(self, matrix: "csr_matrix") -> "Bags":
        return Bags(
            offsets=torch.from_numpy(matrix.indptr),
            columns=torch.from_numpy(matrix.indices),
            weights=None if self.weights is None else torch.from_numpy(matrix.data),
        )


def _on_cpu(tensor: Tensor) -> bool:
    """Where SciPy sorts, picks rows and transposes many times faster than torch does."""
    return tensor.is_cpu


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
