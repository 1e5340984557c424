"""Parts that several models share, or that would make a model's file too long.

- `over_workers.py`: the vectors of the trunk where users are sharded
- `trunk.py`: vectors of users and items from ids, implicit feedback and side information
- `reference.py`: the defaults of the architectures on the trunk, sized for the data
- `implicit.py`: implicit feedback one way, with its gradients
- `matches.py`: how well the pairs of a large batch match, without their vectors
- `damped.py`: damped means of users and items, with the dampings found
- `sparse.py`: sparse matrices that multiply tables
- `days.py`: a vector for each user and day
- `residual.py`: a Gaussian process in time on what a fit leaves
- `batch_norm.py`: batch normalisation over all workers
- `dropout.py`: dropout, whose masks cost a processor little
- `paired.py`: a linear layer on the vectors of many pairs
- `losses.py`: losses of class heads
- `ordinal.py`: the ordinal logit: thresholds between the steps of the scale
- `labels.py`: labels of class heads
"""
