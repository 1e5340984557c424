"""Where and how runs happen: the command line, Ray Train and Ray Tune. Only this package imports Ray.

From the top down; each folder imports only those below it.

- `cli/`: reads the words of a command, and prints its result
- `api/`: what `import reeltune` offers, and the options of each job
- `commands/`: does what one verb is for
- `judging/`: says what beats what on the sealed test rows
- `search/`: runs Optuna's trials in Ray Tune
- `data_parallel/`: keeps groups of Ray Train workers up, which do one fit after another
- `report/`: makes the page of a finished run
- `tracking/`: the protocol by which a program shows fits as they go
- `tensorboard/`: writes the curves and the HParams tab, and shows them
- `trackers/`: shows a run in MLflow or Weights & Biases as it goes
- `jobs/`: runs the same command elsewhere: as a Ray job, or through Ray's client
- `ray_serve/`: the same service on a Ray cluster
- `serving/`: answers HTTP requests out of a model bundle
- `runs/`: keeps what a command writes, in a folder or an object store
- `session/`: starts or joins one Ray for one command
- `deploy/`: manifests for AWS, Google Cloud, Kubernetes, Slurm and containers; no Python
"""
