"""One fit, on one worker or several, without Ray.

- `fit.py`: model, optimiser, and where the fit stands
- `sharded.py`: a fit of which each worker has its own users alone
- `blocks.py`: where a model's tensors have rows of users
- `buckets.py`: which worker has which users, and which of their rows are in which batch
- `dealt.py`: rows in files, one for each bucket
- `seeds.py`: seeds made of several numbers, and torch's random numbers as they were before a fit
- `loop.py`: the worker's loop, a generator of reports
- `breach.py`: what an own model may break of the contract, named
- `timestamps.py`: whether the data has the timestamps that a configuration needs
- `weighted.py`: whether a fit can count rows by their weights
- `schedule.py`: the one-cycle schedule of rates
- `range_test.py`: the learning-rate range test
- `threads.py`: how many threads it computes on
- `allocator.py`: keeps the memory that a step frees
"""
