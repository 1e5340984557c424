"""Leaves a program's process as it was: Ray and we set variables, signal handlers and levels of loggers."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from reeltune.cluster.session.ray_private import worker_logs_as_before

CHANGED = ("ray", "optuna")  # whose loggers are changed, also ones that are made within
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


@contextmanager
def as_before() -> Iterator[None]:
    """Restore the environment's variables, the signal handlers and the levels of all loggers at the end.

    Also whether Ray prints what its workers log.

    Must run in the main thread, which alone may set signal handlers.
    """
    variables = dict(os.environ)
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    levels = {name: logger.level for name, logger in _loggers().items()}
    try:
        with worker_logs_as_before():
            yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        _restore_variables(variables)
        for name, logger in _loggers().items():
            if name in levels or name.partition(".")[0] in CHANGED:
                logger.setLevel(levels.get(name, logging.NOTSET))


def _restore_variables(earlier: dict[str, str]) -> None:
    for name in set(os.environ) - set(earlier):
        del os.environ[name]
    os.environ.update(earlier)


def _loggers() -> dict[str, logging.Logger]:
    known = logging.Logger.manager.loggerDict
    return {name: logger for name, logger in known.items() if isinstance(logger, logging.Logger)}
