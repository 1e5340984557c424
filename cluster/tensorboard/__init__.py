"""What TensorBoard shows of a run, and the server that shows it.

- `trials.py`: an event file for each fit of the search
- `hparams.py`: the HParams tab
- `chosen.py`: figures, weights and item vectors of what was chosen
- `server.py`: TensorBoard on the loopback address
"""
