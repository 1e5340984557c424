"""What is private of Ray is still there, still does what we count on, and Ray still misbehaves without it.

A failure here after an upgrade of Ray says which it is: adapt `ray_private.py` or `ray_private_libraries.py`, or
remove what has become needless there.
"""

import ast
import inspect
import io
import logging
import math
import os
import subprocess
import sys
import textwrap
import time
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import ray
from ray import tune
from ray._private import node, ray_constants, services, worker
from ray.air.execution._internal import RayActorManager
from ray.air.execution._internal.tracked_actor import TrackedActor
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.data._internal.logging import DEFAULT_CONFIG
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.train.torch import TorchTrainer
from ray.tune.execution import class_cache, tune_controller
from ray.tune.experiment import Trial
from ray.tune.search import Searcher
from ray.util.placement_group import placement_group, placement_group_table

from reeltune.cluster.session import ray_private, ray_private_libraries, ray_private_state
from reeltune.cluster.session.ray_private_libraries import MOVES, RETRIES
from tests.leftovers import eventually_gone

RAY = Path(ray.__file__).parent


def source(file):
    return (RAY / file).read_text()


# Variables: where Ray reads each of them, with the default that is not ours.
READ = {
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": (
        "train/v2/_internal/constants.py",
        "DEFAULT_HEALTH_CHECK_INTERVAL_S: float = 2.0",
    ),
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": (
        "train/v2/_internal/constants.py",
        "DEFAULT_ENABLE_PREEMPTION_WATCHER: bool = True",
    ),
    "RAY_TRAIN_METRICS_ENABLED": ("train/v2/api/data_parallel_trainer.py", "env_bool(METRICS_ENABLED_ENV_VAR, True)"),
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": (
        "_private/worker.py",
        "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR,\n                True,",
    ),
    "TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S": (
        "train/constants.py",
        "DEFAULT_TORCH_PROCESS_GROUP_SHUTDOWN_TIMEOUT_S = 30",
    ),
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": (
        "tune/utils/callback.py",
        'if os.environ.get("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "0") != "1":',
    ),
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": (
        "tune/execution/tune_controller.py",
        'int(os.environ.get("TUNE_DISABLE_STRICT_METRIC_CHECKING", 0)) != 1',
    ),
    "TUNE_GLOBAL_CHECKPOINT_S": ("tune/execution/tune_controller.py", 'os.getenv("TUNE_GLOBAL_CHECKPOINT_S", "auto")'),
    "TUNE_DISABLE_SIGINT_HANDLER": ("tune/tune.py", 'if not int(os.getenv("TUNE_DISABLE_SIGINT_HANDLER", "0")):'),
    "TUNE_PRINT_ALL_TRIAL_ERRORS": (
        "tune/execution/tune_controller.py",
        'os.environ.get("TUNE_PRINT_ALL_TRIAL_ERRORS", "1")',
    ),
    "RAY_AIR_NEW_OUTPUT": ("tune/experimental/output.py", 'os.environ.get("RAY_AIR_NEW_OUTPUT", "1") == "0"'),
    "RAY_CHDIR_TO_TRIAL_DIR": ("tune/trainable/trainable.py", 'os.environ.get(RAY_CHDIR_TO_TRIAL_DIR, "1")'),
    "RAY_USAGE_STATS_ENABLED": ("_private/worker.py", "if usage_lib.is_nightly_wheel():"),
    "RAY_JOB_STOP_WAIT_TIME_S": ("dashboard/modules/job/job_supervisor.py", "DEFAULT_RAY_JOB_STOP_WAIT_TIME_S = 3"),
    ray_private.LOOPBACK: ("_private/services.py", "if not ray_constants.ENABLE_RAY_CLUSTER:"),
    ray_private.DASHBOARD: ("dashboard/utils.py", "if api_server_address := os.environ.get("),
    ray_private.KUBERAY: ("_common/usage/usage_constants.py", "KUBERAY_ENV = "),
}
NAMED = {  # where the name itself stands, if not in the same file
    "RAY_TRAIN_METRICS_ENABLED": "train/v2/_internal/constants.py",
    "RAY_WARN_BLOCKING_GET_INSIDE_ASYNC": "_common/constants.py",
    "RAY_CHDIR_TO_TRIAL_DIR": "train/constants.py",
    "RAY_USAGE_STATS_ENABLED": "_common/usage/usage_constants.py",
    ray_private.LOOPBACK: "_private/ray_constants.py",
    ray_private.DASHBOARD: "_private/ray_constants.py",
}


def test_each_variable_that_we_set_is_checked_here():
    assert ray_private.ENVIRONMENT.keys() | ray_private.JOB_ENVIRONMENT.keys() < set(READ)


@pytest.mark.parametrize("name", READ)
def test_ray_reads_the_variable_and_its_default_is_another(name):
    file, default = READ[name]
    assert default in source(file)
    assert f'"{name}"' in source(NAMED.get(name, file))


def test_a_variable_that_the_user_has_set_is_left_alone(monkeypatch):
    ours = iter(ray_private.ENVIRONMENT)
    theirs, other = next(ours), next(ours)
    monkeypatch.setattr(os, "environ", {theirs: "theirs"})
    ray_private.set_environment()
    assert os.environ[theirs] == "theirs"
    assert os.environ[other] == ray_private.ENVIRONMENT[other]


# What Ray prints


def test_ray_prints_the_log_of_a_node_that_died_unless_it_is_told_not_to(monkeypatch):
    told = inspect.getsource(worker.listen_error_messages)
    assert "print_to_stdstream(" in told, "with log_to_driver=False, too"
    assert '"is_err": False' in told, "on standard output"
    line = {"lines": ["Raylet is terminated"], "pid": "raylet", "ip": "1", "is_err": False}
    for enabled in (True, False):
        monkeypatch.setattr(worker, "_worker_logs_enabled", enabled)
        printed = io.StringIO()
        worker.print_worker_logs(line, printed)
        assert ("Raylet is terminated" in printed.getvalue()) == enabled


def test_tune_logs_an_error_for_failed_trials_although_they_are_no_error_of_the_search():
    tune = source("tune/tune.py")
    assert "logger = logging.getLogger(__name__)" in tune
    assert 'logger.error("Trials did not complete: %s", incomplete_trials)' in tune


@pytest.mark.parametrize("name", ray_private.JOB_LOGGERS)
def test_the_client_of_jobs_logs_what_it_does(name):
    text = Path(find_spec(name).origin).read_text()
    assert "logger.info(" in text
    assert "logger.setLevel(logging.INFO)" in text or "default_logger = logging.getLogger(__name__)" in text


# Where Ray listens, and who gets in


def test_ray_takes_the_loopback_address_only_where_it_has_no_clusters(monkeypatch):
    assert "node_ip_address" not in inspect.signature(ray.init).parameters, "it is public now: use it"
    # As where no Ray is up; the one of the tests may be.
    monkeypatch.setattr(worker, "_global_node", None)
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
    monkeypatch.delenv(ray_private.LOOPBACK, raising=False)
    monkeypatch.setattr(services, "node_ip_address_from_perspective", lambda address: "the network's")
    assert services.get_node_ip_address() == "the network's"
    with ray_private.loopback():
        assert services.get_node_ip_address() == "127.0.0.1"
        assert os.environ[ray_private.LOOPBACK] == "0"
    assert ray_constants.ENABLE_RAY_CLUSTER
    assert ray_private.LOOPBACK not in os.environ


def test_ray_keeps_a_token_that_it_makes():
    setup = source("_private/authentication/authentication_token_setup.py")
    assert 'return Path.home() / ".ray" / "auth_token"' in setup
    assert "generate_and_save_token()" in setup
    assert "ensure_token_if_auth_enabled(_system_config, create_token_if_missing=True)" in source("_private/worker.py")


def test_ray_uses_a_known_token_only_for_a_cluster_that_it_finds_itself():
    init = inspect.getsource(inspect.unwrap(ray.init))
    assert 'if address in (None, "auto"):\n            maybe_enable_token_auth_if_token_available(' in init


TOKENS = """
import os, sys
import ray
from ray._raylet import AuthenticationMode, get_authentication_mode
from reeltune.cluster.session import ray_private

os.environ["RAY_AUTH_TOKEN"] = "ab" * 32
modes = [get_authentication_mode()]
{way}
modes.append(get_authentication_mode())
assert modes == [AuthenticationMode.DISABLED, AuthenticationMode.TOKEN], modes
"""


@pytest.mark.parametrize(
    "way", ["ray_private.use_known_token()", "ray_private.job_client('http://127.0.0.1:1', token=True)"]
)
def test_the_token_is_used_from_then_on_although_ray_was_imported_before(way):
    client = "import ray.job_submission; ray.job_submission.JobSubmissionClient = print\n"
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables["PYTHONPATH"] = str(Path(__file__).parents[3])
    command = [sys.executable, "-c", client + TOKENS.format(way=way)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_client_of_jobs_prefers_variables_to_its_argument(monkeypatch):
    from ray.dashboard.utils import get_address_for_submission_client

    monkeypatch.setenv("RAY_ADDRESS", "http://other:1")
    assert get_address_for_submission_client("http://asked:1") == "http://other:1", "#41590 is mended"
    monkeypatch.setenv(ray_private.DASHBOARD, "http://asked:1")
    assert get_address_for_submission_client("http://asked:1") == "http://asked:1"


def test_ray_data_logs_everything_by_a_level_of_its_own_unless_it_is_told_not_to(monkeypatch):
    theirs = DEFAULT_CONFIG["loggers"]["ray.data"]
    assert (theirs["level"], theirs["propagate"]) == ("DEBUG", False)
    logger = logging.getLogger("ray.data")
    monkeypatch.setattr(logger, "level", logging.DEBUG)
    ray_private.silence_data()
    assert logger.level == logging.ERROR


# The cluster, in a real Ray


def test_ray_has_no_public_way_to_ask_for_the_head_or_for_the_most_that_a_cluster_may_grow_to():
    assert not [name for name in dir(ray) if "max" in name and "resources" in name], "#49501: there is one now"
    assert not [name for name in inspect.signature(ray.init).parameters if "head" in name]
    start = inspect.getsource(services.start_monitor)
    assert 'command.append("--autoscaling-config=" + str(autoscaling_config))' in start
    assert 'f"--gcs-address={gcs_address}"' in start


def test_the_head_is_found_by_its_resource_and_has_no_autoscaler(resources):
    ask = ray.remote(num_cpus=0, resources=ray_private.ON_HEAD)(ray_private.autoscaler_settings)
    assert ray.get(ask.remote(ray.get_runtime_context().gcs_address), timeout=60) == (None, False)


class Holder:
    """An actor that makes a placement group, as Ray Train's controller does."""

    def hold(self):
        self.group = placement_group([{"CPU": 1}])
        ray.get(self.group.ready())


def test_ray_starts_three_processes_that_one_machine_has_no_use_for_unless_it_is_told_not_to(resources):
    started = set(worker._global_node.all_processes)
    assert {"gcs_server", "raylet"} <= started
    assert not {"log_monitor", "monitor", "dashboard"} & started
    theirs = inspect.getsource(node.Node.__init__) + inspect.getsource(node.Node.start_head_processes)
    assert "include_log_monitor=True" in theirs
    assert "if not self._ray_params.no_monitor:" in theirs
    assert "\n        self.start_api_server(" in theirs, "whatever `include_dashboard` is"
    called = inspect.getsource(node.Node.start_api_server)
    assert "self._webui_url, process_info = ray._private.services.start_api_server(" in called
    assert "if process_info is not None:" in called
    assert "--modules-to-load=UsageStatsHead" in inspect.getsource(services.start_api_server), "all that it serves"


def test_ray_keeps_the_placement_group_of_a_killed_actor_until_we_remove_it(resources):
    actor = ray.remote(num_cpus=0)(Holder).remote()
    ray.get(ray_private.ping(actor), timeout=60)
    ray.get(actor.hold.remote(), timeout=60)
    ray_private_state.remove_orphans()
    assert created() == 1, "its actor lives"
    ray.kill(actor)
    for _ in range(100):  # it is told to die, and not waited for
        try:
            ray.get(ray_private.ping(actor), timeout=60)
        except RayActorError:
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the actor lives")
    time.sleep(2)
    assert created() == 1, "#65881 is mended: Ray removes it"
    ray_private_state.remove_orphans()
    eventually_gone()


def created():
    return [group["state"] for group in placement_group_table().values()].count("CREATED")


# The process of a trial's actor


class Variables:
    """An actor that tells its variables."""

    def token(self):
        return os.environ.get("AWS_SESSION_TOKEN")

    def from_tune(self):
        return "PL_DISABLE_FORK" in os.environ  # which Tune sets, and nobody else


def started_with(cache):
    """The variables of an actor that Tune starts by this cache of its: the token, and whether any is from Tune."""
    actor = cache.get(Variables).remote()
    try:
        return ray.get([actor.token.remote(), actor.from_tune.remote()])
    finally:
        ray.kill(actor)


def as_when_ray_started(monkeypatch):
    """Give this process the variables that the one Ray was started with: by a test that had others, perhaps."""
    [started] = worker._global_node.all_processes["raylet"]
    variables = psutil.Process(started.process.pid).environ()
    for name in class_cache.ENV_VARS_TO_PROPAGATE:
        monkeypatch.delenv(name, raising=False)
        if name in variables:
            monkeypatch.setenv(name, variables[name])


def test_tune_gives_each_actor_a_process_of_its_own_variables_unless_ray_has_started_with_them(resources, monkeypatch):
    as_when_ray_started(monkeypatch)
    token = os.environ.get("AWS_SESSION_TOKEN")
    assert started_with(class_cache._ActorClassCache()) == [token, True]
    assert started_with(ray_private_libraries._Classes()) == [token, False]
    monkeypatch.setenv("AWS_SESSION_TOKEN", "another than when Ray was started")
    assert started_with(ray_private_libraries._Classes()) == ["another than when Ray was started", True]


def test_an_actor_in_a_ray_that_another_process_has_started_gets_the_variables_of_this_one(resources, monkeypatch):
    as_when_ray_started(monkeypatch)
    monkeypatch.setattr(worker._global_node, "all_processes", {})  # as in a cluster that was joined
    assert started_with(ray_private_libraries._Classes()) == [os.environ.get("AWS_SESSION_TOKEN"), True]


def test_tune_makes_its_cache_of_actors_by_the_name_that_we_replace():
    assert "self._class_cache = _ActorClassCache()" in inspect.getsource(tune_controller.TuneController.__init__)


# Tune's reactions to a dead actor


class Controller(tune_controller.TuneController):
    """Tune's controller of one trial on one actor: it only writes down the errors that it gets."""

    def __init__(self, *, resetting=False):
        self.errors = []
        self.trial = Trial("trial", stub=True, max_failures=RETRIES)
        self.actor = TrackedActor(1, on_error=self._actor_failed)
        self.task = TrackedActorTask(self.actor, on_error=self.task_failed)
        self._actor_to_trial = {self.actor: self.trial}
        self._resetting_trials = {self.trial} if resetting else set()

    def _actor_failed(self, tracked_actor, exception):
        self.errors.append(("actor", type(exception)))

    def task_failed(self, tracked_actor, exception):
        self.errors.append(("task", type(exception)))


def as_ray_has_it(monkeypatch):
    monkeypatch.setattr(tune_controller, "RayActorManager", RayActorManager)
    monkeypatch.setattr(tune_controller.TuneController, "_maybe_reuse_cached_actor", ray_private_libraries._REUSE)


@pytest.fixture(params=[False, True], ids=["Ray's own", "ours"])
def manager(request, monkeypatch):
    """A manager of actors as Tune makes one, and whether it is ours."""
    as_ray_has_it(monkeypatch)
    if request.param:
        ray_private_libraries.correct_actors()
    made = object.__new__(tune_controller.RayActorManager)
    made._failed_actor_ids = set()
    made._cleanup_actor = lambda tracked_actor: None
    return made, request.param


def test_tune_makes_its_manager_by_the_name_that_we_replace():
    make = tune_controller.TuneController.__init__
    assert "RayActorManager" in make.__code__.co_names
    assert {"_actor_to_trial", "_resetting_trials"} <= set(make.__code__.co_names)
    assert "on_error=self._actor_failed" in inspect.getsource(tune_controller.TuneController._schedule_trial_actor)


def test_a_trial_that_is_killed_for_memory_ends_the_search_unless_its_error_is_another(manager):
    manager, ours = manager
    controller = Controller()
    if not ours:
        with pytest.raises(RuntimeError, match="Caught unexpected exception"):
            manager._actor_task_failed(controller.task, OutOfMemoryError("low on memory"))
    else:
        manager._actor_task_failed(controller.task, OutOfMemoryError("low on memory"))
        assert controller.errors == [("actor", RayActorError), ("task", RayActorError)]


def test_an_actor_that_dies_while_it_is_reset_gives_tune_two_errors_unless_one_is_dropped(manager):
    manager, ours = manager
    controller = Controller(resetting=True)
    manager._actor_task_failed(controller.task, RayActorError())
    assert [who for who, _ in controller.errors] == (["actor"] if ours else ["actor", "task"])
    assert bool(controller._resetting_trials) != ours


def test_the_second_error_ends_a_trial_that_is_to_be_retried():
    ended = []
    nothing = SimpleNamespace(
        on_trial_error=lambda *given, **named: None, on_trial_complete=lambda *given, **named: None
    )
    tune = SimpleNamespace(_scheduler_alg=nothing, _search_alg=nothing, _callbacks=nothing, _iteration=1, _trials=[])
    tune._schedule_trial_stop = lambda trial, exception: ended.append(trial)
    trial = SimpleNamespace(status=Trial.PENDING, trial_id="1", handle_error=print, should_recover=lambda: True)
    tune_controller.TuneController._process_trial_failure(tune, trial, exception=RayActorError())
    assert ended == [trial]


@pytest.mark.parametrize("failed", ["_actor_start_failed", "_actor_task_failed"])
def test_the_death_of_a_node_raises_the_limit_of_its_trial_until_it_has_moved_often(manager, failed):
    manager, ours = manager
    controller = Controller()
    subject = controller.task if failed == "_actor_task_failed" else controller.actor
    for _ in range(MOVES + 5):
        getattr(manager, failed)(subject, RayActorError(error_msg="The actor died because its node has died."))
    assert controller.trial.max_failures == (RETRIES + MOVES if ours else RETRIES)
    controller.trial.max_failures = 0  # it is not to be retried at all
    getattr(manager, failed)(subject, RayActorError(error_msg="The actor died because its node has died."))
    assert controller.trial.max_failures == 0


def test_tune_counts_the_death_of_a_node_that_was_not_announced():
    trial = SimpleNamespace(run_metadata=SimpleNamespace(num_failures=0))
    Trial._handle_ray_actor_error(trial, RayActorError(error_msg="The actor died because its node has died."))
    assert trial.run_metadata.num_failures == 1
    assert b"because its node has died" in (RAY / "core/src/ray/gcs/gcs_server").read_bytes()


COUNTED = """
import sys
from ray.air._internal import usage
from ray.tune import Callback
from reeltune.cluster.session.ray_private_libraries import leave_callbacks_uncounted
leave_callbacks_uncounted() if sys.argv[1] == "ours" else None
usage.tag_callbacks([Callback()])
print("mlflow" in sys.modules)
"""


def test_tune_loads_mlflow_to_count_its_callbacks_unless_it_counts_none():
    for whose in ("ours", "Ray's own"):
        done = subprocess.run([sys.executable, "-c", COUNTED, whose], capture_output=True, text=True, check=True)
        assert done.stdout == f"{whose != 'ours'}\n"
    assert "air_usage.tag_callbacks(callbacks)" in inspect.getsource(tune.run)


def test_tune_gives_the_actor_of_a_trial_in_its_temporary_state_alone():
    trial = Trial("trial", stub=True)
    trial.temporary_state.ray_actor = "the actor"
    assert ray_private_libraries.actor_of(trial) == "the actor"
    assert "self.temporary_state.ray_actor = ray_actor" in inspect.getsource(Trial.set_ray_actor)
    public = [name for name in dir(trial) if "ray_actor" in name and not name.startswith("_")]
    assert public == ["get_ray_actor_ip", "set_ray_actor"], "one may be enough now"


TRIALS, FIRST = 12, 5


class Short(tune.Trainable):
    """Short trials: an actor that is not the first one starts once some of them have ended. Each names its process."""

    def setup(self, config):
        self.folder = Path(config["folder"])
        self.note("starting")
        while pids(self.folder, "starting")[0] != os.getpid() and len(pids(self.folder, "served")) < FIRST:
            time.sleep(0.05)

    def note(self, word):
        with (self.folder / word).open("a") as file:
            file.write(f"{os.getpid()}\n")

    def reset_config(self, new_config):
        return True

    def step(self):
        self.note("served")
        return {"value": 0.0, "done": True}

    def save_checkpoint(self, checkpoint_dir):
        return {}


def pids(folder, word):
    file = folder / word
    return [int(line) for line in file.read_text().split()] if file.exists() else []


class Given(Searcher):
    """Proposes the same configuration a number of times."""

    def __init__(self, config, times):
        super().__init__(metric="value", mode="min")
        self.left = [config] * times

    def suggest(self, trial_id):
        return self.left.pop() if self.left else Searcher.FINISHED

    def on_trial_complete(self, trial_id, result=None, error=False):
        pass


def test_the_trial_of_an_actor_that_takes_longer_to_start_than_trials_waits_for_it(resources, tmp_path, monkeypatch):
    as_ray_has_it(monkeypatch)
    ray_private_libraries.correct_actors()
    monkeypatch.setattr(ray_private_libraries, "START", math.inf)  # a process may take minutes on a busy machine
    tune.Tuner(
        tune.with_resources(Short, {"CPU": 1}),
        tune_config=tune.TuneConfig(
            search_alg=Given({"folder": str(tmp_path)}, TRIALS),
            num_samples=-1,
            max_concurrent_trials=2,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=str(tmp_path / "tune"),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    ).fit()
    starting, served = pids(tmp_path, "starting"), pids(tmp_path, "served")
    assert (len(starting), len(served)) == (2, TRIALS)
    assert set(served) == set(starting)


def test_ray_itself_ends_an_actor_that_starts_where_another_is_free():
    own = inspect.getsource(ray_private_libraries._REUSE)
    assert "self._remove_actor(tracked_actor=original_actor)" in own


# Ray Train's trainer

COPIED = """
def _initialize_and_run_controller(self, **controller_init_kwargs) -> Result:
    env_vars = get_env_vars_to_propagate()
    env_vars.setdefault(RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_ENV_VAR, DEFAULT_RAY_WARN_BLOCKING_GET_INSIDE_ASYNC_VALUE)
    controller_actor_cls = ray.remote(num_cpus=0, label_selector={ray._raylet.RAY_NODE_ID_KEY: \
ray.get_runtime_context().get_node_id()}, runtime_env={'env_vars': env_vars})(TrainController)
    controller = controller_actor_cls.remote(**controller_init_kwargs)
    if threading.current_thread() is threading.main_thread():
        self._register_sigint_handler(controller)
    ray.get(controller.run.remote())
    return ray.get(controller.get_result.remote())
"""


def test_ray_train_runs_its_controller_as_in_the_method_that_we_have_copied():
    theirs = textwrap.dedent(inspect.getsource(TorchTrainer._initialize_and_run_controller))
    assert ast.unparse(ast.parse(theirs)) == COPIED.strip()
    assert "self._initialize_and_run_controller(" in inspect.getsource(TorchTrainer.fit)


def test_a_trainer_has_no_public_way_to_stop_it():
    public = {name for name in dir(TorchTrainer) if not name.startswith("_")}
    assert public == {"can_restore", "fit", "restore"}, "one may be enough now"


@pytest.mark.parametrize("name", ray_private_libraries.Trainer.UNUSED)
def test_ray_train_has_the_callbacks_that_we_leave_out(name):
    assert f"{name}(" in inspect.getsource(TorchTrainer._create_default_callbacks)


def test_the_callbacks_that_we_leave_out_start_a_process_each():
    assert "ray.remote(DatasetManager)" in source("train/v2/_internal/callbacks/datasets.py")
    assert "ray.remote(num_cpus=0)(PlacementGroupCleaner)" in source(
        "train/v2/_internal/callbacks/placement_group_callback.py"
    )
    alive = source("train/v2/_internal/state/util.py")
    assert "actor_state = get_actor(actor_id, timeout=timeout)" in alive, "of the dashboard"
    assert "from ray.util.state import get_actor" in alive


def test_a_ray_that_is_started_has_its_sockets_below_the_first_of_these_folders(monkeypatch):
    from ray._common.utils import get_default_ray_temp_dir

    for name, folder in {"TMPDIR": "/later", "RAY_TMPDIR": "/first"}.items():
        monkeypatch.setenv(name, folder)
        assert name in ray_private.TMPDIRS
        assert get_default_ray_temp_dir() == f"{folder}/ray"
    assert ray_private.SOCKET.startswith("/ray/session_")


# Ray Serve


def test_ray_serve_says_in_public_neither_its_host_nor_its_port():
    from ray.serve.schema import ServeStatus

    assert set(ServeStatus.__dataclass_fields__) == {"proxies", "applications", "target_capacity"}, "one may be enough"
    assert "New http_options/controller_options will not be applied." in source("serve/_private/api.py")


def test_nothing_is_up_where_ray_serve_was_not_started(resources):
    from reeltune.cluster.session.ray_private_serve import running_at

    assert running_at() is None
