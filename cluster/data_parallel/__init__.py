"""Fits of `train` and refits: on Ray Train workers that stay up, or in this process.

A lane is a group of workers that does one fit after another.

- `fit_all.py`: does a list of fits in lanes
- `batches.py`: checks that each worker gets enough rows of a batch
- `dealing.py`: deals rows to files that all workers can read
- `orders.py`: what a fit is asked for, and its result
- `lanes.py`: starts lanes, starts them again, and ends them
- `mailbox.py`: the actor through which workers are asked for fits
- `worker.py`: what each worker runs
- `fit.py`: a fit of `train` or a refit, wherever it is done
- `states.py`: its checkpoints, by the first worker or by all
- `lane_refit.py`: such a fit on a lane's worker
- `in_process.py`: such a fit in this process, without Ray
- `updates.py`: shows the updates of fits, and takes their results
"""
