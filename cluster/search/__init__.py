"""The search: one Ray Tune experiment over all architectures, and an Optuna study for each of them.

- `experiment.py`: sets up Ray Tune and runs it to the last trial
- `searcher.py`: the Searcher that Ray Tune asks for the next configuration
- `confirmation.py`: the second stage: the best configurations are tried again
- `choice.py`: which configurations are tried again, and which one is chosen
- `recorder.py`: records how a trial ended: in the ledger, then in Optuna's study
- `schedulers.py`: the table of schedulers, and one of them for each architecture
- `on_sample.py`: adapts configurations to a sample of users, on which search trials may fit
- `messages.py`: what goes between the driver and a trial: orders and progress updates
- `trial.py`: a trial of one worker: a Ray Tune Trainable
- `lane_trial.py`: a trial of several workers, in a lane
- `trial_fit.py`: the fit inside either of them
- `faults.py`: kills trials that hang, and knows why a trial died
- `reasons.py`: the reasons that are recorded of failed trials
- `warm_start.py`: `--from`: starts from the trials of an earlier search
- `wider.py`: `--from`: reaches beyond the bounds that an earlier choice lay on
- `tracking.py`: the Tune callback that tells trackers of trials
"""
