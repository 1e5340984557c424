"""Scripts that measure: `python benchmarks/NAME.py` prints the figures of the docs page that names it.

A package, so that `benchmarks` is this folder and not the one of that name that wheels of pyarrow 17 bring.
"""
