"""Writes what TensorBoard shows of a run, and serves it.

- `event_files.py`: the tracker that writes an event file for each fit
- `hparams.py`: the HParams tab
- `chosen.py`: figures, weights and item vectors of the chosen configurations
- `server.py`: TensorBoard on the loopback address
"""
