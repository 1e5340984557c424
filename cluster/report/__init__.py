"""The reports of a search, `report.html` and `report.md`, made from the run's folder alone.

- `write.py`: writes both
- `html.py`: `report.html` and `plots.html`: each is one file that needs no network
- `markdown.py`: `report.md`: the answer in about 35 lines
- `view.py`: what the page shows, in order, without markup
- `words.py`: the answer in sentences
- `results.py`: the rows of the result table
- `top_lists.py`: NDCG and recall of top lists
- `intervals.py`: how many test ratings lie in the intervals of the models
- `folds.py`: a verdict over folds, and the folds' own runs
- `sections.py`: the page's section on one architecture
- `settings.py`: an architecture's formula, and what the search varied of it
- `search_plots.py`: how the search went: charts of the page, and Optuna's own plots
- `charts.py`: charts as numbers that a template draws
- `slices.py`: the winner's error on groups of test rows
- `items.py`: the items rated worst and best
- `spent.py`: where the time went: core seconds by phase and architecture
- `facts.py`: what was run: data, split, seeds, versions, machine, cost
- `commands.py`: the commands that make the results again
- `use.py`: what to do with the run: load, predict, recommend, or go on with its search
- `standing.py`: how far an unfinished search is
"""
