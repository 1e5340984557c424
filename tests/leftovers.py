"""What is there of our Ray beside the cluster itself: placement groups, actors and processes."""

import contextlib
import time

import psutil
import ray
import ray._private.state

RAYS_OWN = {  # of a cluster, whoever uses it
    "_AutoscalingCoordinatorActor",
    "ray::_AutoscalingCoordinatorActor",
    "ray::DashboardAgent",
    "ray::RuntimeEnvAgent",
    "ray::IDLE",
}


def eventually_gone():
    end = time.monotonic() + 60
    while (found := left()) and time.monotonic() < end:
        time.sleep(0.2)
    assert not found, f"these stayed: {found}"


def left():
    """What is there beside the cluster: placement groups, actors, and processes of either."""
    groups = [g["placement_group_id"] for g in ray.util.placement_group_table().values() if g["state"] != "REMOVED"]
    actors = [a["ActorClassName"] for a in ray._private.state.actors().values() if a["State"] != "DEAD"]
    names = [line.split()[0].split(".")[0] for line in processes().values() if line.startswith("ray::")]
    return [thing for thing in (*groups, *actors, *names) if thing not in RAYS_OWN]


def processes():
    """The names of our Ray's processes, by process id, and no other Ray's on this machine."""
    found = {}
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found[child.pid] = " ".join(child.cmdline())
    return found


def pids(name):
    return [pid for pid, line in processes().items() if line.startswith(f"ray::{name}")]
