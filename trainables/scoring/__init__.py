"""How good predictions are, and whether one predictor beats another.

- `metrics.py`: errors as sums that add up over workers
- `decoders.py`: from class probabilities to one rating; the temperature
- `probabilities.py`: log-loss, ranked probability score, calibration
- `slices.py`: the error by group of rows
- `verdict.py`: the paired bootstrap over users
"""
