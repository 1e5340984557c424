"""What we use of Ray Serve that is private, with the reason. As `ray_private.py`, which see."""

import logging

from ray.serve.context import _get_global_client

SERVE_LOGGER = "ray.serve"


def running_at() -> tuple[str, int] | None:
    """The host and port of the Ray Serve that is up on this cluster; None: none is up.

    A second `serve.start` leaves them as they are, and only logs that. No public function says what they are.
    """
    client = _get_global_client(raise_if_no_controller_running=False)
    return None if client is None else (client.http_config.host or "", client.http_config.port)


def silence_serve() -> None:
    """Have Ray Serve log errors alone in this process: it logs at INFO whatever the level of "ray" is."""
    logging.getLogger(SERVE_LOGGER).setLevel(logging.CRITICAL)
