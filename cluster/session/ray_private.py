"""What we use of Ray itself that is private, and what we set to make it behave; each with the reason.

No other file of `cluster` touches anything private of Ray: `tests/test_house.py` holds that. What is at an address is
asked in `ray_private_address.py`, and the cluster's state in `ray_private_state.py`; Ray Tune and Ray Train are in
`ray_private_libraries.py`, as they take seconds to load. `tests/cluster/session/test_ray_private.py` fails when a new
Ray has changed one of these, or behaves without it. What is said of Ray is true of 2.60; #N is an issue or a pull
request of github.com/ray-project/ray.
"""

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import ray
import yaml
from ray._private import parameter, ray_constants, services, worker
from ray._private.authentication import authentication_token_setup
from ray._raylet import AuthenticationTokenLoader  # type: ignore[attr-defined]
from ray.actor import ActorHandle

if TYPE_CHECKING:
    from ray.job_submission import JobSubmissionClient

# Variables that Ray reads in the driver and in the processes it starts. A value that the user has set is left alone.
ENVIRONMENT = {
    # Ray Train's controller looks at its workers every 2 s: that late it would see that one of them has died.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.1",
    # Ray Train starts a process for each group of workers that waits for the notice of a spot machine. A lane starts
    # its workers again when they are gone, and needs no notice.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    # Ray Train measures its workers for a Prometheus that we do not run.
    "RAY_TRAIN_METRICS_ENABLED": "0",
    # Ray Train's controller blocks in an async actor, and Ray warns of it. Ray Train sets this variable in a method
    # that `ray_private_libraries.Trainer` overrides.
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "0",
    # When one worker has died or hangs, Ray Train waits 30 s for the others to leave the torch process group.
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": "5",
    # Tune writes each result to CSV, JSON and TensorBoard files. We write the ledger and TensorBoard ourselves.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Tune ends the search when a result lacks the metric. That of a trial that failed has none.
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    # Tune saves the state of the whole search as often as it finds time for. --resume reads the ledger instead.
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    # Tune catches Ctrl-C. We do, and say how to go on.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # Tune logs the traceback of each failed trial. The ledger has the reason in one line.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # Tune's new console output prints a table of the search even with verbose=0; its old one prints nothing.
    "RAY_AIR_NEW_OUTPUT": "0",
    # Tune and Ray Train change to a folder for each trial or run: relative paths would point elsewhere.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # A nightly build of Ray reports its use to Anyscale.
    "RAY_USAGE_STATS_ENABLED": "0",
}

# Variables of a job, which Ray's supervisor of the job has too. By itself it kills a stopped job 3 s after SIGTERM; a
# search may need 20 s to end with everything kept.
JOB_ENVIRONMENT = {"RAY_JOB_STOP_WAIT_TIME_S": "30"}

# Settings of a Ray that we start: `ray.init` takes them as `_system_config`. The public `worker_process_setup_hook` is
# part of a runtime environment, which Ray would set up for each of its processes.
SYSTEM_CONFIG = {"preload_python_modules": ["reeltune.cluster.session.worker_start"]}
LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
TOKEN = "RAY_AUTH_TOKEN"
TOKEN_MODE = "RAY_AUTH_MODE"
DASHBOARD = "RAY_API_SERVER_ADDRESS"
KUBERAY = "RAY_USAGE_STATS_KUBERAY_IN_USE"  # set by KubeRay in its pods

# Where a Ray that is started has its files, the first that is set, and below it the longest path of a socket. A path of
# more bytes than sockets may have ends in a traceback.
TMPDIRS = ("RAY_TMPDIR", "TMPDIR")
SOCKET = "/ray/session_2026-11-29_07-50-21_831348_1234567/sockets/plasma_store.12"

# These log at INFO whatever the level of "ray" is, or before `ray.init` could set that.
JOB_LOGGERS = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)

# What a task or an actor asks for to run on the head node. Ray has no public way to say so (#15930).
ON_HEAD = {"node:__internal_head__": 0.001}

SETTINGS = ("available_node_types", "head_node_type", "max_workers")


def set_environment() -> None:
    """Set the variables of ENVIRONMENT that the user has not set, before Ray starts."""
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})


def silence() -> None:
    """Have Ray print errors alone in this process, and no log of another one."""
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)  # lists failed trials at the end, as the ledger does
    # `log_to_driver=False` leaves one thing: when a node dies, the end of its log is printed on standard output.
    worker._worker_logs_enabled = False


def silence_data() -> None:
    """Have Ray Data print errors alone in this process, once it is loaded: it sets a level of its own."""
    logging.getLogger("ray.data").setLevel(logging.ERROR)


@contextmanager
def worker_logs_as_before() -> Iterator[None]:
    """Undo at the end of the body what `silence` does to the logs of other processes."""
    before = worker._worker_logs_enabled
    try:
        yield
    finally:
        worker._worker_logs_enabled = before


@contextmanager
def loopback() -> Iterator[None]:
    """Have a Ray that is started within listen on the loopback address alone.

    On Linux it listens on the machine's network address, where others can reach it, and `ray.init` has no public
    parameter for that. On macOS it takes the loopback address (#18730): we have it believe that it is there.
    """
    os.environ[LOOPBACK] = "0"  # for the processes that Ray starts
    before, ray_constants.ENABLE_RAY_CLUSTER = ray_constants.ENABLE_RAY_CLUSTER, False  # this process has read it
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before
        os.environ.pop(LOOPBACK, None)


def make_own_token() -> None:
    """Give a Ray that we start a token of its own, unless the user has set one.

    Without one, Ray writes a new token to the user's home folder (#64755), where it stays for other clusters. In a
    program that has looked for a cluster before, Ray would start with the token that there was then, or none, and fail.
    """
    os.environ.setdefault(TOKEN, secrets.token_hex(32))
    forget_token()


@contextmanager
def fewer_processes() -> Iterator[None]:
    """A Ray that is started within has only the processes that one machine has a use for.

    Left out are those that pass its workers' logs on, which nobody reads, that add nodes, and that serve the dashboard,
    which `include_dashboard=False` leaves without anything to serve. `ray.init` has no option for them, and does not go
    on before the last one is up.
    """
    parameters, api_server = parameter.RayParams, services.start_api_server
    parameter.RayParams = partial(parameters, include_log_monitor=False, no_monitor=True)  # type: ignore[misc,assignment,arg-type]
    services.start_api_server = _starts_none
    try:
        yield
    finally:
        parameter.RayParams = parameters  # type: ignore[misc]
        services.start_api_server = api_server


def _starts_none(*arguments: object, **named: object) -> tuple[str, None]:
    """In place of Ray's `start_api_server`: an empty URL, as always without a dashboard, and no process."""
    return "", None


def forget_token() -> None:
    """Have Ray read the token again when this process starts or joins the next Ray: it keeps the last one it read."""
    AuthenticationTokenLoader.instance().reset_cache()


def use_known_token() -> None:
    """Send the user's token, if there is one, to the cluster that is about to be joined, as `ray start` does.

    `ray.init` does so for `address="auto"` alone (#64755).
    """
    authentication_token_setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False)


def job_client(url: str, *, token: bool) -> "JobSubmissionClient":
    """Ray's client for jobs at this dashboard, silent; `token`: whether the dashboard has asked for one."""
    from ray.job_submission import JobSubmissionClient  # needs the packages of the extra `cluster`

    if token and TOKEN_MODE not in os.environ:
        authentication_token_setup._enable_token_auth()  # Ray reads the variable once, when it is imported
    for name in JOB_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    os.environ[DASHBOARD] = url  # the client prefers this variable, and RAY_ADDRESS, to its own argument (#41590)
    return JobSubmissionClient(url)


def autoscaler_settings(gcs_address: str) -> tuple[dict[str, Any] | None, bool]:
    """The node types and limits of the cluster's autoscaler, if it has one, and whether it is in Kubernetes.

    Runs on the head node, where the autoscaler's process is; its command line names the file of its settings. Ray has
    no public way to ask for the most that a cluster may grow to (#49501).
    """
    kubernetes = os.environ.get(KUBERAY) == "1"
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        files = [word.partition("=")[2] for word in words if word.startswith("--autoscaling-config=")]
        if files and f"--gcs-address={gcs_address}" in words:
            settings = yaml.safe_load(Path(files[0]).expanduser().read_text())
            return {name: settings.get(name) for name in SETTINGS}, kubernetes
    return None, kubernetes


def ping(actor: ActorHandle) -> ray.ObjectRef:
    """A reference that is there as soon as the actor answers, and raises RayActorError if its process has died.

    Ray gives each actor this method; of a class that is not our own it is the only one we can call.
    """
    return actor.__ray_ready__.remote()
