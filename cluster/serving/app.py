"""The endpoints, and each error as one sentence."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from reeltune.cluster.serving.batching import Batcher, Busy, Line
from reeltune.cluster.serving.guard import Guard
from reeltune.cluster.serving.holder import Holder, Reload, settle
from reeltune.cluster.serving.metrics import CONTENT_TYPE_LATEST, Measured, Metrics
from reeltune.cluster.serving.options import KEY_HEADER, ServeOptions
from reeltune.cluster.serving.schemas import (
    FoldInAnswer,
    FoldInRequest,
    FoldInTableAnswer,
    FoldInTableRequest,
    Health,
    PredictAnswer,
    PredictRequest,
    Problem,
    RecommendAnswer,
    RecommendRequest,
    SimilarAnswer,
    SimilarRequest,
)
from reeltune.trainables.errors import InputError
from reeltune.trainables.version import __version__

LINE = 128  # requests for lists that may wait
ABOUT = "Rates pairs of users and items, and lists items, out of one model bundle. Ids are those of the model's data."
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": said}
    for status, said in {
        400: "The body is no JSON",
        401: "The API key is missing or wrong",
        413: "The body is too large",
        415: "The body is not called JSON by the Content-Type header",
        422: "The body, or the model, does not allow what is asked",
        503: "Too many requests wait",
    }.items()
}


@dataclass(frozen=True)
class Service:
    """What the endpoints share."""

    holder: Holder
    metrics: Metrics
    ending: asyncio.Event = field(default_factory=asyncio.Event)  # set by the first signal to end

    def predict(self, asked: Sequence[PredictRequest]) -> Sequence[PredictAnswer | InputError]:
        """Runs in the thread of the batches. One model answers the whole batch."""
        given = self.holder.answers.predict(asked)
        pairs = [pair for each in given if isinstance(each, PredictAnswer) for pair in each.predictions]
        self.metrics.pairs.inc(len(pairs))
        self.metrics.unknown.labels("user").inc(sum(not pair.known_user for pair in pairs))
        self.metrics.unknown.labels("item").inc(sum(not pair.known_item for pair in pairs))
        return given

    def reloaded(self, outcome: Reload) -> None:
        self.metrics.reloads.labels(outcome).inc()
        self.metrics.uses(self.holder.answers.name)
        if outcome == "swapped":
            settle()


def application(service: Service, options: ServeOptions) -> ASGIApp:
    """The whole application: endpoints behind the guard, measured."""
    app = FastAPIOffline(title="reeltune", version=__version__, description=ABOUT, redoc_url=None)
    _answers(app, service)
    _state(app, service)
    _errors(app)
    if options.api_key is not None:
        _name_the_key(app)
    service.metrics.uses(service.holder.answers.name)
    service.holder.told = service.reloaded
    paths = frozenset(app.openapi()["paths"]) | {"/docs", "/openapi.json"}
    return Measured(Guard(app, options), service.metrics, paths, service.ending.is_set)


def _answers(app: FastAPI, service: Service) -> None:
    batches = Batcher(service.predict, pairs=lambda asked: len(asked.pairs), sized=service.metrics.batches.observe)
    line = Line(LINE)

    @app.post("/predict", responses=PROBLEMS)
    async def predict(asked: PredictRequest) -> PredictAnswer:
        """Rate pairs. An unknown id is marked, and rated as the mean of the known ones."""
        return await batches.ask(asked)

    @app.post("/recommend", responses=PROBLEMS)
    async def recommend(asked: RecommendRequest) -> RecommendAnswer:
        """List the items that are rated best for each user, among all of the model's that are not in `seen`."""
        return await line.ask(service.holder.answers.recommend, asked)

    @app.post("/similar", responses=PROBLEMS)
    async def similar(asked: SimilarRequest) -> SimilarAnswer:
        """List the items nearest to one."""
        return await line.ask(service.holder.answers.similar, asked)

    @app.post("/fold-in", responses=PROBLEMS)
    async def fold_in(asked: FoldInRequest) -> FoldInAnswer:
        """Rate and list items for somebody new, by their first ratings, without a fit. Nothing of it is kept."""
        return await line.ask(service.holder.answers.fold_in, asked)

    @app.post("/fold-in-table", responses=PROBLEMS)
    async def fold_in_table(asked: FoldInTableRequest) -> FoldInTableAnswer:
        """Rate and list items for several new users, and new items, by their ratings. Nothing of it is kept."""
        return await line.ask(service.holder.answers.fold_in_table, asked)


def _state(app: FastAPI, service: Service) -> None:
    @app.get("/healthz")
    async def healthz() -> Health:
        """That requests are answered, and by which bundle. Needs no key."""
        answers = service.holder.answers
        return Health(
            status="ok",
            model=answers.name,
            architecture=answers.predictor.description.architecture,
            users=answers.predictor.users.rows - 1,
            items=answers.predictor.items.rows - 1,
            last_reload=service.holder.last_reload,
        )

    @app.get("/metrics", responses={401: PROBLEMS[401], 200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """For Prometheus."""
        return Response(await service.metrics.page(), media_type=CONTENT_TYPE_LATEST)


def _errors(app: FastAPI) -> None:
    @app.exception_handler(RequestValidationError)
    async def wrong_body(request: Request, error: RequestValidationError) -> JSONResponse:
        return _problem(*_about(request, error))

    @app.exception_handler(InputError)
    async def wrong_input(request: Request, error: InputError) -> JSONResponse:
        return _problem(422, str(error))

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> JSONResponse:
        return _problem(503, "too many requests wait: ask again in a second", {"retry-after": "1"})

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        # FastAPI's 400 is a body that Python's parser gives up: no UTF-8, too deep, a number of 5,000 digits.
        said = "the body is no JSON that can be read" if error.status_code == 400 else error.detail
        return _problem(error.status_code, said, dict(error.headers or {}))


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """A sentence. What of an id is no Unicode text is written as an escape."""
    return JSONResponse({"detail": detail.encode("utf-8", "backslashreplace").decode()}, status, headers)


def _about(request: Request, error: RequestValidationError) -> tuple[int, str]:
    """The status, and the first error in a sentence; the others are counted."""
    found = error.errors()
    first, more = found[0], f" (and {len(found) - 1:,} more errors)" if len(found) > 1 else ""
    if first["type"] == "json_invalid":
        return 400, f"the body is no JSON: {first['ctx']['error']} at character {first['loc'][-1]}"
    if first["loc"] == ("body",) and "json" not in request.headers.get("content-type", ""):
        return 415, "expected a JSON object, called so by the header Content-Type: application/json"
    place = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return 422, f"{place[:200]}: {first['msg'].removeprefix('Value error, ')}{more}"


def _name_the_key(app: FastAPI) -> None:
    """Say in the OpenAPI schema that a key is needed, so that the page has a field for it."""
    schema = app.openapi()
    schema["components"]["securitySchemes"] = {"key": {"type": "apiKey", "in": "header", "name": KEY_HEADER}}
    for path, methods in schema["paths"].items():
        for method in methods.values():
            method["security"] = [] if path == "/healthz" else [{"key": []}]
