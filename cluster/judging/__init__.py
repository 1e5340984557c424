"""Judges the refits: their predictions of the sealed test rows, and the verdicts on them.

- `refits.py`: the fits to do once a search has chosen
- `outcome.py`: the outcome of a search and its refits
- `ensemble.py`: the weighted average of the chosen architectures
- `scores.py`: predictions and errors of refits, confusion matrices
- `simple.py`: the simple predictors, and the best of them on validation rows
- `baseline.py`: the baseline, and the verdicts against it
- `result.py`: verdicts, and the winner
- `folds.py`: one verdict over the folds of a run
- `spent.py`: the core seconds of the fits, by phase and architecture
- `details.py`: what `verdict.json` holds beside the answer
- `ranking.py`: top lists, and `ranking.parquet`
- `ranking_size.py`: for how many users, and how long judging takes
- `predictions.py`: `predictions.parquet`
- `spread.py`: how far ratings may lie from a model's predictions
- `bundles.py`: the bundles of a run
- `intervals.py`: how many test rows lie in the bundles' intervals
"""
