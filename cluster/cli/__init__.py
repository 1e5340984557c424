"""The command line: a file for each verb, which reads its options, calls its command, and prints the result.

- `app.py`: the table of verbs, and what each kind of failure prints and exits with
- `options.py`: options that several verbs take
- `wrong_values.py`: what is said of a value that an option's type does not allow
- `watched.py`: runs a command with its progress shown, here or on a cluster's head node
- `logs.py`: `--verbose` and `--log-file`
- `job_command.py`: checks the command of a job as if it ran here
- `output.py`: results on standard output: one JSON object, or text
- `tables.py`: tables for the terminal
- `tune.py`: the main job: search, refit, judge
- `train.py`: one fit
- `lr_find.py`: the learning-rate range test
- `architectures.py`: lists the architectures
- `new.py`: writes an own architecture to start from
- `check.py`: checks that an architecture keeps the contract
- `predict.py`: rates the pairs of a file
- `data.py`: describes a data set
- `board.py`: TensorBoard on a run
- `report.py`: writes the reports of a run again
- `compare.py`: several runs in one table
- `verdict.py`: judges a run again
- `replay.py`: trains a run's winner again
- `recommend.py`: the best unseen items for each user
- `export.py`: a model as a program without reeltune
- `serve.py`: answers HTTP requests out of a model
- `update.py`: a bundle on newer ratings
- `submit.py`: runs a verb as a Ray job
- `jobs.py`: lists, follows and stops such jobs
"""
