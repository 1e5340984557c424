"""One Ray for one command: quiet, on this machine alone unless an address says otherwise, and gone afterwards.

A program has one for all of its calls, or its own, which is taken and left as it is.
"""

import atexit
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import ray
from ray.exceptions import AuthenticationError, RpcError

from reeltune.cluster.session.address import check_address
from reeltune.cluster.session.inventory import found
from reeltune.cluster.session.machine import usable_cpus
from reeltune.cluster.session.news import news
from reeltune.cluster.session.ray_private import (
    SYSTEM_CONFIG,
    fewer_processes,
    forget_token,
    loopback,
    make_own_token,
    set_environment,
    silence,
)
from reeltune.cluster.session.ray_private_state import placement_groups, remove_groups
from reeltune.cluster.session.resources import Resources
from reeltune.cluster.session.short_folder import latest_logs, short_folder
from reeltune.cluster.session.watchdog import ClusterLost, lifeline
from reeltune.cluster.session.ways_in import TOKEN
from reeltune.trainables.errors import InputError, RayNotStarted, one_line
from reeltune.trainables.fitting.allocator import keep_memory_in_threads

OURS = "reeltune"  # the namespace by which a Ray that we have started is known
LEAST_STORE = 100 << 20  # bytes of Ray's object store: Ray refuses to start with less than 75 MiB
# How the last line of Ray's server begins where a process that it has started was dead at once.
DEAD = ("psutil.", "RuntimeError: Starting Ray client server failed")
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}


def to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


@contextmanager
def session(
    address: str | None,
    *,
    data_bytes: int = 0,
    keep: bool = False,
    say: Callable[[str], None] = to_stderr,
    how_to_go_on: str = "--resume goes on from it",
    may_exit: bool = True,
) -> Iterator[Resources]:
    """Start a Ray of our own, or join the cluster at `address`. At the end, shut down our own, or leave the cluster.

    With `keep` our own stays up, so that the next call of a program finds it, unless that names a cluster. Where this
    process is in a Ray already, that one is taken, and left as it is. `say` is told where Ray's files are if not where
    they usually are, and what happens to a cluster: nodes that come and go, and CPUs that others hold. `how_to_go_on`
    ends the last line of a command that a lost cluster keeps from ending in order; `may_exit` says whether the process
    is then ended, as somebody's program is not. Raises ClusterLost in the body when Ray stops answering, RayNotStarted,
    and InputError at the address of another Ray than this process is in.
    """
    address = None if address == "local" else address
    set_environment()
    silence()
    if keep and (_is_too_small(data_bytes) or _is_elsewhere(address)):
        shut_down()
    taken = ray.is_initialized()
    if taken:
        _refuse_another(address)
    with nullcontext() if taken else _started(address, data_bytes, keep=keep, say=say):
        groups = placement_groups() if taken else set()
        joined = address is not None or not _is_alone()
        try:
            with (
                loopback() if is_ours() else nullcontext(),
                lifeline(how_to_go_on, may_exit=may_exit),
                news(say) if joined else nullcontext(),
            ):
                yield found(joined=joined)
        except (InputError, ClusterLost):  # what is lost answers no question, and Ray would wait for it for ever
            raise
        except BaseException:
            if taken:  # Tune leaves its trials' actors behind, and their CPUs would be taken for ever
                remove_groups(placement_groups() - groups)
            raise


@contextmanager
def _started(address: str | None, data_bytes: int, *, keep: bool, say: Callable[[str], None]) -> Iterator[None]:
    """A Ray that is started or joined here, and shut down or left at the end: of this process, if it is to be kept."""
    with ExitStack() as stack:
        if address is None:
            stack.enter_context(short_folder(say))
        with loopback() if address is None else nullcontext():
            _start(data_bytes) if address is None else join(address)
        stack.callback(ray.shutdown)
        if keep and address is None:
            atexit.register(stack.pop_all().close)
        yield


def _refuse_another(address: str | None) -> None:
    """Raise InputError at the address of another Ray than the one that this process is in."""
    if address not in (None, "auto", ray.get_runtime_context().gcs_address):
        check_address(address, takes_client=False)
        raise InputError(f"--address {address}: this process is in a Ray already, which is used; leave the address out")


def _is_alone() -> bool:
    """Whether the Ray that this process is in has no node but the one here: then it is no cluster."""
    here = ray.get_runtime_context().get_node_id()
    return [node["NodeID"] for node in ray.nodes() if node["Alive"]] == [here]


def is_ours() -> bool:
    """Whether the Ray that this process is in was started by us."""
    return bool(ray.get_runtime_context().namespace == OURS)


def _is_too_small(data_bytes: int) -> bool:
    """Whether this process is in a Ray of ours whose object store cannot hold the data."""
    if not (ray.is_initialized() and is_ours()):
        return False
    return bool(ray.cluster_resources()["object_store_memory"] < _store(data_bytes))


def _is_elsewhere(address: str | None) -> bool:
    """Whether this process is in a Ray of ours, and this is the address of another."""
    if address is None or not (ray.is_initialized() and is_ours()):
        return False
    return bool(address != ray.get_runtime_context().gcs_address)


def shut_down() -> None:
    """Shut down the Ray of our own that this process is in, if there is one.

    Its short folder, where it has one, stays until the process ends.
    """
    if ray.is_initialized() and is_ours():
        ray.shutdown()
        forget_token()


def _store(data_bytes: int) -> int:
    """Bytes of the object store of a Ray of our own."""
    return max(LEAST_STORE, 3 * data_bytes)


def _start(data_bytes: int) -> None:
    """Start a Ray on this machine. Raises RayNotStarted where one of its processes does not come up."""
    make_own_token()
    keep_memory_in_threads()
    try:
        with fewer_processes():
            ray.init(
                address="local",
                namespace=OURS,
                num_cpus=usable_cpus(),
                include_dashboard=False,
                object_store_memory=_store(data_bytes),
                _system_config=SYSTEM_CONFIG,
                **QUIET,
            )
    except Exception as error:
        if type(error) not in (Exception, RuntimeError, TimeoutError):  # those that Ray raises after 30 seconds
            raise
        why = one_line(str(error)).rstrip(".")
        raise RayNotStarted(f"Ray did not start: {why}; its logs are in {latest_logs()}") from None


def join(address: str, *, runtime_env: dict[str, Any] | None = None) -> None:
    """Join a running cluster, or its server for Ray's client (`ray://`).

    Raises InputError if nothing answers there, or the cluster does not take our token.
    """
    check_address(address)
    try:
        _join(address, runtime_env)
    except AuthenticationError:
        raise InputError(f"--address {address}: the cluster did not take the token, or wants one; {TOKEN}") from None
    except ConnectionAbortedError as error:  # of Ray's client: the traceback of its server, which was reached
        last = str(error).splitlines()[-1]
        raise InputError(
            f"--address {address}: the cluster's server for Ray's client could not start a process for us ({last}); "
            "try again if the head node is busy"
        ) from None
    except (ConnectionError, RpcError, ValueError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"--address {address}: no Ray cluster there ({first})") from None


def _join(address: str, runtime_env: dict[str, Any] | None) -> None:
    """Join; a second time where the process that the server for Ray's client has started for us was dead at once."""
    try:
        ray.init(address=address, runtime_env=runtime_env, **QUIET)
    except ConnectionAbortedError as error:
        if not str(error).splitlines()[-1].startswith(DEAD):
            raise
        ray.shutdown()
        ray.init(address=address, runtime_env=runtime_env, **QUIET)
