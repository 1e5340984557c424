"""Ray Train workers that stay up: a lane is a group of workers that does one fit after another.

- `fit_all.py`: does a list of fits in lanes
- `batches.py`: checks that each worker gets enough rows of a batch
- `orders.py`: what a fit is asked for, and its result
- `lanes.py`: starts lanes, starts them again, and ends them
- `mailbox.py`: the actor through which workers are asked for fits
- `worker.py`: what each worker runs
- `fit.py`: a fit of `train` or a refit, on a lane's workers
"""
