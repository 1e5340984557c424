"""The options of `serve`, with their checks."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from reeltune.cluster.api.checks import at_least, whole_number
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from reeltune.cluster.ray_serve.options import ClusterOptions
    from reeltune.cluster.serving.options import ServeOptions
    from reeltune.trainables.architectures.kept_source import OwnSource

KEY_VARIABLE = "REELTUNE_API_KEY"
DAY = 86_400  # seconds
LEAST_CPUS = 0.01  # that a replica can reserve
SHORTEST = 16  # characters of a key: a shorter one can be guessed


def serve_options(
    model: str,
    *,
    host: str,
    port: int,
    api_key_file: Path | None,
    reload_every: float | None,
    drain: float,
    own: "OwnSource",
    environment: Mapping[str, str] = os.environ,
) -> "ServeOptions":
    """Raises InputError at a value that is not allowed, and where anybody on the network could ask."""
    from reeltune.cluster.serving.options import ServeOptions

    options = ServeOptions(
        model=model,
        host=host,
        port=port,
        api_key=_key(api_key_file, environment),
        key_in_shell=f"${KEY_VARIABLE}" if api_key_file is None else f"$(cat {shlex.quote(str(api_key_file))})",
        reload_every=None if reload_every is None else _seconds("--reload-every", reload_every, 0.1),
        drain=_seconds("--drain", drain, 0),
        own=own,
    )
    if options.api_key is None and not options.here_alone:
        raise InputError(
            f"--host {host}: whoever reaches this machine could ask; give --api-key-file FILE or the variable "
            f"{KEY_VARIABLE}, or leave --host out for this machine alone"
        )
    return options


def cluster_options(
    options: "ServeOptions", *, address: str | None, replicas: int | None, cpus_per_replica: float | None
) -> "ClusterOptions | None":
    """What is asked of a cluster; None without an address. Raises InputError at a value that is not allowed there."""
    from reeltune.cluster.ray_serve.options import ClusterOptions

    if address is None:
        given = {"--replicas": replicas, "--cpus-per-replica": cpus_per_replica}
        for option, value in given.items():
            if value is not None:
                raise InputError(f"{option} {value:g}: is about a Ray cluster; give --address too, or leave it out")
        return None
    if address == "local":
        raise InputError("--address local: leave it out to serve on this machine; a cluster is auto or HOST:PORT")
    if options.port == 0:
        raise InputError("--port 0: Ray Serve listens at the same port on all nodes; name one")
    cpus = 1.0 if cpus_per_replica is None else at_least("--cpus-per-replica", cpus_per_replica, LEAST_CPUS)
    return ClusterOptions(
        address=address, replicas=whole_number("--replicas", 1 if replicas is None else replicas, 1), cpus=cpus
    )


def _seconds(option: str, value: float, least: float) -> float:
    if at_least(option, value, least) > DAY:
        raise InputError(f"{option} {value:g}: expected {DAY:,} seconds, a day, or less")
    return value


def _key(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """The key of the file, else of the environment; None: there is none."""
    if file is None and KEY_VARIABLE not in environment:
        return None
    source = KEY_VARIABLE if file is None else f"--api-key-file {file}"
    try:
        key = (environment[KEY_VARIABLE] if file is None else file.read_text(encoding="utf-8")).strip()
    except OSError as error:
        raise InputError(f"{source}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{source}: expected one line of text") from None
    if len(key) < SHORTEST or not key.isascii() or not key.isprintable() or " " in key:
        raise InputError(
            f"{source}: expected {SHORTEST} or more letters, digits and signs of ASCII without spaces, such as "
            "`openssl rand -hex 32` prints"
        )
    return key
