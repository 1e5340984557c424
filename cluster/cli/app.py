"""The command line: `reeltune VERB`. Each verb gathers its options, calls its command, and prints the result.

Results go to standard output, progress and errors to standard error. A verb imports its command only when it runs:
Ray and torch take seconds to load, and `--help` should not.
"""

import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from reeltune.cluster.cli.architectures import architectures
from reeltune.cluster.cli.board import board
from reeltune.cluster.cli.check import check
from reeltune.cluster.cli.compare import compare
from reeltune.cluster.cli.data import data
from reeltune.cluster.cli.export import export
from reeltune.cluster.cli.jobs import jobs
from reeltune.cluster.cli.logs import configure
from reeltune.cluster.cli.lr_find import lr_find
from reeltune.cluster.cli.new import new
from reeltune.cluster.cli.predict import predict
from reeltune.cluster.cli.recommend import recommend
from reeltune.cluster.cli.replay import replay
from reeltune.cluster.cli.report import report
from reeltune.cluster.cli.serve import serve
from reeltune.cluster.cli.submit import submit
from reeltune.cluster.cli.train import train
from reeltune.cluster.cli.tune import tune
from reeltune.cluster.cli.update import update
from reeltune.cluster.cli.verdict import verdict
from reeltune.cluster.cli.watched import FULL
from reeltune.cluster.cli.wrong_values import message
from reeltune.cluster.session.garbage import look_rarely
from reeltune.trainables.architectures.source import described, own_line
from reeltune.trainables.errors import FitFailed, InputError, Unavailable, lacking, one_line
from reeltune.trainables.version import __version__

app = typer.Typer(
    name="reeltune",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Finds the best rating predictor for your data, and says whether it truly beats a simple baseline.",
)

# The verbs, in the order of `--help`. To add one, see CONTRIBUTING.md.
VERBS: dict[str, Callable[..., int]] = {
    "tune": tune,
    "train": train,
    "lr-find": lr_find,
    "architectures": architectures,
    "new": new,
    "check": check,
    "predict": predict,
    "data": data,
    "board": board,
    "report": report,
    "compare": compare,
    "verdict": verdict,
    "replay": replay,
    "recommend": recommend,
    "export": export,
    "serve": serve,
    "update": update,
    "submit": submit,
    "jobs": jobs,
}
for name, verb in VERBS.items():
    app.command(name)(verb)


def main() -> None:
    """Run the command line, and turn each expected error into one line and an exit code."""
    look_rarely()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # see trainables/fitting/threads.py, which loads torch
    _write_any_text()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # where nobody reads on, here and not in Python's own end
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except typer.TyperException as error:
        print(f"error: {message(error)}", file=sys.stderr)
        code = 2
    except FitFailed as error:
        print(f"error: the fit failed: {error}", file=sys.stderr)
        code = 1
    except Unavailable as error:
        print(f"error: {error}", file=sys.stderr)
        code = 1
    except (typer.Abort, KeyboardInterrupt):
        code = 130
    except (BrokenPipeError, SystemExit) as error:
        if isinstance(error, SystemExit) and not isinstance(error.__context__, BrokenPipeError):
            raise  # what typer makes of a broken pipe is one, with code 1
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `reeltune ... | head` is no error
        code = 0
    except OSError as error:
        if error.errno in FULL:
            print(f"error: {error}", file=sys.stderr)
            code = 1
        elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) and error.filename is not None:
            print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
            code = 2
        else:
            raise
    except Exception as error:
        lacks = lacking(error)
        if lacks is None and own_line(error) is None:
            raise
        # Without `lacks` it is of somebody's own architecture: theirs to mend.
        print(f"error: {lacks or one_line(described(error))}", file=sys.stderr)
        code = 2
    sys.exit(code if isinstance(code, int) else 0)


def _write_any_text() -> None:
    """Write what a stream's encoding has no sign for (ids may have any) as an escape, \\xe9, and not fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@app.callback(invoke_without_command=True)
def about(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Write a debug log to standard error.")] = False,
    log_file: Annotated[Path | None, typer.Option(help="Write the debug log to this file.")] = None,
) -> None:
    configure(verbose=verbose, file=log_file)
    if version:
        print(f"reeltune {__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())
