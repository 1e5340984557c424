"""How good predictions are, and whether one predictor beats another.

- `metrics.py`: errors as sums that add up over workers
- `decoder_table.py`: the decoders, by name
- `decoders.py`: ratings by any of them; the temperature
- `probabilities.py`: log-loss, ranked probability score, calibration
- `slices.py`: the error by group of rows
- `verdict.py`: the paired bootstrap over users
"""
