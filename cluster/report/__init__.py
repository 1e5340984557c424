"""The reports of a search, remade from its folder alone: `report.html` and `report.md`.

- `write.py`: writes both
- `html.py`: `report.html`: one file that needs no network
- `markdown.py`: `report.md`: the answer in about 30 lines
- `view.py`: what the page shows, in order, without markup
- `words.py`: the answer in sentences, and the rows of the result table
- `sections.py`: what the page shows of one architecture
- `search_plots.py`: how the search went: Optuna's own plots
- `charts.py`: charts as numbers that a template draws
- `slices.py`: where the winner is good or bad
- `items.py`: the items rated worst and best
- `facts.py`: what was run: data, split, seeds, versions, machine, cost
- `commands.py`: the commands that make the results again
"""
