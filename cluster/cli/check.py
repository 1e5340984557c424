"""`reeltune check`."""

from typing import TYPE_CHECKING

from reeltune.cluster.cli import options as opt

if TYPE_CHECKING:
    from reeltune.trainables.contract.suite import Checked


def check(architecture: opt.Architecture, as_json: opt.Json = False) -> int:
    """Check that an architecture keeps the contract: shapes, gradient, learns, resumes, two workers as one."""
    from reeltune.cluster.cli import output as show
    from reeltune.cluster.commands.check import check_architecture

    checked = check_architecture(architecture, told=_ignored if as_json else _told)
    if as_json:
        show.print_json(checked)
    else:
        show.checked(checked)
    return 0 if checked.holds else 1


def _told(checked: "Checked") -> None:
    line = f"ok      {checked.clause}" if checked.wrong is None else f"BROKEN  {checked.clause}: {checked.wrong}"
    print(line, flush=True)  # each as it is known, also into a file


def _ignored(checked: "Checked") -> None:
    pass
