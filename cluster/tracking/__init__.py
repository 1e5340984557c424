"""Where the progress of fits is shown beside the run's own files: one protocol, whichever program shows it.

- `tracker.py`: the protocol, and what it is told
"""
