"""What is below `cluster/` for clouds, Kubernetes, Slurm and containers, read by the tools that will read it there."""

import copy
import os
import re
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests import commands

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "cluster" / "deploy"
MANIFESTS = sorted(path.name for path in FOLDER.iterdir() if path.is_dir())
FILES = sorted(path for name in MANIFESTS for path in (FOLDER / name).iterdir())
VERSIONS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
CLOUDS = ("aws", "gcp")
CRDS = Path(os.environ.get("KUBERAY_CRDS", ROOT.parent / "shared" / "kuberay"))
CRD = CRDS / "ray.io_rayjobs.yaml"
SHOWN = sorted({command for path in FILES for command in commands.shown(path.read_text())})

needs_crd = pytest.mark.skipif(not CRD.exists(), reason=f"no {CRD}: KUBERAY_CRDS names the folder of KubeRay's CRDs")
needs_shellcheck = pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck on the path")
HADOLINT = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")  # beside Python or not
needs_hadolint = pytest.mark.skipif(HADOLINT is None, reason="no hadolint beside Python or on the path")


def read(path):
    return yaml.safe_load((FOLDER / path).read_text())


def prepared(config):
    """A cluster's file with Ray's defaults, as `ray up` has it before it asks the cloud. Raises what it finds wrong."""
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = prepare_config(copy.deepcopy(config))
    validate_config(config)
    return config


def closed(schema):
    """KubeRay's schema, with unknown fields refused, as `kubectl apply --validate=strict` does."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: closed(part) for key, part in schema.items()}
    is_open = "x-kubernetes-preserve-unknown-fields" in schema or "additionalProperties" in schema
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and not is_open:
        made["additionalProperties"] = False
    return made


@pytest.fixture(scope="module")
def schema():
    """KubeRay's schema of a job."""
    versions = yaml.load(CRD.read_text(), Loader=yaml.CSafeLoader)["spec"]["versions"]
    (schema,) = (v["schema"]["openAPIV3Schema"] for v in versions if v["name"] == "v1")
    return closed(schema)


@pytest.fixture(scope="module")
def faults(schema):
    """What that schema finds wrong with a job."""
    validator = jsonschema.Draft202012Validator(schema)
    return lambda job: [error.message for error in validator.iter_errors(job)]


@pytest.fixture(scope="module")
def pod_faults(schema):
    """What is wrong with a pod's template: KubeRay's schema holds the one of Kubernetes, whole, for its nodes."""
    for field in ("spec", "rayClusterSpec", "headGroupSpec", "template"):
        schema = schema["properties"][field]
    validator = jsonschema.Draft202012Validator(schema)
    return lambda template: [error.message for error in validator.iter_errors(template)]


def shellcheck(script, *options, shell="bash"):
    words = ["shellcheck", f"--shell={shell}", *options, "-"]
    done = subprocess.run(words, input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("cloud", CLOUDS)
def test_ray_takes_the_cluster_and_finds_a_wrong_field(cloud):
    config = read(f"{cloud}/cluster.yaml")
    assert prepared(config)["available_node_types"]["head"]["max_workers"] == 0
    with pytest.raises(jsonschema.ValidationError, match="idle_timeout_minuts"):
        prepared({**config, "idle_timeout_minuts": 5})


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_head_is_on_demand_and_workers_are_spot_with_gpus_only_when_asked_for(cloud):
    config = read(f"{cloud}/cluster.yaml")
    spot = {name for name, node in config["available_node_types"].items() if "spot" in str(node["node_config"]).lower()}
    assert spot == {"cpu_spot", "gpu_spot"}
    assert config["head_node_type"] == "head"
    assert config["available_node_types"]["gpu_spot"]["min_workers"] == 0


@pytest.mark.parametrize("cloud", CLOUDS)
def test_what_its_page_says_to_fill_in_is_marked(cloud):
    yours = ("region:", "availability_zone:", "project_id:", "machineType:", "InstanceType:", "ImageId:")
    lines = [line.strip() for line in (FOLDER / cloud / "cluster.yaml").read_text().splitlines()]
    filled = [line for line in lines if line.startswith(yours)]
    assert len(filled) >= 6
    assert [line for line in filled if "# CHANGE" not in line] == []


@pytest.mark.parametrize("cloud", CLOUDS)
def test_every_node_has_the_token_asks_for_it_and_opens_no_dashboard(cloud):
    config = prepared(read(f"{cloud}/cluster.yaml"))
    assert config["file_mounts"]["/home/ubuntu/.ray/auth_token"] == "~/.ray/auth_token"
    starts = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    starts = [command for command in starts if "ray start" in command]
    assert len(starts) == 2
    for command in starts:
        assert "RAY_AUTH_MODE=token ray start" in command
        assert "--dashboard-host" not in command


@needs_shellcheck
@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_shell_commands_of_a_cluster_are_sound(cloud):
    config = read(f"{cloud}/cluster.yaml")
    lines = [line for key, some in config.items() if key.endswith("_commands") for line in some]
    # RAY_HEAD_IP is Ray's; `$HOME` in single quotes is for ~/.bashrc; pip's option and its value are to be split.
    shellcheck("\n".join([*lines, ""]), "--exclude=SC2154,SC2086,SC2016,SC2046,SC2012")


@needs_crd
def test_kuberay_takes_the_job(faults):
    assert faults(read("kuberay/rayjob.yaml")) == []


@needs_crd
@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["spec"], "backofLimit"),
        (["spec", "rayClusterSpec", "authOptions"], "modus"),
        (["spec", "rayClusterSpec", "workerGroupSpecs", 0, "template", "spec"], "serviceAcountName"),
        (["spec", "rayClusterSpec", "headGroupSpec", "template", "spec", "containers", 0, "resources"], "limit"),
    ],
)
def test_a_wrong_field_of_the_job_is_found(faults, path, wrong):
    job = read("kuberay/rayjob.yaml")
    part = job
    for step in path:
        part = part[step]
    part[wrong] = "x"
    (message,) = faults(job)
    assert wrong in message


@needs_crd
def test_a_wrong_value_of_the_job_is_found(faults):
    job = read("kuberay/rayjob.yaml")
    job["spec"]["rayClusterSpec"]["authOptions"]["mode"] = "tokn"
    job["spec"]["backoffLimit"] = "three"
    assert len(faults(job)) == 2


@needs_crd
def test_kubernetes_takes_the_pod_of_the_nightly_update(pod_faults):
    assert pod_faults(read("nightly/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]) == []


@needs_crd
@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (["spec"], "restartPolice"),
        (["spec", "securityContext"], "runAsNotRoot"),
        (["spec", "containers", 0, "volumeMounts", 0], "path"),
        (["spec", "volumes", 1, "configMap"], "nam"),
    ],
)
def test_a_wrong_field_of_that_pod_is_found(pod_faults, path, wrong):
    template = read("nightly/cronjob.yaml")["spec"]["jobTemplate"]["spec"]["template"]
    part = template
    for step in path:
        part = part[step]
    part[wrong] = "x"
    (message,) = pod_faults(template)
    assert wrong in message


def test_the_job_runs_the_version_of_ray_that_the_image_has_and_one_image():
    cluster = read("kuberay/rayjob.yaml")["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == VERSIONS["ray"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    assert len({group["template"]["spec"]["containers"][0]["image"] for group in groups}) == 1


def test_a_job_that_is_tried_again_resumes_from_a_storage():
    spec = read("kuberay/rayjob.yaml")["spec"]
    assert spec["backoffLimit"] > 0
    words = spec["entrypoint"].split()
    assert {"--name", "--resume", "--storage"} <= set(words)


@needs_shellcheck
def test_the_slurm_script_is_sound():
    shellcheck((FOLDER / "slurm" / "tune.sbatch").read_text())


@needs_shellcheck
def test_the_script_of_the_nightly_update_is_sound_in_any_shell():
    shellcheck((FOLDER / "nightly" / "update.sh").read_text(), shell="sh")


@needs_hadolint
def test_the_container_file_is_sound():
    words = [HADOLINT, str(FOLDER / "container" / "Containerfile")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_image_is_given_all_that_it_copies_and_no_manifests():
    copied = re.findall(r"^COPY (.*) \S+$", (FOLDER / "container" / "Containerfile").read_text(), re.M)
    given = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {word for line in copied for word in line.split()} == given
    assert all((ROOT / path).exists() for path in given)
    refused = set((ROOT / ".dockerignore").read_text().splitlines())
    assert "cluster/deploy" in refused


@pytest.mark.parametrize("name", MANIFESTS)
def test_each_folder_says_how_to_start_and_stop_and_what_it_leaves(name):
    page = (FOLDER / name / "README.md").read_text()
    for heading in ("## Start", "## Stop", "## What it costs and leaves"):
        assert f"\n{heading}\n" in page


@pytest.mark.parametrize("command", SHOWN)
def test_the_command_line_takes_every_command_of_the_manifests(command):
    commands.parse(command)


def test_there_are_commands_in_every_folder_to_check():
    for name in MANIFESTS:
        assert any(commands.shown(path.read_text()) for path in (FOLDER / name).iterdir()), name


def test_ray_launches_the_nodes_on_aws_with_nothing_open_but_ssh(monkeypatch, tmp_path):
    """On moto's AWS, which checks what it is asked as botocore does."""
    moto = pytest.importorskip("moto", reason="no moto, a stand-in for AWS")
    boto3 = pytest.importorskip("boto3")
    from ray.autoscaler._private.providers import _NODE_PROVIDERS
    from ray.autoscaler.tags import TAG_RAY_NODE_KIND

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "made up")
    monkeypatch.setenv("HOME", str(tmp_path))  # where Ray keeps the key pair that it makes
    config = read("aws/cluster.yaml")
    region = config["provider"]["region"]
    with moto.mock_aws():
        for node in config["available_node_types"].values():
            profile = node["node_config"]["IamInstanceProfile"]["Name"]
            with suppress(boto3.client("iam").exceptions.EntityAlreadyExistsException):
                boto3.client("iam").create_instance_profile(InstanceProfileName=profile)
        provider = _NODE_PROVIDERS["aws"](config["provider"])
        whole = provider.bootstrap_config(provider.fillout_available_node_types_resources(prepared(config)))
        assert whole["available_node_types"]["gpu_spot"]["resources"]["GPU"] == 1
        nodes = provider(whole["provider"], "reeltune")
        for name, node in whole["available_node_types"].items():
            nodes.create_node(dict(node["node_config"]), {TAG_RAY_NODE_KIND: name}, 1)
        ec2 = boto3.client("ec2", region)
        made = [one for group in ec2.describe_instances()["Reservations"] for one in group["Instances"]]
        assert sorted(one.get("InstanceLifecycle", "on demand") for one in made) == ["on demand", "spot", "spot"]
        groups = {group["GroupId"] for one in made for group in one["SecurityGroups"]}
        rules = [
            rule
            for group in ec2.describe_security_groups(GroupIds=[*groups])["SecurityGroups"]
            for rule in group["IpPermissions"]
        ]
        assert [rule["FromPort"] for rule in rules if rule["IpRanges"]] == [22]
