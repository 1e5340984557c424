"""The models: one file for each, of one shape. To add one, see CONTRIBUTING.md.

- `table.py`: the table of them
- `registry.py`: those of one command: the table's, and somebody's own
- `kept_source.py`: the copies of sources in bundles, and the files that are named to run
- `source.py`: the source of an own architecture, which travels with the work
- `heads.py`: which of them have a class head
- `bias.py`: damped means
- `pmf.py`: matrix factorisation, the baseline
- `embedding_nn.py`: the concatenation network
- `classifier.py`: a classifier over a grid of ratings
- `autorec.py`: item-based AutoRec
- `svdpp.py`: SVD++ both ways with side information
- `svdpp_classifier.py`: a classifier on the vectors of SVD++
- `svdpp_ordinal.py`: an ordinal logit on the vectors of SVD++
- `ensemble.py`: the weighted average of several of them
- `parts/`: what they are built of
"""

ENSEMBLE = "ensemble"  # the name of the weighted average, beside those of the table
