"""What a command writes and where it is kept: a folder for each run, here or in an object store.

- `folder.py`: where each file of a run is, and the ledger of finished trials
- `record.py`: `run.json`
- `answer.py`: `verdict.json`
- `stored.py`: what models of stored files have in common
- `find.py`: where a run or a bundle is: by name, path or URI
- `claim.py`: one process at a time on a run: a new one, or one that goes on
- `storage.py`: files in a folder or an object store, written whole or not at all
- `mirror.py`: copies a run's folder to the object store that is its home
- `lease.py`: one process at a time on a run in an object store
- `finished.py`: reads what a run left
- `fit_states.py`: the last states of running fits, from which they go on
- `out_of_fold.py`: ratings of held-out rows, for the ensemble's weights
- `disk.py`: stops a search whose files cannot be written
- `node_check.py`: has every node prove that it reads and writes the run's storage
"""
