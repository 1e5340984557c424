"""Shows a run in MLflow or Weights & Biases as it goes; `docs/trackers.md` is the page for users.

- `asked.py`: reads `--tracker`: the table of trackers, and what is refused
- `opened.py`: the trackers of a run, from its start to its end
- `behind.py`: tells a tracker in a thread of its own, so that no fit waits for a server
- `kept.py`: the file in a run's folder from which a resumed run goes on in the same places
- `results.py`: what a finished search shows: a table, numbers, files
- `mlflow_runs.py`: MLflow's runs, nested by architecture
- `mlflow_requests.py`: what MLflow is asked for
- `mlflow_model.py`: the winner as a model of MLflow
- `wandb_runs.py`: Weights & Biases' runs, grouped by run
"""
