"""New users and items without a fit: a row for each from its ratings, with all else of a fitted model as it is.

Every model that names its rows (`RatingModel.id_rows` and `rate_rows`) is two tables and a match of a row of each. With
a Gaussian prior of the rows, learnt when a fit ends, the row of a new id is the mean of its posterior.

- `folded.py`: a fitted model with more rows
- `newcomers.py`: ratings of new users and items, checked
- `prior.py`: the prior of one side's rows, learnt from the fitted ratings
- `brought.py`: the rows that it is learnt from, where each worker has its own
- `posterior.py`: the posterior of rows given ratings
"""
