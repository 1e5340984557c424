"""Listens, answers until a signal, drains."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Iterator

import torch
import uvicorn

from reeltune.cluster.serving.app import Service, application
from reeltune.cluster.serving.greeting import greeting
from reeltune.cluster.serving.holder import Holder, look_every, settle
from reeltune.cluster.serving.metrics import Metrics
from reeltune.cluster.serving.options import ServeOptions
from reeltune.trainables.errors import InputError

KEEP_ALIVE = 75  # seconds that an idle connection stays open: longer than those of most proxies, which then close first
LAST = 1.0  # seconds in which a signal to end still lets requests in: each answer then closes its connection


def serve(options: ServeOptions, say: Callable[[str], None]) -> int:
    """Answer until SIGTERM or SIGINT, and return the exit code; what is said then goes to `say`.

    Raises InputError where the address cannot be listened on or the bundle cannot be used.
    """
    torch.set_num_threads(1)  # several processes use several cores better than threads in each call
    listening = _listening(options)
    with contextlib.closing(listening):
        service = Service(Holder(options, say), Metrics())
        config = uvicorn.Config(
            application(service, options),
            access_log=False,
            log_config=None,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=int(options.drain),
        )
        settle()
        server = _Server(config, lambda: _greet(service.holder, options, listening))
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_until_a_signal(server, service, options, listening))
    return 0


class _Server(uvicorn.Server):
    """uvicorn's, whose signals are handled here: a service that has drained ends with exit code 0."""

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._say_started = started

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._say_started()


async def _until_a_signal(server: _Server, service: Service, options: ServeOptions, listening: socket.socket) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    def end() -> None:
        if service.ending.is_set():  # the second signal
            server.force_exit = server.should_exit = True
        service.ending.set()
        loop.call_later(min(LAST, options.drain), stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    tasks = set[asyncio.Task[object]]()

    def begin(work: Coroutine[object, object, object]) -> None:
        """Run it beside the requests. A failure that nobody expects is logged by asyncio, with its traceback."""
        task = loop.create_task(work)
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop.add_signal_handler(signal.SIGHUP, lambda: begin(asyncio.to_thread(service.holder.look, ask=True)))
    if options.reload_every is not None:
        begin(look_every(service.holder, options.reload_every))
    await server.serve(sockets=[listening])
    for task in tasks:
        task.cancel()


def _listening(options: ServeOptions) -> socket.socket:
    """A socket at the address. Raises InputError where there is none to be had."""
    option = f"--host {options.host} --port {options.port}"
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            options.host, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise InputError(f"{option}: no such address: {error.strerror}") from None
    except UnicodeError:  # two dots in a row, say
        raise InputError(f"{option}: no such address: that is no name of a host") from None
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise InputError(f"{option}: {error.strerror}; --port 0 takes any free one") from None
    return found


def _greet(holder: Holder, options: ServeOptions, listening: socket.socket) -> None:
    """The address and the model, and a command that asks it."""
    host, port = listening.getsockname()[:2]
    print(*greeting(holder, options, host, port), sep="\n", flush=True)
    print(f"kill -HUP {os.getpid()} loads the bundle again; Ctrl-C ends it", file=sys.stderr, flush=True)
