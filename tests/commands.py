"""The `reeltune` commands that pages, manifests and scripts show, read by the real command line."""

import re
import shlex

import typer

from reeltune.cluster.cli.app import app


def shown(text: str) -> list[str]:
    """The commands of a page or a script: lines that begin with `reeltune`, in a container or not."""
    joined = text.replace("\\\n", " ")
    lines = re.findall(r"^ *(?:docker run .* )?(reeltune [a-z].*)$", joined, re.M)
    lines += [f"reeltune tune{options}" for options in re.findall(r"^sbatch .*tune\.sbatch(.*)$", joined, re.M)]
    return [line.split(" #")[0].removesuffix(" &").strip() for line in lines]


def parse(command: str) -> None:
    """Read a command as the command line does. Raises typer's own errors where it would not take it."""
    verb, *words = shlex.split(command)[1:]
    group = typer.main.get_command(app)
    with group.make_context("reeltune", [verb], resilient_parsing=True) as context:
        group.get_command(context, verb).make_context(verb, list(words))
    if verb == "submit":
        parse(shlex.join(["reeltune", *words[words.index("--") + 1 :]]))
