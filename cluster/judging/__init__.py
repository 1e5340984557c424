"""What beats what: the refits' predictions of the sealed test rows, and the verdicts on them.

- `refits.py`: the fits that are ordered once a search has chosen
- `outcome.py`: what a search and its refits came to
- `ensemble.py`: the weighted average of what was chosen
- `scores.py`: predictions and errors of refits, confusion matrices
- `baseline.py`: what architectures are judged against
- `result.py`: verdicts, and the winner
- `details.py`: what `verdict.json` has beside the answer
- `predictions.py`: `predictions.parquet`
- `bundles.py`: the bundles of a run
"""
