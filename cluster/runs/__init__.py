"""What a command writes, and where: one folder per run, on this machine or in an object store.

- `folder.py`: the paths of a run's files, and the ledger of finished trials
- `record.py`: `run.json`
- `answer.py`: `verdict.json`
- `spent.py`: its part on where the time went
- `stored.py`: the base class of the models of stored files
- `find.py`: finds a run or a bundle by name, path or URI
- `claim.py`: lets one process at a time work on a run, new or resumed
- `storage.py`: files in a folder or an object store, written whole or not at all
- `mirror.py`: copies a run's folder to the object store that is its home
- `lease.py`: lets one process at a time work on a run in an object store
- `finished.py`: reads a run's files
- `fit_states.py`: checkpoints of running fits, from which they go on
- `out_of_fold.py`: ratings of held-out rows, for the ensemble's weights
- `sources.py`: copies of own architectures' sources
- `kept_tables.py`: data that a program had in memory, as files of the run
- `disk.py`: stops a search whose files cannot be written
- `node_check.py`: asks every node whether it can use the run's storage, and what machine it is
"""
