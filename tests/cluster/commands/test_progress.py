import io
from dataclasses import replace

import pytest
from rich.console import Console

from reeltune.cluster.commands import progress
from reeltune.cluster.commands.counted import Step
from reeltune.cluster.commands.progress import SearchTable, Watch
from reeltune.cluster.commands.time_left import RefitsLeft
from reeltune.cluster.tracking.tracker import FitEnd, TrackedFit
from tests.cluster.runs.test_folder import ENTRY


def test_a_line_tells_a_trials_end_and_the_best_so_far():
    table = SearchTable(["pmf"], trials=3, label="argmax-MSE", slots=2)
    lines = []
    for number, value in enumerate([0.8, 0.7]):
        entry = replace(ENTRY, trial=f"pmf-00{number}", value=value)
        table.add(entry)
        lines.append(table.line(entry))
    assert lines == [
        "[1/3] pmf-000 done argmax-MSE 0.8000 (0.5 s), best 0.8000",
        "[2/3] pmf-001 done argmax-MSE 0.7000 (0.5 s), best 0.7000",
    ]


def test_the_line_of_a_confirmation_says_what_it_is():
    table = SearchTable(["pmf"], trials=3, label="argmax-MSE", slots=2)
    assert table.line(replace(ENTRY, trial="pmf-000-again1", stage="confirm", value=0.8)) == (
        "[confirm] pmf-000-again1 done argmax-MSE 0.8000 (0.5 s)"
    )


def test_a_note_is_said_once():
    watch = Watch()
    watch.console = Console(file=io.StringIO())
    for line in ("on all rows", "with a seed", "on all rows"):
        watch.note(line)
    assert watch.console.file.getvalue() == "on all rows\nwith a seed\n"


def test_a_failed_trial_says_why():
    table = SearchTable(["pmf"], trials=3, label="argmax-MSE", slots=2)
    entry = replace(ENTRY, state="failed", value=None, error="FitFailed: the training loss is nan in epoch 1")
    table.add(entry)
    assert table.line(entry) == "[1/3] pmf-000 failed (FitFailed: the training loss is nan in epoch 1)"


def test_an_architectures_row_counts_what_became_of_its_trials():
    table = SearchTable(["pmf"], trials=9, label="argmax-MSE", slots=2)
    for state, stage in [("done", "search"), ("stopped", "search"), ("failed", "search"), ("done", "confirm")]:
        table.add(replace(ENTRY, state=state, stage=stage))
    cells = [next(iter(column.cells)) for column in table.table().columns]
    assert cells == ["pmf", "1", "1", "1", "9", "0.8000", "1"]


@pytest.mark.parametrize("width", [70, 80])
def test_the_table_keeps_whole_names_in_a_narrow_terminal(width):
    console = Console(width=width, file=io.StringIO())
    console.print(SearchTable(["svdpp_classifier"], trials=20, label="argmax-MSE", slots=2).table())
    assert "svdpp_classifier" in console.file.getvalue()
    assert "…" not in console.file.getvalue()


def test_a_search_that_is_cut_off_leaves_its_last_state():
    watch = Watch()
    watch.console = Console(force_terminal=True, width=80, file=io.StringIO())

    def cut_off():
        with watch:
            watch.search(["svdpp_classifier"], trials=20, label="argmax-MSE", slots=2)
            watch.ended(replace(ENTRY, architecture="svdpp_classifier", value=0.8123))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut_off()
    _, left = watch.console.file.getvalue().rsplit("\x1b[2K", 1)
    assert "0.8123" in left, "what comes after the live table is erased"


def refit(name):
    return TrackedFit(name=f"refits/{name}", architecture="pmf", stage="refit", config={})


def test_refits_are_counted(capsys):
    watch = Watch()
    counted = watch.refitting(RefitsLeft({"refits/pmf-seed-1": 2.0, "refits/pmf-seed-2": 2.0}, lanes=1))
    assert counted.count() == "refit 1 of 2, about 20 s left"
    counted.began(refit("pmf-seed-1"))
    counted.ended("refits/pmf-seed-1", FitEnd(state="done", epochs=3))
    assert capsys.readouterr().err == "[refit 1/2] pmf-seed-1 done; about 10 s left\n"
    assert counted.count().startswith("refit 2 of 2")
    counted.began(refit("pmf-seed-2"))
    counted.ended("refits/pmf-seed-2", FitEnd(state="failed", epochs=0))
    assert counted.count().startswith("refit 2 of 2"), "there is no third"


def test_refits_of_an_earlier_process_are_counted_as_done(capsys):
    watch = Watch()
    counted = watch.refitting(RefitsLeft({"refits/pmf-seed-3": 2.0}, lanes=1, kept=2))
    assert counted.count().startswith("refit 3 of 3")
    counted.began(refit("pmf-seed-3"))
    counted.ended("refits/pmf-seed-3", FitEnd(state="done", epochs=3))
    assert capsys.readouterr().err == "[refit 3/3] pmf-seed-3 done; about 10 s left\n"


def test_a_long_job_has_a_bar_in_a_terminal():
    watch = Watch()
    watch.console = Console(force_terminal=True, width=80, file=io.StringIO())
    with watch:
        watch.step(Step(line="3 of 4 rows, 1 a second", share=0.75))
    shown = watch.console.file.getvalue()
    assert "━" * 22 in shown
    assert "3 of 4 rows, 1 a second" in shown


def test_a_long_job_says_now_and_then_how_far_it_is_without_a_terminal(capsys, monkeypatch):
    with Watch() as watch:
        watch.step(Step(line="1 of 4 rows", share=0.25))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    with Watch() as watch:
        watch.step(Step(line="2 of 4 rows", share=0.5))
    assert capsys.readouterr().err == "2 of 4 rows\n"


def test_without_a_terminal_there_are_plain_lines_on_standard_error(capsys):
    with Watch() as watch:
        watch.say("[not markup] one")
        watch.status("two")
        watch.tick("passes by")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "[not markup] one\ntwo\n"
