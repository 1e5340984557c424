"""How sure a verdict must be, and what counts for none."""

LEVEL = 0.05
FEWEST = 20  # users on whose rows two predictors differ: with fewer nothing is sure
NOTHING = 0.001  # a gain up to this share of the baseline's error counts as none
