"""One Ray for one command: quiet, on this machine alone unless an address says otherwise, and gone afterwards."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import ray
from ray.exceptions import AuthenticationError, RpcError

from reeltune.cluster.session.address import check_address
from reeltune.cluster.session.inventory import found
from reeltune.cluster.session.machine import usable_cpus
from reeltune.cluster.session.news import news
from reeltune.cluster.session.ray_private import (
    loopback,
    make_own_token,
    set_environment,
    silence,
)
from reeltune.cluster.session.resources import Resources
from reeltune.cluster.session.short_folder import short_folder
from reeltune.cluster.session.watchdog import lifeline
from reeltune.cluster.session.ways_in import TOKEN
from reeltune.trainables.errors import InputError

LEAST_STORE = 100 << 20  # bytes of Ray's object store: Ray refuses to start with less than 75 MiB
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def session(
    address: str | None,
    *,
    data_bytes: int = 0,
    say: Callable[[str], None] = to_stderr,
    how_to_go_on: str = "--resume goes on from it",
) -> Iterator[Resources]:
    """Start a Ray of our own, or join the cluster at `address`. At the end, shut down our own, or leave the cluster.

    `say` is told where Ray's files are if not where they usually are, and what happens to a cluster: nodes that come
    and go, and CPUs that others hold. `how_to_go_on` ends the last line of a command that a lost cluster keeps from
    ending in order. Raises ClusterLost in the body when Ray stops answering.
    """
    address = None if address == "local" else address
    set_environment()
    silence()
    with _own(say) if address is None else nullcontext():
        _start(data_bytes) if address is None else join(address)
        try:
            with lifeline(how_to_go_on), nullcontext() if address is None else news(say):
                yield found(joined=address is not None)
        finally:
            ray.shutdown()


@contextmanager
def _own(say: Callable[[str], None]) -> Iterator[None]:
    """What a Ray of our own is started within."""
    with loopback(), short_folder(say):
        yield


def _start(data_bytes: int) -> None:
    """Start a Ray on this machine for this command alone."""
    make_own_token()
    ray.init(
        address="local",
        num_cpus=usable_cpus(),
        include_dashboard=False,
        object_store_memory=max(LEAST_STORE, 3 * data_bytes),
        **QUIET,
    )


def join(address: str, *, runtime_env: dict[str, Any] | None = None) -> None:
    """Join a running cluster, or its server for Ray's client (`ray://`).

    Raises InputError if nothing answers there, or the cluster does not take our token.
    """
    check_address(address)
    try:
        ray.init(address=address, runtime_env=runtime_env, **QUIET)
    except AuthenticationError:
        raise InputError(f"--address {address}: the cluster did not take the token, or wants one; {TOKEN}") from None
    except (ConnectionError, RpcError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"--address {address}: no Ray cluster there ({first})") from None
