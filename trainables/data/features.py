"""What side tables say of users or of items, as sparse rows: the features of a factorisation machine (Rendle 2010)."""

import hashlib
import json
from dataclasses import dataclass

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

    def fingerprint(self) -> str:
        """A hash of the content, the same on every machine."""
        digest = hashlib.sha256(json.dumps(self.names).encode())
        for values, kind in ((self.offsets, "<i8"), (self.columns, "<i8"), (self.weights, "<f4")):
            digest.update(np.ascontiguousarray(values, dtype=kind).tobytes())
        return digest.hexdigest()
