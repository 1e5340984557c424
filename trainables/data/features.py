"""What side tables say of users or of items, as sparse rows: the features of a factorisation machine (Rendle 2010)."""

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Features:
    """Row r (an index of users or of items; 0 is 'unknown' and has none) has `weights` at `columns`.

    Of row r they are at places offsets[r] to offsets[r + 1]: offsets of shape (rows + 1,), the others of shape
    (entries,). `names` holds a name for each column, such as 'genre=Comedy'.
    """

    offsets: np.ndarray
    columns: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...]

    @property
    def rows(self) -> int:
        return len(self.offsets) - 1

    @property
    def bytes(self) -> int:
        return self.offsets.nbytes + self.columns.nbytes + self.weights.nbytes

    def take(self, rows: np.ndarray) -> "Features":
        """Those of these rows, in this order."""
        sizes = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(self.offsets.dtype)
        entries = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], sizes)
        return replace(self, offsets=offsets, columns=self.columns[entries], weights=self.weights[entries])

    def fingerprint(self) -> str:
        """A hash of the content, the same on every machine."""
        digest = hashlib.sha256(json.dumps(self.names).encode())
        for values, kind in ((self.offsets, "<i8"), (self.columns, "<i8"), (self.weights, "<f4")):
            digest.update(np.ascontiguousarray(values, dtype=kind).tobytes())
        return digest.hexdigest()
