"""The application on Ray Serve: what is asked of it, and how far it is."""

import time
from contextlib import suppress
from dataclasses import dataclass

from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ServeStatus

from reeltune.cluster.ray_serve.options import ClusterOptions
from reeltune.cluster.ray_serve.replica import Replica
from reeltune.cluster.serving.options import ServeOptions
from reeltune.cluster.session.ray_private_serve import running_at
from reeltune.trainables.errors import InputError

NAME = "reeltune"  # of the application, and of its one deployment
AT_ONCE = 1000  # requests in one replica, which answers 503 by its own bounds long before; more wait outside
LOGGING = {"enable_access_log": False, "log_level": "WARNING"}
ATTEMPTS = 3  # to start a first replica, until the start is given up


@dataclass(frozen=True, kw_only=True)
class State:
    """How far the application is."""

    there: bool
    up: int = 0  # replicas that answer
    broken: str | None = None  # why it cannot start


def is_to_start(options: ServeOptions) -> bool:
    """Whether Ray Serve is to be started on this cluster. Raises InputError where it is up at another address."""
    running = running_at()
    if running is None or running == (options.host, options.port):
        return running is None
    host, port = running
    raise InputError(
        f"--host {options.host} --port {options.port}: Ray Serve is up on this cluster, at {host}:{port} for all its "
        f"applications; give --host {host} --port {port}"
    )


def deploy(options: ServeOptions, cluster: ClusterOptions) -> None:
    """Start Ray Serve where it is not up, and the replicas, without waiting for them.

    Raises InputError where Ray Serve cannot start, or not listen at the address.
    """
    deployment = serve.deployment(
        name=NAME,
        num_replicas=cluster.replicas,
        ray_actor_options={"num_cpus": cluster.cpus},
        max_ongoing_requests=AT_ONCE,
        graceful_shutdown_timeout_s=options.drain,
        graceful_shutdown_wait_loop_s=0.2,
        max_constructor_retry_count=ATTEMPTS,
        logging_config=LOGGING,
    )(Replica)
    target = serve.RunTarget(target=deployment.bind(), name=NAME, route_prefix="/")
    try:
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": options.host, "port": options.port},
            logging_config=LOGGING,
        )
        serve.run_many([target], wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)
    except (RayError, RayServeException, TimeoutError) as error:
        why = _last_line(str(error))
        raise InputError(f"--host {options.host} --port {options.port}: Ray Serve cannot start there: {why}") from None


def state() -> State:
    found = serve.status().applications.get(NAME)
    if found is None:
        return State(there=False)
    deployments = [*found.deployments.values()]
    up = sum(count for each in deployments for name, count in each.replica_states.items() if name == "RUNNING")
    broken = found.status == "DEPLOY_FAILED"
    said = [each.message for each in deployments if each.message] or [found.message]
    return State(there=True, up=up, broken=_last_line(said[0]) if broken else None)


def _last_line(message: str) -> str:
    """Of a traceback: the error."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    return lines[-1] if lines else "Ray Serve says no reason"


def others(status: ServeStatus) -> list[str]:
    """The names of other applications on this cluster."""
    return [name for name in status.applications if name != NAME]


def take_down(*, started: bool, within: float) -> None:
    """Have the replicas answer what they have, and end them; Ray Serve too, if it was `started` and serves no other.

    Raises TimeoutError where the application has not ended within so many seconds.
    """
    end = time.monotonic() + within
    if NAME in serve.status().applications:
        with suppress(TimeoutError):  # it waits for a minute, and requests in flight may have longer
            serve.delete(NAME)
        while NAME in serve.status().applications and time.monotonic() < end:
            time.sleep(1)
    status = serve.status()
    if started and not others(status):
        serve.shutdown()
    elif NAME in status.applications:
        raise TimeoutError(f"the application {NAME} has not ended within {within:g} s")
