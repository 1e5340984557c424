"""`--address`: what it may be, and what is there. Everything that is wrong is one line within seconds."""

import re
import socket
import time
from dataclasses import dataclass

from ray.exceptions import AuthenticationError, RpcError

from reeltune.cluster.session.ray_private import silence, use_known_token
from reeltune.cluster.session.ray_private_address import found_by_auto, has_node_here, listener
from reeltune.cluster.session.ways_in import CLIENT, CLIENT_PORT, CLUSTER_PORT, LOOPBACK, TOKEN, forwarding
from reeltune.trainables.errors import InputError

REACH = 5.0  # seconds to connect
STARTS = 3.0  # seconds for a node on this machine that has just started


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a person typed after `--address`, taken apart."""

    typed: str
    host: str
    port: int
    client: bool = False  # of Ray's client

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    def wrong(self, why: str) -> InputError:
        return InputError(f"--address {self.typed}: {why}")


def check_address(address: str | None) -> None:
    """Raise InputError unless a Ray cluster, which takes our token, can be joined from here. None: it is to be ours."""
    if address in (None, "local"):
        return
    silence()
    use_known_token()
    place = _place(address)
    _reach(place)
    try:
        _check_client(place) if place.client else _check_cluster(place)
    except AuthenticationError:
        raise place.wrong(f"the cluster did not take the token, or wants one; {TOKEN}") from None
    except RpcError as error:
        raise place.wrong(f"no Ray cluster there ({str(error).splitlines()[0]})") from None


def joining(address: str | None) -> str:
    """What to say while Ray is started or joined."""
    return "starting Ray" if address in (None, "local") else f"joining {address}"


def _place(address: str) -> Place:
    found = address
    if address == "auto":
        try:
            found = found_by_auto()
        except ConnectionError:
            raise InputError(
                "--address auto: no Ray was started on this machine; name the cluster: "
                f"--address {CLIENT}HOST:{CLIENT_PORT}"
            ) from None
    match = re.fullmatch(r"(?P<client>ray://)?(?P<host>[^:/\s]+):(?P<port>\d{1,5})", found)
    if match is None:
        raise InputError(f"--address {address!r}: {_instead(address)}")
    return Place(typed=address, host=match["host"], port=int(match["port"]), client=match["client"] is not None)


def _instead(address: str) -> str:
    """What to type instead of an address of a wrong form."""
    if re.match(r"https?://", address):
        return (
            f"a dashboard takes jobs, by reeltune submit --address {address} -- VERB ...; "
            f"VERB itself takes auto, HOST:{CLUSTER_PORT} or {CLIENT}HOST:{CLIENT_PORT}"
        )
    if match := re.fullmatch(r"(?:ray://)?([^:/\s]+)/?", address):
        return f"has no port: {CLIENT}{match[1]}:{CLIENT_PORT}, or {match[1]}:{CLUSTER_PORT} on one of the nodes"
    return f"expected auto, HOST:PORT or {CLIENT}HOST:PORT"


def _reach(place: Place) -> None:
    """Raise InputError if nobody listens there: Ray itself takes minutes to say so."""
    try:
        socket.create_connection((place.host, place.port), timeout=REACH).close()
    except (OSError, OverflowError) as error:
        raise place.wrong(f"no Ray cluster there ({error})") from None


def _check_client(place: Place) -> None:
    if (there := listener(place.target)) == "client":
        return
    what = "the cluster's own port is there" if there == "cluster" else "something else listens there"
    raise place.wrong(f"no server for Ray's client there: {what}; try {CLIENT}{place.host}:{CLIENT_PORT}")


def _check_cluster(place: Place) -> None:
    there = listener(place.target)
    if there == "client":
        raise place.wrong(f"Ray's client is served there: type --address {CLIENT}{place.target}")
    if there == "other":
        raise place.wrong(f"no Ray cluster there: something else listens; Ray's own port is {CLUSTER_PORT}")
    end = time.monotonic() + STARTS
    while not has_node_here(place.target):
        if time.monotonic() > end:
            raise place.wrong(
                "a Ray cluster is there, but this machine is none of its nodes, and only from them can HOST:PORT be "
                f"joined; from here: --address {CLIENT}{place.host}:{CLIENT_PORT}, or a job: "
                f"{forwarding(place.host)}, then reeltune submit --address {LOOPBACK} -- VERB ..."
            )
        time.sleep(0.5)
