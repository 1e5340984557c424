import json
from dataclasses import replace

import pytest

from reeltune.cluster.runs.folder import Entry, Ledger, RunFolder, write_json, write_text
from reeltune.trainables.errors import InputError

ENTRY = Entry(
    trial="pmf-000",
    architecture="pmf",
    number=0,
    stage="search",
    state="done",
    config={"factors": 3},
    value=0.8,
    metrics={"argmax_mse": 0.8, "log_loss": None},
    temperature=1.0,
    curve={50: 0.9, 100: 0.8},
    epochs=2,
    seconds=0.5,
    seed=42,
    error=None,
)


def test_what_is_appended_is_read_back(tmp_path):
    ledger = Ledger(tmp_path / "trials.jsonl")
    ledger.append(ENTRY)
    ledger.append(replace(ENTRY, trial="pmf-001", number=1, state="failed", value=None, error="is 'broken'\n"))
    again = Ledger(tmp_path / "trials.jsonl")
    assert again.entries == ledger.entries
    assert [entry.number for entry in again.of("search", "pmf")] == [0, 1]
    assert again.of("confirm", "pmf") == []


def test_every_line_says_its_schema(tmp_path):
    Ledger(tmp_path / "trials.jsonl").append(ENTRY)
    line = json.loads((tmp_path / "trials.jsonl").read_text())
    assert line["schema"] == 1
    assert {"trial", "architecture", "state", "config", "value", "epochs", "seconds", "seed", "error"} <= set(line)


def test_a_half_written_last_line_is_cut_off_wherever_it_breaks(tmp_path):
    path = tmp_path / "trials.jsonl"
    Ledger(path).append(ENTRY)
    whole = path.read_bytes()
    second = replace(ENTRY, trial="pmf-001", number=1)
    Ledger(path).append(second)
    both = path.read_bytes()
    for end in range(len(whole), len(both)):
        path.write_bytes(both[:end])
        ledger = Ledger(path)
        assert ledger.entries == [ENTRY]
        ledger.append(second)
        assert path.read_bytes() == both


@pytest.mark.parametrize("trial", ["../../up", "/etc/passwd", "a/b", ".."])
def test_a_trials_name_that_leads_out_of_the_run_is_refused(tmp_path, trial):
    Ledger(tmp_path / "trials.jsonl").append(replace(ENTRY, trial=trial))
    with pytest.raises(InputError, match=r"trials.jsonl: .*(leads out of it|is no name of a trial)"):
        Ledger(tmp_path / "trials.jsonl")


def test_a_number_that_is_none_is_never_written(tmp_path):
    ledger = Ledger(tmp_path / "trials.jsonl")
    with pytest.raises(ValueError, match="JSON"):
        ledger.append(replace(ENTRY, value=float("nan")))
    assert Ledger(tmp_path / "trials.jsonl").entries == []


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    write_text(tmp_path / "report.md", "first")
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "report.md", {"value": float("inf")})
    assert (tmp_path / "report.md").read_text() == "first"
    with pytest.raises(UnicodeEncodeError):
        write_text(tmp_path / "report.md", "\udc80")
    assert (tmp_path / "report.md").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]


def test_a_run_without_a_record_has_none(tmp_path):
    assert RunFolder(tmp_path).read_record() is None


def test_a_folds_run_is_told_apart_from_that_of_another_run(tmp_path):
    whole = RunFolder(tmp_path / "mine")
    assert (whole.title, whole.fold(2).title) == ("mine", "mine-fold-2")
    assert whole.fold(2).path == tmp_path / "mine" / "fold-2"
