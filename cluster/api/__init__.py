"""What `import reeltune` offers: the jobs of the command line, for a program or a notebook.

- `folds.py`: the folds of `tune`
- `options.py`: the options of each job, with their defaults and checks, for both
- `checks.py`: what the values of options may be
- `tune.py`: `tune`, the main job
- `train.py`: `train`, one fit
- `update.py`: `update`, a model on newer ratings
- `keywords.py`: keywords of `train` and `lr_find` that are hyperparameters
- `lr_find.py`: `lr_find`, the learning-rate range test
- `serve.py`: the options of `serve`, which the command line alone has
- `ratings.py`: `Ratings`: data, and how it is read
- `run.py`: `Run`: what a search found
- `model.py`: `Model`: a fitted model
- `pairs.py`: ids and ratings as a person types them
- `tables.py`: a run's verdict and trials as DataFrames
- `plots.py`: a run's figures
- `load.py`: `load`: a fitted model that is on disk
- `open.py`: `open` and `compare`: the runs that are on disk
- `call.py`: one call of a job: its progress, its Ray, its end
- `command.py`: the command line that does the same as a call
- `html.py`: how objects show themselves in a notebook
"""
