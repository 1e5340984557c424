"""What we use of Ray that is private to learn in seconds what is at an address, each with the reason.

As `ray_private.py`, which see. `ray.init` asks nothing of this: it waits for a minute, and then says that it could not
connect.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import grpc
from ray._private.grpc_utils import init_grpc_channel
from ray._private.services import canonicalize_bootstrap_address, find_node_ids
from ray._raylet import GcsClient  # type: ignore[attr-defined]
from ray.core.generated.gcs_pb2 import GcsNodeInfo  # type: ignore[attr-defined]
from ray.core.generated.ray_client_pb2 import ClusterInfoRequest, ClusterInfoType  # type: ignore[attr-defined]
from ray.core.generated.ray_client_pb2_grpc import RayletDriverStub
from ray.exceptions import AuthenticationError

ANSWER = 5.0  # seconds for an answer
RAW = b"gcs_client.cc"  # of the lines that Ray's C++ writes to standard error whatever the level of its loggers
Listener = Literal["client", "cluster", "other"]


def found_by_auto() -> str:
    """The HOST:PORT that `auto` stands for. Raises ConnectionError if no Ray was started on this machine."""
    found = canonicalize_bootstrap_address("auto")
    assert found is not None, "it raises"
    return found


def listener(address: str) -> Listener:
    """What listens at this HOST:PORT: Ray's client server, a cluster's state (its GCS), or something else.

    Raises AuthenticationError where the client server does not take our token: Ray's client takes half a minute to
    say "connection timeout" (#64755).
    """
    channel = init_grpc_channel(address)
    try:
        RayletDriverStub(channel).ClusterInfo(ClusterInfoRequest(type=ClusterInfoType.PING), timeout=ANSWER)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise AuthenticationError(error.details()) from None
        return "cluster" if error.code() == grpc.StatusCode.UNIMPLEMENTED else "other"
    finally:
        channel.close()
    return "client"


def has_node_here(address: str) -> bool:
    """Whether one of the cluster's nodes is on this machine: a driver joins through that, and `ray.init` awaits it.

    Raises AuthenticationError where the cluster does not take our token.
    """
    with _without_raw_lines():
        client = GcsClient(address=address)
        alive = client.get_all_node_info(timeout=ANSWER, state_filter=GcsNodeInfo.GcsNodeState.ALIVE)
    return bool(find_node_ids() & {node.hex() for node in alive})


@contextmanager
def _without_raw_lines() -> Iterator[None]:
    """Keep Ray's C++ lines off standard error; whatever else is written there meanwhile appears afterwards."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as file, os.fdopen(os.dup(2), "wb", buffering=0) as real:
        os.dup2(file.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real.fileno(), 2)
            file.seek(0)
            real.write(b"".join(line for line in file if RAW not in line))
