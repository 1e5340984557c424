"""How good predictions are, and whether one predictor beats another.

- `metrics.py`: errors as sums that add up over workers
- `metric_table.py`: the metrics that a search can minimise, by name
- `decoder_table.py`: the decoders, by name
- `decoders.py`: ratings by any of them; the temperature
- `near_ties.py`: which ratings the rounding of logits leaves open
- `probabilities.py`: log-loss, ranked probability score, calibration
- `spread.py`: intervals of single ratings, by split conformal prediction
- `slices.py`: the error by group of rows
- `ranking.py`: how good top lists are: NDCG and recall
- `gains.py`: a predictor's gains, added up by user
- `satterthwaite.py`: Student's t for users with uneven rows or gains
- `skewness.py`: Hall's correction of it for skewness
- `unseen.py`: what users whom the sample does not have may do
- `levels.py`: how sure a verdict must be
- `comparison.py`: the gain, its interval and p
- `missing.py`: what is missing for a verdict
- `verdict.py`: the word, over all that are judged together
"""
