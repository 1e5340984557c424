"""A replica, with the whole application of `serving/` in it: endpoints, guard, batches, metrics."""

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
from prometheus_client import Metric
from ray import serve
from ray.exceptions import RayError
from starlette.types import ASGIApp, Receive, Scope, Send

from reeltune.cluster.ray_serve.keeper import Beat, Bundle, Sent, found
from reeltune.cluster.ray_serve.shared_metrics import SharedMetrics
from reeltune.cluster.serving.app import Service, application
from reeltune.cluster.serving.holder import Holder, log_unexpected, settle
from reeltune.trainables.architectures.source import described
from reeltune.trainables.bundle import restore
from reeltune.trainables.errors import one_line

BEAT = 1.0  # seconds between two calls of the keeper


@serve.ingress()
class Replica:
    """Gets the bundle from the keeper, and asks it each second for another one, which it takes as `Holder` does."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        torch.set_num_threads(1)  # several replicas use several cores better than threads in each call
        self._name = serve.get_replica_context().replica_id.unique_id
        self._lines: list[str] = []
        self._keeper: Any = found()
        sent = await self._sent()
        self._own = tempfile.TemporaryDirectory(prefix="reeltune-")
        bundle: Bundle = await sent.bundle
        self._tried: str | None = bundle.name
        self._unwritten: str | None = None  # why the last bundle could not be written, if it could not
        await asyncio.to_thread(self._write, bundle)
        self._options = replace(sent.options, model=str(self._link))
        holder = await asyncio.to_thread(
            Holder, self._options, self._lines.append, load=lambda folder: restore(folder, sent.registry)
        )
        self._clear()
        self._metrics = SharedMetrics(self._name, self._of_others)
        self._service = Service(holder, self._metrics)
        settle()
        self._touch = asyncio.create_task(
            stay_in_touch(self._ask_the_keeper, lost=self._look_for_the_keeper, say_failed=self._say_failed)
        )

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return Hosted(application(self._service, self._options))

    async def check_health(self) -> None:
        """Ray Serve calls it in the loop that answers requests, and replaces a replica that does not return."""

    async def _sent(self) -> Sent:
        """What the keeper has, once it has a bundle."""
        while True:
            sent: Sent | None = await self._keeper.sent.remote()
            if sent is not None:
                return sent
            await asyncio.sleep(BEAT)

    @property
    def _link(self) -> Path:
        return Path(self._own.name, "current")

    def _write(self, bundle: Bundle) -> None:
        """Put the bundle on this machine's disk, and have the link point to it."""
        folder = Path(self._own.name, bundle.name)
        folder.mkdir(exist_ok=True)
        for name, content in bundle.files.items():
            (folder / name).write_bytes(content)
        next_link = Path(self._own.name, "next")
        next_link.unlink(missing_ok=True)
        next_link.symlink_to(folder)
        next_link.replace(self._link)

    def _clear(self) -> None:
        """Leave no bundle on the disk: a loaded one is in memory, and a replica may be killed any moment."""
        for path in Path(self._own.name).iterdir():
            path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)

    def __del__(self) -> None:
        """Ray Serve calls it when the replica ends in order."""
        if hasattr(self, "_own"):
            self._own.cleanup()

    def _say_failed(self, why: str) -> None:
        self._lines.append(f"reload: failed, and {self._service.holder.answers.name} still answers: {why}")

    async def _ask_the_keeper(self) -> None:
        """Tell it how this replica is, and take the bundle that it has, if it is another one."""
        wanted = await self._keeper.beat.remote(self._beat())
        if wanted not in (None, self._tried):
            await self._take(await self._sent())

    def _look_for_the_keeper(self) -> None:
        """The command may have started another one. Without one the model that is here answers on."""
        try:
            self._keeper = found()
        except ValueError:
            return

    async def _take(self, sent: Sent) -> None:
        bundle: Bundle = await sent.bundle
        self._tried = bundle.name  # a bundle that is refused is not asked for again
        try:
            await asyncio.to_thread(self._write, bundle)
        except OSError as error:  # a full disk, say: it may pass, so the bundle is asked for again
            self._clear()
            self._tried = None
            if str(error) != self._unwritten:
                self._say_failed(str(error))
            self._unwritten = str(error)
            return
        self._unwritten = None
        await asyncio.to_thread(self._service.holder.look, ask=True)
        self._clear()

    def _beat(self) -> Beat:
        lines = tuple(self._lines)
        del self._lines[: len(lines)]
        return Beat(
            replica=self._name,
            node=ray.util.get_node_ip_address(),
            lines=lines,
            metrics=self._metrics.now(),
        )

    async def _of_others(self) -> dict[str, tuple[Metric, ...]]:
        try:
            return {beat.replica: beat.metrics for beat in await self._keeper.others.remote(self._name)}
        except RayError:
            return {}


async def stay_in_touch(
    ask: Callable[[], Awaitable[None]], *, lost: Callable[[], None], say_failed: Callable[[str], None]
) -> None:
    """Ask the keeper each second, for ever; `lost` is called where Ray finds none.

    Another failure, which nobody expects, is logged, and `say_failed` gets it in one line, unless it is that of before.
    """
    failed: str | None = None
    while True:
        await asyncio.sleep(BEAT)
        try:
            await ask()
            failed = None
        except RayError:
            lost()
        except Exception as error:  # noqa: BLE001  The boundary of one call: no other bundle would ever come again.
            why = one_line(described(error))
            if why != failed:
                log_unexpected(error)
                say_failed(why)
            failed = why


class Hosted:
    """An application behind Ray Serve, which also sends the start and the end of its life, and WebSockets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            for part in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{part}.complete"})
