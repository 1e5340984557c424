"""The tests. They make garbage as the command line does: it is looked for among 100,000 new objects, not 700."""

import gc

gc.set_threshold(100_000)
