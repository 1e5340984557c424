"""The commands that make a run's results again."""

import shlex
from dataclasses import dataclass

from pydantic import JsonValue

from reeltune.cluster.report.words import member_weights
from reeltune.cluster.runs.finished import Run
from reeltune.trainables.architectures import ENSEMBLE

# Options that earlier versions kept in `run.json` only as part of the command.
CARRIED = ("--duplicates", "--user-column", "--item-column", "--rating-column", "--time-column", "--weight-column")
OF_THE_RUN = ("--name", "--resume", "--json")  # options that say which run it is, and how it is printed


@dataclass(frozen=True, kw_only=True)
class Command:
    what: str
    line: str

    @property
    def parts(self) -> list[str]:
        """The line in pieces that the page keeps whole where it wraps: an option stays with its value."""
        if "\n" in self.line:
            return [self.line]
        pieces: list[str] = []
        for word in map(shlex.quote, shlex.split(self.line)):
            alone = not pieces or word.startswith("-") or not pieces[-1].startswith("-") or " " in pieces[-1]
            pieces += [word] if alone else [f"{pieces.pop()} {word}"]
        return pieces


def checking(run: Run) -> list[Command]:
    """The command that replays the winner from the run's folder; none without a winner."""
    if run.winner is None or run.asked.folds:
        return []
    words = ["reeltune", "replay", run.folder.place]
    for name in own_parts(run, run.winner):
        words += ["--architecture", str(run.folder.source(name))]
    words += ["--architecture", run.winner] if run.winner == ENSEMBLE and len(words) > 3 else []
    line = shlex.join(words)
    return [Command(what=f"{run.winner} with this run's seeds, which checks its score", line=line)]


def own_parts(run: Run, name: str) -> list[str]:
    """Of an architecture, or of the ensemble's members of nonzero weight, those that are none of reeltune's."""
    config = run.answer.architectures[name].config if run.answer and name in run.answer.architectures else None
    weights = member_weights(config or {}) if name == ENSEMBLE else {name: 1.0}
    return [each for each, weight in weights.items() if weight > 0 and each in run.asked.sources]


def reproducing(run: Run) -> list[Command]:
    """Commands that make the winner again. If it is the ensemble: the search, and each member of nonzero weight."""
    winner = run.winner
    again = Command(what="the whole search, with its verdict", line=shlex.join(without_run(run.record.command)))
    # `train` knows no folds.
    if winner is None or run.answer is None or run.asked.folds or run.asked.within:
        return [again]
    found = run.answer.architectures
    if winner != ENSEMBLE:
        return [
            Command(
                what=f"{winner}, fitted once on the training rows", line=train(run, winner, found[winner].config or {})
            ),
            again,
        ]
    weights = member_weights(found[ENSEMBLE].config or {})
    members = sorted((name for name in weights if weights[name] > 0), key=lambda name: -weights[name])
    return [
        again,
        *(
            Command(
                what=f"{name} ({weights[name]:.1%} of it), fitted once on the training rows",
                line=train(run, name, found[name].config or {}),
            )
            for name in members
            if name in found and found[name].config
        ),
    ]


def without_run(command: str) -> list[str]:
    """The words of a run's own command without OF_THE_RUN, however often they are in it: they start a new run."""
    words = shlex.split(command)
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if word.partition("=")[0] not in OF_THE_RUN and before != "--name"
    ]


def train(run: Run, name: str, config: dict[str, JsonValue]) -> str:
    """`reeltune train` with a configuration, on this run's data."""
    asked = run.asked
    words = ["reeltune", "train", str(run.folder.source(name)) if name in asked.sources else name, "--data", asked.data]
    for option, value in {"--test": asked.test, "--users": asked.users, "--items": asked.items}.items():
        words += [option, value] if value is not None else []
    for option, share in asked.options().shares.options().items():
        words += [option, str(share)]
    words += ["--split", asked.split, "--split-seed", str(asked.split_seed), "--seed", str(asked.seed)]
    words += ["--decoder", run.decoder] if run.decoder != "argmax" else []
    words += ["--metric", asked.metric] if asked.metric != "mse" else []
    words += ["--bf16"] if asked.bf16 else []
    words += ["--shard", asked.shard] if asked.shard else []
    words += ["--matrix"] if asked.matrix else []
    for value in asked.not_rated:
        words += ["--not-rated", value]
    for option, value in {"--missing-ids": asked.missing_ids, "--unknown-ids": asked.unknown_ids}.items():
        words += [option, value] if value is not None else []
    words += _carried(shlex.split(run.record.command))
    for key, setting in config.items():
        words += ["--set", f"{key}={setting}"] if setting is not None else []
    return shlex.join(words)


def _carried(words: list[str]) -> list[str]:
    kept = []
    for place, word in enumerate(words):
        option, sign, _ = word.partition("=")
        if option in CARRIED:
            kept += [word] if sign else words[place : place + 2]
    return kept
