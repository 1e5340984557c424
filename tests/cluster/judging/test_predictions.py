"""How `predictions.parquet` is written."""

import numpy as np
import pandas as pd

from reeltune.cluster.judging.predictions import write_small


def test_what_is_written_small_is_read_as_it_was(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "row": draw.permutation(50_000),
            "user": np.array([*(f"u{number % 7000}" for number in range(49_999)), None], dtype=object),
            "rating": draw.integers(1, 6, 50_000).astype(float),
            "timestamp": draw.integers(0, 10**9, 50_000),
            "svdpp": draw.normal(3.5, 0.3, 50_000).astype(np.float32),
            "classifier": draw.integers(1, 34, 50_000).astype(np.float32) / 8,
        }
    )
    write_small(frame, tmp_path / "small.parquet")
    frame.to_parquet(tmp_path / "plain.parquet", index=False)
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "small.parquet"), pd.read_parquet(tmp_path / "plain.parquet"), check_exact=True
    )
    assert (tmp_path / "small.parquet").stat().st_size < 0.7 * (tmp_path / "plain.parquet").stat().st_size
