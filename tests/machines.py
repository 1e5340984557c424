"""Machines of their own on this one, for commands as a second machine types them: Linux namespaces with a network.

Each machine sees the files of this one, but has a network address, processes, shared memory and a folder of Ray's
(`/tmp/ray`) that no other one has. It needs the rights to make namespaces, which root has.
"""

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests import heads

ROOT = Path(__file__).parent.parent
NETWORK = "10.77.0"
OWN = ("/dev/shm", "/tmp/ray")  # folders that are empty at the start, and seen by one machine alone
HOLD = ["sleep", "infinity"]
FORWARD = """
import ctypes, socket, sys, threading

def enter(pid):  # a socket stays in the network in which it was made
    with open(f"/proc/{pid}/ns/net") as network:
        assert ctypes.CDLL(None).setns(network.fileno(), 0) == 0

def copy(one, other):
    while content := one.recv(1 << 16):
        other.sendall(content)
    other.shutdown(socket.SHUT_WR)

port, here, there = map(int, sys.argv[1:])
enter(here)
server = socket.create_server(("127.0.0.1", port))
enter(there)
print("listening", flush=True)
while True:
    near, _ = server.accept()
    far = socket.create_connection(("127.0.0.1", port))
    for pair in ((near, far), (far, near)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


def why_not():
    """Why there can be no machines here; empty if there can."""
    missing = [name for name in ("unshare", "nsenter", "ip", "mount") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    tried = subprocess.run(
        ["unshare", "--net", "--mount", "--pid", "--fork", "ip", "link", "add", "name", "br0", "type", "bridge"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"no namespaces here: {tried.stderr.strip()}" if tried.returncode else ""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine: what is started on it ends with it."""

    address: str
    home: Path  # of its user, who starts everything there
    holder: subprocess.Popen

    @property
    def first(self):
        """The process whose namespaces they are."""
        return psutil.Process(self.holder.pid).children()[0].pid

    def start(self, *words, cwd=None, **variables):
        """Start a command in a shell of this machine's, with `.venv` active and its own Ray's token."""
        command = ["nsenter", "--target", str(self.first), "--net", "--mount", "--pid", "--uts"]
        command += ["env", f"--chdir={cwd or self.home}", *words]  # a mount namespace begins at its root
        return subprocess.Popen(
            command, env=self.environment(**variables), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words, timeout=240, **options):
        """Run a command to its end. Returns the exit code and what it printed."""
        process = self.start(*words, **options)
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            heads.kill(process)  # `nsenter` alone would leave the command itself
            out, err = process.communicate()
            raise AssertionError(f"{words} has not ended in {timeout} s:\n{out}\n{err}") from None
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def reeltune(self, *words, **options):
        return self.run("reeltune", *words, **options)

    def environment(self, **variables):
        """Ray's variables are those given alone; the token is this user's own file, if there is one."""
        ours = ("RAY_", "REELTUNE_", "AWS_", "TMPDIR")  # Ray's folder below TMPDIR would be one for all machines
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        path = f"{Path(sys.executable).parent}:{kept['PATH']}"
        own = {"HOME": str(self.home), "REELTUNE_CACHE": str(self.home / "cache"), "PATH": path}
        return {**kept, **own, "PYTHONPATH": str(ROOT), "COLUMNS": "500", **variables}

    def shell(self, block, **options):
        """Run a block of commands as a page shows them, one after the other. The first that fails ends it."""
        return self.run("bash", "-euc", block, **options)

    @contextmanager
    def forwards(self, port, to=None):
        """As `ssh -L PORT:127.0.0.1:PORT` to another machine does, or to this one, on which all are."""
        words = [sys.executable, "-c", FORWARD, *map(str, (port, self.first, to.first if to else os.getpid()))]
        process = subprocess.Popen(words, stdout=subprocess.PIPE)
        try:
            assert process.stdout.readline() == b"listening\n"
            yield
        finally:
            process.kill()
            process.communicate()

    def kill(self):
        """As by a power cut: its processes end with the first of them."""
        heads.kill(self.holder)


class Network:
    """Machines that reach each other, and nothing else."""

    def __init__(self, folder):
        self.folder, self.machines, self.names = folder, [], folder / "hosts"
        self.names.write_text("127.0.0.1 localhost\n")
        self.switch = _held("--net")
        self._on_switch("link", "add", "name", "br0", "type", "bridge")
        self._on_switch("link", "set", "br0", "up")

    def machine(self, name):
        number = len(self.machines) + 1
        home = self.folder / name
        home.mkdir()
        Path("/tmp/ray").mkdir(exist_ok=True)
        holder = _held("--net", "--mount", "--uts", "--mount-proc")
        made = Machine(address=f"{NETWORK}.{number}", home=home, holder=holder)
        self.machines.append(made)
        with self.names.open("a") as names:
            names.write(f"{made.address} {name}\n")
        self._on_switch(
            "link", "add", "name", f"port{number}", "type", "veth", "peer", "name", "net0", "netns", str(made.first)
        )
        self._on_switch("link", "set", f"port{number}", "master", "br0", "up")
        for words in (
            ("hostname", name),
            ("ip", "link", "set", "lo", "up"),
            ("ip", "address", "add", f"{made.address}/24", "dev", "net0"),
            ("ip", "link", "set", "net0", "up"),
            # Ray finds a machine's address by the route to a public one.
            ("ip", "route", "add", "default", "dev", "net0"),
            ("mount", "--bind", str(self.names), "/etc/hosts"),
            *(("mount", "-t", "tmpfs", "tmpfs", folder) for folder in OWN),
        ):
            done = made.run(*words)
            assert done.returncode == 0, done.stderr
        return made

    def end(self):
        for each in self.machines:
            each.kill()
        heads.kill(self.switch)

    def _on_switch(self, *words):
        (first,) = psutil.Process(self.switch.pid).children()
        subprocess.run(["nsenter", "--target", str(first.pid), "--net", "ip", *words], check=True)


def _held(*kinds):
    """A process in namespaces of its own, which end with it and so do all processes in them."""
    made = subprocess.Popen(["unshare", *kinds, "--pid", "--fork", "--kill-child", *HOLD])
    heads.until(lambda: [child.name() for child in psutil.Process(made.pid).children()] == HOLD[:1], made)
    return made


@contextmanager
def network(folder):
    made = Network(folder)
    try:
        yield made
    finally:
        made.end()
