"""implicit's alternating least squares by epoch. It fits no ratings: they are its confidence that a pair was seen."""

import numpy as np
import pandas as pd
from exchange import SEED, Clock, Lap, time_epochs
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse

EPOCHS = 2


def epochs(rows: pd.DataFrame, factors: int) -> list[Lap]:
    """Its defaults, but for the factors."""
    places = rows["user"].to_numpy(), rows["item"].to_numpy()
    seen = sparse.csr_matrix((rows["rating"].to_numpy(np.float32), places))
    model = AlternatingLeastSquares(factors=factors, iterations=EPOCHS, num_threads=1, random_state=SEED)
    clock, laps = Clock(), []

    def started(*_: object) -> None:
        laps.append(clock.lap())

    model.fit(seen, show_progress=False, callback=started)
    return laps[1:]  # the first holds the transposing of the matrix, too


time_epochs(epochs)
