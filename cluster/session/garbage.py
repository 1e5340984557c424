"""How often a process looks for garbage: rarely while it imports, and as usual once it fits.

Imports make hundreds of thousands of objects and no garbage. At Python's threshold of 700 the search for it takes a
sixth of the time in which a command, and a fifth of that in which a worker process, imports what it needs.
"""

import gc

USUAL = gc.get_threshold()  # Python's own, or the program's
RARELY = 100_000  # new objects before Python looks for garbage among them


def look_rarely() -> None:
    """Look for garbage rarely, as there is none yet."""
    gc.set_threshold(RARELY)


def look_as_usual() -> None:
    """End `look_rarely`: an own architecture may make garbage, and tensors may hang on it."""
    if gc.get_threshold()[0] == RARELY:
        gc.set_threshold(*USUAL)
