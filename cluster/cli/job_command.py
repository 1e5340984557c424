"""The command line that a Ray job runs, parsed here first, so that a typo is found before anything is sent."""

import inspect
import re
import shlex
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from reeltune.cluster.api.checks import (
    DECODERS,
    DUPLICATES,
    METRICS,
    SeenData,
    SentFile,
    SentSource,
    one_of,
    sample_of,
    scheduler_of,
    seconds,
    shares_of,
    split_of,
)
from reeltune.cluster.jobs.command import JobCommand
from reeltune.cluster.jobs.package import FILES
from reeltune.cluster.runs.find import name_of_run
from reeltune.cluster.runs.folder import RUNS
from reeltune.cluster.runs.storage import Store, refuse_credentials
from reeltune.trainables.data import has_known_columns
from reeltune.trainables.errors import InputError

if TYPE_CHECKING:
    from reeltune.trainables.architectures.source import Source

REFUSED = {
    "submit": "a job cannot submit itself; leave the second submit out",
    "jobs": "jobs looks at jobs from outside; leave submit out",
    "board": "board shows a run on the machine that it runs on; start it on the head node",
}
ONE_MACHINE = ("predict", "recommend")  # verbs that nodes do not share the work of with an architecture of one's own
ANOTHER = "choose another --name for another run"
MORE = f"give a larger --trials to search on, or {ANOTHER}"
FIND_FILES = f"files=$(python -P -c 'import {FILES}; print(*{FILES}.__path__)')"


def job_command(group: Any, words: list[str], name: str | None) -> JobCommand:
    """The job that runs `VERB ...`; the command line `group` parses the words.

    Raises InputError, or typer's own errors, if the verb does not accept these words.
    """
    if not words:
        raise InputError("submit: expected a command after --, such as: reeltune submit -- tune --data ml-1m")
    verb, *rest = words
    if verb in REFUSED:
        raise InputError(f"submit -- {verb}: {REFUSED[verb]}")
    values, typed = _read(group, verb, rest)
    sent, seen, of_architectures = (_marked(group, verb, kind) for kind in (SentFile, SeenData, SentSource))
    _check(values, sent=sent, seen=seen)
    if "address" in typed:
        raise InputError(f"submit -- {verb} --address: leave it out; a job runs on the cluster that it is submitted to")
    given = _one_name(name, values["name"] if "name" in typed else None)
    here = verb in ONE_MACHINE and bool(values.get("architecture"))
    added = ["--address", "auto"] if "address" in values and not here else []
    chosen = name_of_run(given or None, resume="resume" in typed)
    if "name" in values and "name" not in typed:
        added += ["--name", chosen]
    if "resume" in values and "resume" not in typed and given:
        # A new name ignores it; a run of this name goes on, even on another cluster that has its folder.
        added.append("--resume")
    named_files = [path for key in sent if (path := values.get(key)) is not None and not path.is_absolute()]
    sources = _sources(values, of_architectures)
    files = tuple(dict.fromkeys([*named_files, *(path for each in sources.values() for path in _files_of(each))]))
    _check_names(files)
    there = {path: path.name for path in named_files} | {Path(word): f"{s.name}.py" for word, s in sources.items()}
    # The added options come first, since what the user typed may end with -- and arguments.
    words = ["python", "-P", "-m", "reeltune", verb, *added, *rest]
    command = " ".join(
        shlex.quote(word) if before == "--name" or word.startswith("--name=") else _in_shell(word, there)
        for before, word in pairwise(["", *words])
    )
    return JobCommand(
        name=chosen,
        entrypoint=f"{FIND_FILES} && exec {command}" if files else f"exec {command}",
        files=files,
        results=_results(values.get("storage"), chosen) if "resume" in values else None,
        shared=values.get("storage") is not None,
        timed=values.get("time") is not None,
        more=MORE if "trials" in values else ANOTHER,
    )


def of_verb(words: list[str]) -> list[str]:
    """The words of a command from its verb on, without `--verbose` and `--log-file`, which log here."""
    place = 0
    while place < len(words) and words[place].startswith("-"):
        place += 2 if words[place] == "--log-file" else 1
    return words[place:]


def without_address(words: list[str]) -> list[str]:
    """The words of a command without `--address` and its value."""
    kept, skip = [], False
    for word in words:
        if not (skip or word == "--address" or word.startswith("--address=")):
            kept.append(word)
        skip = word == "--address"
    return kept


def _read(group: Any, verb: str, words: list[str]) -> tuple[dict[str, Any], set[str]]:
    """The values of the verb's parameters, and the names of those that were typed."""
    with group.make_context("reeltune", [verb], resilient_parsing=True) as context:
        command = group.get_command(context, verb)
        if command is None:
            raise InputError(f"submit -- {verb}: no such command; there are {', '.join(group.list_commands(context))}")
        with command.make_context(verb, list(words), parent=context) as inner:
            sources = {key: inner.get_parameter_source(key) for key in inner.params}
            return inner.params, {key for key, source in sources.items() if source and source.name == "COMMANDLINE"}


def _marked(group: Any, verb: str, kind: type) -> set[str]:
    """The parameters of a verb whose annotation has a mark of this kind."""
    function = inspect.unwrap(group.commands[verb].callback)
    hints = inspect.get_annotations(function)
    return {name for name, hint in hints.items() if any(isinstance(each, kind) for each in get_args(hint))}


def _check(values: dict[str, Any], *, sent: set[str], seen: set[str]) -> None:
    """Raise InputError at values that the verb would refuse, and at files that the cluster cannot see."""
    from reeltune.search_spaces import SAMPLERS
    from reeltune.trainables.architectures.registry import resolve

    checks: dict[str, Callable[[Any], object]] = {
        "architectures": resolve,
        "time": lambda value: seconds("--time", value),
        "trial_timeout": lambda value: seconds("--trial-timeout", value),
        "validation": lambda value: shares_of(value, None, test=None),
        "test_share": lambda value: shares_of(None, value, test=next(iter(values.get("test") or ()), None)),
        "split": split_of,
        "sampler": lambda value: one_of("--sampler", value, tuple(SAMPLERS)),
        "sample": sample_of,
        "scheduler": lambda value: scheduler_of(value, asha=values.get("asha")),
        "decoder": lambda value: one_of("--decoder", value, DECODERS),
        "metric": lambda value: one_of("--metric", value, METRICS),
        "duplicates": lambda value: one_of("--duplicates", value, DUPLICATES),
        "storage": _check_storage,
        **dict.fromkeys(sent, _check_sent),
        **dict.fromkeys(seen, _check_seen),
    }
    for key, value in values.items():
        given = value if key in seen and isinstance(value, (list, tuple)) else [value]  # --data may be repeated
        for each in given:
            if key in checks and each is not None:
                checks[key](each)


def _check_sent(path: Path) -> None:
    if path.is_dir():
        _check_seen(path)
    elif not path.is_absolute() and not path.is_file():
        raise InputError(f"{path}: no such file")


def _check_seen(path: str | Path) -> None:
    """Raise InputError at a relative path to a file of this machine; an absolute one may be on a shared disk."""
    refuse_credentials(str(path), "submit:")
    here = Path(path)
    if here.is_absolute() or has_known_columns(str(path)) or not here.exists():
        return
    raise InputError(
        f"{path} is on this machine, and the job runs on the cluster, which does not have it: give a URI, or an "
        f"absolute path that the cluster's nodes see too (such as {here.absolute()}, if they share it)"
    )


def _check_storage(where: str) -> None:
    """Raise InputError at a malformed storage, and at a relative folder, which would depend on where Ray started."""
    if not Store.at(where).remote and not Path(where).is_absolute():
        raise InputError(
            f"--storage {where}: expected s3://BUCKET/..., gs://BUCKET/... or the absolute path of a folder that the "
            "cluster's nodes share: the job does not run in this folder"
        )


def _results(storage: str | None, name: str) -> str:
    return f"{RUNS}/{name}" if storage is None else Store.at(storage).below(name).where


def _one_name(outer: str | None, inner: str | None) -> str | None:
    if outer is not None and inner is not None and outer != inner:
        raise InputError(f"submit --name {outer} -- ... --name {inner}: one job has one name; give it once")
    name = outer if inner is None else inner
    if name is not None and not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name):
        raise InputError(f"--name {name!r}: a job's name is of letters, digits, '.', '_' and '-'")
    return name


def _sources(values: dict[str, Any], of_architectures: set[str]) -> dict[str, "Source"]:
    """The sources of own architectures, by the words that ask for them."""
    from reeltune.trainables.architectures.registry import resolve

    words = [word for key in sorted(of_architectures) for word in _words(key, values.get(key))]
    return {word: source for word in words for source in resolve([word])[1].sources.values()}


def _words(key: str, value: Any) -> list[str]:
    """The words in a parameter's value that must be architectures; of options, those that cannot be anything else."""
    from reeltune.trainables.architectures.registry import is_own

    words = [] if value is None else [value] if isinstance(value, str) else list(value)
    if key in ("architectures", "words") or (key == "architecture" and isinstance(value, str)):  # arguments
        return words
    return [word for word in words if is_own(word) and not re.fullmatch(r"[0-9.]+", word)]


def _check_names(files: tuple[Path, ...]) -> None:
    """Raise InputError at two files of one name: all that is sent lies in one folder."""
    for path in files:
        same = [other for other in files if other.name == path.name]
        if len(same) > 1:
            raise InputError(f"{same[0]} and {same[1]}: two files of one name cannot be sent along; rename one of them")


def _files_of(source: "Source") -> list[Path]:
    """The file, and the search space beside it."""
    file = Path(source.file)
    return [file] if source.space is None else [file, file.with_suffix(".toml")]


def _in_shell(word: str, files: dict[Path, str]) -> str:
    """A word quoted for the job's shell; the path of a file that is sent along becomes its path there."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if value and Path(value) in files:
        return f'{option}{equals}"$files"/{shlex.quote(files[Path(value)])}'
    return shlex.quote(word)
