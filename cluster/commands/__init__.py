"""What each verb does: one file for a verb. None of them reads the command line or prints a result.

- `tune.py`: the main job: search, refits, one look at the test rows, verdict
- `ask.py`: the first step of `tune`: reads and checks what was asked for, and plans the search
- `refit.py`: fits of chosen configurations, for `train`, `tune` and `replay`
- `searches.py`: the search of each fold
- `folds.py`: `tune` over folds, and one verdict
- `finish.py`: the end of `tune`: opens the test rows, judges, writes the files
- `dry_run.py`: what `tune` would run, and about how long
- `probe.py`: what fits cost here, by a few steps of some
- `train.py`: one data-parallel fit, its metrics and its bundle
- `train_options.py`: the options of `train` and `lr-find`, and the configuration they give
- `lr_find.py`: the learning-rate range test and its plot
- `replay.py`: trains a run's winner again, and compares the score
- `verdict.py`: judges a run's predictions again
- `compare.py`: several runs in one table
- `data.py`: what a data set holds
- `architectures.py`: what there is to choose from
- `new.py`: writes an own architecture to start from
- `start.py`: what `new` writes; `start.toml` is its search space
- `check.py`: checks that an architecture keeps the contract
- `predict.py`: rates the pairs of a file
- `recommend.py`: the best unseen items for each user
- `fold_in.py`: new users and items for these two, without a fit
- `export.py`: a model as a program without reeltune
- `output_file.py`: the tables that verbs write
- `time_left.py`: how long a search still takes
- `durations.py`: durations in words
- `progress.py`: the live table, or plain lines, on standard error
"""
