"""The way to a cluster's dashboard, which takes jobs: its address, its token, and Ray's client for jobs."""

import os
from http.client import HTTPException
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

from reeltune.cluster.session.ways_in import CLIENT, DASHBOARD_PORT, LOOPBACK, TOKEN, forwarding
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

VARIABLES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
HERE = ("127.0.0.1", "localhost", "::1")


def dashboard_url(address: str | None) -> str:
    """The dashboard's URL: the given one, else from Ray's variables, else on this machine. Raises InputError."""
    if address is None:
        known = [os.environ.get(variable, "") for variable in VARIABLES]
        address = next((value for value in known if value.startswith("http")), LOOPBACK)
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        other = f"; {CLIENT} is for the verbs themselves: reeltune VERB ... --address {address}"
        raise InputError(
            f"--address {address!r}: expected the cluster's dashboard, such as http://head:{DASHBOARD_PORT}"
            f"{other if address.startswith(CLIENT) else ''}"
        )
    return address.rstrip("/")


def connect(url: str) -> "JobSubmissionClient":
    """Ray's client for the jobs of this dashboard. Raises InputError if none answers, or it refuses the token."""
    if find_spec("aiohttp") is None:
        needed = f"ray[default]=={metadata.version('ray')}"
        raise InputError(f"jobs need Ray's job client, which is not installed: pip install '{needed}'")
    token = _asks_for_token(url)
    from ray.exceptions import AuthenticationError

    from reeltune.cluster.session.ray_private import job_client

    try:
        return job_client(url, token=token)
    except AuthenticationError:
        raise InputError(f"--address {url}: the cluster did not take the token; {TOKEN}") from None
    except (OSError, RuntimeError, LookupError) as error:
        raise InputError(f"--address {url}: no Ray dashboard there ({first_line(error)})") from None


def _asks_for_token(url: str) -> bool:
    """Whether the cluster requires Ray's token. Raises InputError if none answers in 5 s; Ray's client would wait."""
    try:
        urlopen(f"{url}/api/version", timeout=5).close()
    except HTTPError as error:
        return error.code == 401
    except (OSError, HTTPException, ValueError) as error:
        raise InputError(f"--address {url}: no Ray cluster there ({first_line(error)}); {_way(url)}") from None
    return False


def _way(url: str) -> str:
    """How to reach a dashboard that does not answer at this URL."""
    parts = urlsplit(url)
    if parts.hostname in HERE:
        return f"a head node elsewhere is reached while this runs: {forwarding('HEAD')}"
    port = url.rpartition(":")[2]
    known = int(port) if port.isdigit() else DASHBOARD_PORT
    return (
        "a dashboard listens on its own machine's loopback address, unless --dashboard-host says otherwise: run "
        f"{forwarding(str(parts.hostname), known)}, then submit --address {LOOPBACK}"
    )


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
