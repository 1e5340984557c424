"""The contract of every architecture, as checks that `reeltune check` and the tests run, for our own and for others.

- `suite.py`: the table of clauses, and what came of each
- `subject.py`: an architecture under check, and the fits and models that clauses look at
- `worlds.py`: tiny data whose answers are known
- `settings.py`: clauses on the configuration and the reference
- `outputs.py`: clauses on what a model gives, and on its loss
- `fits.py`: clauses on what a fit learns, and on what is kept of it
- `workers.py`: the clause on two workers, in processes of their own
"""
