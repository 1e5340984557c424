from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.tensorboard.event_files import TensorBoard
from reeltune.cluster.tensorboard.hparams import Drawn
from reeltune.cluster.tensorboard.several import Several
from reeltune.cluster.tracking.tracker import FitEnd, TrackedFit
from reeltune.search_spaces import Space
from tests.boards import domain_of, hparams_of

FILE = "events.out.tfevents.1.host"


def run(path, *files):
    folder = RunFolder(path)
    for file in files:
        (folder.tensorboard / file).parent.mkdir(parents=True, exist_ok=True)
        (folder.tensorboard / file).write_bytes(b"")
    return folder


def shown(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_runs_of_one_name_are_numbered_and_files_that_go_are_dropped(tmp_path):
    runs = [run(tmp_path / place / "same", f"000-pmf/{FILE}") for place in ("here", "there")]
    view = Several(runs, tmp_path / "view")
    assert shown(view.folder) == {f"same/000-pmf/{FILE}", f"same-2/000-pmf/{FILE}"}
    (runs[1].tensorboard / "000-pmf" / FILE).rename(runs[1].tensorboard / "000-pmf" / f"{FILE}.again")
    view.refresh()
    assert shown(view.folder) == {f"same/000-pmf/{FILE}", f"same-2/000-pmf/{FILE}.again"}


def test_two_runs_whose_trials_tensorboard_averages_are_named(tmp_path):
    late, early, earlier = run(tmp_path / "late", f"best/{FILE}"), run(tmp_path / "a", FILE), run(tmp_path / "b", FILE)
    assert Several([late, early], tmp_path / "one").alike == []
    assert Several([late, early, earlier], tmp_path / "two").alike == ["a", "b"]


def test_folds_of_two_runs_are_told_apart_by_the_names_of_their_runs(tmp_path):
    searched = {
        "pmf": Drawn(space=Space(architecture="pmf", parameters={}, fixed={"factors": 8}), reference={"factors": 8})
    }
    folds = [RunFolder(tmp_path / name).fold(1) for name in ("one", "two")]
    for fold in folds:
        board = TensorBoard(fold.tensorboard, searched, run=fold.title)
        board.began(TrackedFit(name="pmf-000", architecture="pmf", stage="search", config={"factors": 8}))
        board.ended("pmf-000", FitEnd(state="done", epochs=1, value=0.5))
        board.close()
    view = Several(folds, tmp_path / "view")
    assert {path.name for path in view.folder.iterdir()} == {"one-fold-1", "two-fold-1"}
    columns, sessions = hparams_of(view.folder)
    assert domain_of(columns["run"]) == ["one-fold-1", "two-fold-1"]
    assert [session["run"] for session in sessions] == ["one-fold-1", "two-fold-1"]
