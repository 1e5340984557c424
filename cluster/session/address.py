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
    takes_client: bool = True  # whether the command does, so that an error may tell the user to type one

    @property
    def target(self) -> str:
        return f"{self.host}:{self.port}"

    def wrong(self, why: str) -> InputError:
        return InputError(f"--address {self.typed}: {why}")

    @property
    def by_client(self) -> str:
        return f"--address {CLIENT}{self.host}:{CLIENT_PORT}"

    @property
    def by_job(self) -> str:
        return f"{forwarding(self.host)}, then reeltune submit --address {LOOPBACK} -- VERB ..."


def check_address(address: str | None, *, takes_client: bool = True) -> None:
    """Raise InputError unless a Ray cluster, which takes our token, can be joined from here. None: it is to be ours.

    Where the command does not take an address of Ray's client, no error names one.
    """
    if address in (None, "local"):
        return
    silence()
    use_known_token()
    place = _place(address, takes_client)
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


def _place(address: str, takes_client: bool) -> Place:
    found = address
    if address == "auto":
        try:
            found = found_by_auto()
        except ConnectionError:
            there = Place(typed=address, host="HOST", port=CLUSTER_PORT)
            way = f"name the cluster: {there.by_client}" if takes_client else f"send a job: {there.by_job}"
            raise there.wrong(f"no Ray was started on this machine; {way}") from None
    match = re.fullmatch(r"(?P<client>ray://)?(?P<host>[^:/\s]+):(?P<port>\d{1,5})", found)
    if match is None:
        raise InputError(f"--address {address!r}: {_instead(address, takes_client)}")
    return Place(
        typed=address,
        host=match["host"],
        port=int(match["port"]),
        client=match["client"] is not None,
        takes_client=takes_client,
    )


def _instead(address: str, takes_client: bool) -> str:
    """What to type instead of an address of a wrong form."""
    if re.match(r"https?://", address):
        return (
            f"a dashboard takes jobs, by reeltune submit --address {address} -- VERB ...; "
            f"VERB itself takes {_forms(takes_client, CLUSTER_PORT, CLIENT_PORT)}"
        )
    if match := re.fullmatch(r"(?:ray://)?([^:/\s]+)/?", address):
        by_client = f"{CLIENT}{match[1]}:{CLIENT_PORT}, or " if takes_client else ""
        return f"has no port: {by_client}{match[1]}:{CLUSTER_PORT} on one of the nodes"
    return f"expected {_forms(takes_client, 'PORT', 'PORT')}"


def _forms(takes_client: bool, port: object, client_port: object) -> str:
    return f"auto, HOST:{port} or {CLIENT}HOST:{client_port}" if takes_client else f"auto, HOST:{port} or local"


def _reach(place: Place) -> None:
    """Raise InputError if nobody listens there: Ray itself takes minutes to say so."""
    try:
        socket.create_connection((place.host, place.port), timeout=REACH).close()
    except (OSError, OverflowError, UnicodeError) as error:  # the last at a name with two dots in a row
        raise place.wrong(f"no Ray cluster there ({error})") from None


def _check_client(place: Place) -> None:
    if (there := listener(place.target)) == "client":
        return
    what = "the cluster's own port is there" if there == "cluster" else "something else listens there"
    raise place.wrong(f"no server for Ray's client there: {what}; try {CLIENT}{place.host}:{CLIENT_PORT}")


def _check_cluster(place: Place) -> None:
    there = listener(place.target)
    if there == "client":
        way = f"type --address {CLIENT}{place.target}" if place.takes_client else f"Ray's own port is {CLUSTER_PORT}"
        raise place.wrong(f"Ray's client is served there: {way}")
    if there == "other":
        raise place.wrong(f"no Ray cluster there: something else listens; Ray's own port is {CLUSTER_PORT}")
    end = time.monotonic() + STARTS
    while not has_node_here(place.target):
        if time.monotonic() > end:
            by_client = f"{place.by_client}, or " if place.takes_client else ""
            raise place.wrong(
                "a Ray cluster is there, but this machine is none of its nodes, and only from them can HOST:PORT be "
                f"joined; from here: {by_client}a job: {place.by_job}"
            )
        time.sleep(0.5)
