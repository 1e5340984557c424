"""Who may ask, and how much at once: checked before anything of a request is read."""

import hmac
import ipaddress

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reeltune.cluster.serving.options import BODY_LIMIT, KEY_HEADER, ServeOptions

OPEN = frozenset({"/healthz", "/docs", "/openapi.json"})  # what is asked without a key: it says nothing of the ratings
OPEN_BELOW = "/static-offline-docs/"
TOO_LARGE = f"the body is larger than {BODY_LIMIT:,} bytes: send several requests"


class Guard:
    """Refuses a request without the key (401), for another host (421) or with too large a body (413)."""

    def __init__(self, app: ASGIApp, options: ServeOptions) -> None:
        self._app, self._options = app, options
        self._key = None if options.api_key is None else options.api_key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refused = self._refused(scope["path"], headers)
        if refused is not None:
            await refused(scope, receive, send)
        else:
            await self._app(scope, _bounded(receive), send)

    def _refused(self, path: str, headers: Headers) -> JSONResponse | None:
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > BODY_LIMIT:
            # The rest of the body is not read, so the connection cannot go on.
            return JSONResponse({"detail": TOO_LARGE}, 413, {"connection": "close"})
        if self._key is None:
            return None if self._is_for_here(headers.get("host", "")) else _for_another()
        if path in OPEN or path.startswith(OPEN_BELOW) or hmac.compare_digest(_given(headers), self._key):
            return None
        said = f"expected the API key in the header {KEY_HEADER}, or as Authorization: Bearer"
        return JSONResponse({"detail": said}, 401, {"www-authenticate": "Bearer"})

    def _is_for_here(self, host: str) -> bool:
        """Whether the request names this machine: else a web page may ask, of a name that it has made to point here."""
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        name = name.strip("[]").lower()
        if name in ("localhost", self._options.host.lower()):
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def _for_another() -> JSONResponse:
    said = "without an API key only requests to a loopback address are answered, such as http://127.0.0.1"
    return JSONResponse({"detail": said}, 421)


def _given(headers: Headers) -> bytes:
    kind, _, token = headers.get("authorization", "").partition(" ")
    given = headers.get(KEY_HEADER) or (token.strip() if kind.lower() == "bearer" else "")
    return given.encode("latin-1", "replace")


def _bounded(receive: Receive) -> Receive:
    """What is received, up to the limit: a body may come in parts, without its length. Raises HTTPException."""
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_LIMIT:
            raise HTTPException(413, TOO_LARGE, {"connection": "close"})
        return message

    return bounded
