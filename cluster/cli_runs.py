"""The verbs on a run that has been: they read its folder and need no Ray."""

from collections.abc import Callable

VERBS: tuple[Callable[..., int], ...] = ()
