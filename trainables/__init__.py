"""Data, models, fits and metrics: all that knows nothing of Ray or Optuna.

From the top down; each folder imports only those below it.

- `bundle.py`: the model bundle: a folder that rates pairs by their own ids
- `fitting/`: one fit, its loop and its schedule
- `architectures/`: the models: a file for each
- `scoring/`: metrics, decoders, the verdict
- `model.py`: the contract of every model
- `adamw.py`: the optimiser of every fit
- `config.py`: the fields that every model's configuration has
- `data/`: reads and splits ratings
- `options.py`: errors about options in one line
- `errors.py`: the kinds of expected failure
- `version.py`: the version
"""
