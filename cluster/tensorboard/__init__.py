"""Writes what TensorBoard shows of a run, and serves it.

- `trials.py`: an event file for each fit of the search
- `hparams.py`: the HParams tab
- `chosen.py`: figures, weights and item vectors of the chosen configurations
- `server.py`: TensorBoard on the loopback address
"""
