"""One Ray for one command: quiet, on this machine alone unless an address says otherwise, and gone afterwards."""

import logging
import os
import re
import secrets
import socket
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import ray
from ray._private import ray_constants, worker
from ray._private.authentication.authentication_token_setup import maybe_enable_token_auth_if_token_available
from ray._private.services import canonicalize_bootstrap_address
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.exceptions import AuthenticationError, RpcError

from reeltune.cluster.session.auth import TOKEN
from reeltune.cluster.session.machine import usable_cpus
from reeltune.cluster.session.resources import Resources, found
from reeltune.cluster.session.watchdog import lifeline
from reeltune.trainables.errors import InputError

LEAST_STORE = 100 << 20
NO_CLUSTER = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}
ENVIRONMENT = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",  # a report waits for one interval: 2 s by default
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # a process for each group of workers, to what nobody here listens
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",  # Ray Train's controller does so itself
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "5",  # of workers one of which has died or hangs: 30 s by default
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


@contextmanager
def session(address: str | None, *, data_bytes: int = 0) -> Iterator[Resources]:
    """Start a Ray of our own, or join the cluster at `address`; shut down or leave it at the end.

    Raises ClusterLost within when Ray is gone.
    """
    address = None if address == "local" else address
    os.environ.update({key: value for key, value in ENVIRONMENT.items() if key not in os.environ})
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # names failed trials, as the ledger does
    worker._worker_logs_enabled = False  # Ray prints a dead node's log, in colours, on standard output
    with _loopback() if address is None else nullcontext():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Ray's own deprecations are no business of the user's
            _start(data_bytes) if address is None else join(address)
        try:
            with lifeline():
                yield found(joined=address is not None)
        finally:
            ray.shutdown()


@contextmanager
def _loopback() -> Iterator[None]:
    """Have a Ray that is started here listen at the loopback address alone: it listens at all of them by default.

    It does so on systems for which it has no clusters (macOS), and can be told to take this one for such.
    """
    os.environ[NO_CLUSTER] = "0"  # for its processes to come
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False  # read already in this one
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(NO_CLUSTER, None)


def _start(data_bytes: int) -> None:
    """A Ray of this command's own. Ray asks for a token by default; this one is nobody else's and is not kept."""
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray.init(
        address="local",
        num_cpus=usable_cpus(),
        include_dashboard=False,
        object_store_memory=max(LEAST_STORE, 3 * data_bytes),
        **QUIET,
    )


def join(address: str, *, runtime_env: dict[str, Any] | None = None) -> None:
    """Join a cluster that runs, or its client's server. Raises InputError where none answers or takes the token."""
    _reachable(address)
    maybe_enable_token_auth_if_token_available(warn_if_disabled=False)  # as `ray start` does
    try:
        if "://" not in address and (found := canonicalize_bootstrap_address(address)) is not None:
            GcsClient(address=found)  # says at once of a wrong token what `ray.init` takes half a minute to tell
        ray.init(address=address, runtime_env=runtime_env, **QUIET)
    except AuthenticationError:
        raise InputError(f"--address {address}: the cluster did not take the token, or wants one; {TOKEN}") from None
    except (ConnectionError, RpcError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"--address {address}: no Ray cluster there ({first})") from None


def _reachable(address: str) -> None:
    """Ray itself takes minutes to find that nobody listens at an address."""
    match = re.fullmatch(r"(?:ray://)?(?P<host>[^:/]+):(?P<port>\d+)", address)
    if match is None:
        if address == "auto":
            return
        raise InputError(f"--address {address!r}: expected auto, host:port or ray://host:port")
    try:
        socket.create_connection((match["host"], int(match["port"])), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"--address {address}: no Ray cluster there ({error})") from None
