"""`reeltune serve`: answers HTTP requests out of a model bundle."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from reeltune.cluster.ray_serve.options import ClusterOptions
from reeltune.cluster.serving.options import ServeOptions
from reeltune.trainables.errors import InputError

NEEDED = ("fastapi", "fastapi_offline", "prometheus_client", "uvicorn")
RAYS = (*NEEDED, "aiohttp", "grpc_reflection", "mmh3", "opencensus", "starlette", "watchfiles")  # of Ray Serve itself


def serve(options: ServeOptions, cluster: ClusterOptions | None) -> int:
    """Answer until SIGTERM or Ctrl-C, here or on a cluster.

    Raises InputError where the extra is missing, or as `server.serve` and `driver.serve_on`.
    """
    if cluster is None:
        with _extra("serve", NEEDED):
            from reeltune.cluster.serving.server import serve as answer  # FastAPI and uvicorn are an extra
        return answer(options, _say)
    with _extra("ray-serve", RAYS):
        from reeltune.cluster.ray_serve.driver import serve_on
    return serve_on(cluster, options, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _extra(name: str, packages: tuple[str, ...]) -> Iterator[None]:
    """Raise InputError where one of the packages cannot be imported."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in packages:
            raise
        raise InputError(
            f"serve: {error.name} is not installed; pip install 'reeltune[{name}]', or from a checkout: "
            f"pip install '.[{name}]'"
        ) from None
