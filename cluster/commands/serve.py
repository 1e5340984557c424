"""`reeltune serve`: answers HTTP requests out of a model bundle."""

import sys

from reeltune.cluster.serving.options import ServeOptions
from reeltune.trainables.errors import InputError

NEEDED = ("fastapi", "fastapi_offline", "prometheus_client", "uvicorn")


def serve(options: ServeOptions) -> int:
    """Answer until SIGTERM or Ctrl-C. Raises InputError where the extra is missing, or as `server.serve`."""
    try:
        from reeltune.cluster.serving.server import serve as answer  # FastAPI and uvicorn are an extra
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise InputError(
            f"serve: {error.name} is not installed; pip install 'reeltune[serve]', or from a checkout: "
            "pip install '.[serve]'"
        ) from None
    return answer(options, lambda line: print(line, file=sys.stderr, flush=True))
