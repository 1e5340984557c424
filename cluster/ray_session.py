"""One Ray for one command: quiet, on this machine alone unless an address says otherwise, and gone afterwards."""

import logging
import os
import re
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from cluster.machine import usable_cpus
from trainables import InputError

LEAST_STORE = 100 << 20
ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",  # a report waits for one interval: 2 s by default
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the ledger and TensorBoard are written by our own callbacks
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial that failed has no metric to report
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # nothing is resumed from Tune's own files: the ledger decides
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C is ours: it says how to go on
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",  # the ledger has the reason, in a line
    "TUNE_WARN_THRESHOLD_S": "10",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
}


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the cluster has for trials and workers."""

    cpus: int
    gpus: int


@contextmanager
def session(address: str | None, *, data_bytes: int = 0) -> Iterator[Resources]:
    """Start a Ray of our own, or join the cluster at `address`; shut down or leave it at the end."""
    os.environ.update({key: value for key, value in ENVIRONMENT.items() if key not in os.environ})
    logging.getLogger("ray").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own deprecations are no business of the user's
        _connect(address, data_bytes=data_bytes)
    try:
        total = ray.cluster_resources()
        yield Resources(cpus=int(total.get("CPU", 0)), gpus=int(total.get("GPU", 0)))
    finally:
        ray.shutdown()


def _reachable(address: str) -> None:
    """Ray itself takes minutes to find that nobody listens at an address."""
    match = re.fullmatch(r"(?:ray://)?(?P<host>[^:/]+):(?P<port>\d+)", address)
    if match is None:
        if address in ("auto", "local"):
            return
        raise InputError(f"--address {address!r}: expected auto, host:port or ray://host:port")
    try:
        socket.create_connection((match["host"], int(match["port"])), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--address {address}: no Ray cluster there ({error})") from None


def _connect(address: str | None, *, data_bytes: int) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
    if address is not None:
        _reachable(address)
        try:
            ray.init(address=address, **quiet)
        except (ConnectionError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise InputError(f"--address {address}: no Ray cluster there ({first})") from None
        return
    ray.init(
        address="local",
        num_cpus=usable_cpus(),
        include_dashboard=False,
        _node_ip_address="127.0.0.1",  # reachable from this machine alone
        object_store_memory=max(LEAST_STORE, 3 * data_bytes),
        **quiet,
    )
