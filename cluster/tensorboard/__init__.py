"""Writes what TensorBoard shows of a run, and serves it.

- `event_files.py`: the tracker that writes an event file for each fit
- `best.py`: the curves of the best so far
- `hparams.py`: the HParams tab
- `chosen.py`: figures, weights and item vectors of the chosen configurations
- `several.py`: one folder that shows the event files of several runs
- `server.py`: TensorBoard on the loopback address
"""
