import json
import subprocess
import sys
from dataclasses import replace

import pytest

from reeltune.cluster.runs.claim import check_claim, claim
from reeltune.cluster.runs.find import find_run, folder_of
from reeltune.cluster.runs.folder import Ledger
from reeltune.cluster.runs.record import AskedToTrain, AskedToTune, SizeRecord
from reeltune.trainables.errors import InputError
from tests.cluster.runs.test_folder import ENTRY
from tests.inside import reeltune

ASKED = AskedToTune(data="a.csv", seed=1, trials=5, architectures=["pmf"])


def finish(name="run", asked=ASKED, ended=5, **options):
    with claim(folder_of(name), asked, resume=False, growing="trials", **options):
        for number in range(ended):
            Ledger(folder_of(name).ledger).append(replace(ENTRY, trial=f"pmf-{number:03}", number=number))


def interrupt(name="run"):
    with pytest.raises(KeyboardInterrupt), claim(folder_of(name), ASKED, resume=False, growing="trials"):
        raise KeyboardInterrupt


def resume(asked):
    with claim(folder_of("run"), asked, resume=True, growing="trials"):
        pass


def test_a_run_says_what_was_asked_on_which_machine_and_when_it_ended():
    finish()
    record = folder_of("run").read_record()
    assert record.asked == ASKED
    assert record.finished is not None
    assert record.versions["torch"]
    assert record.machine["cpus"] >= 1


def test_a_run_says_the_size_of_its_data_and_is_resumed_whatever_that_is():
    size = SizeRecord(ratings=8, span=4.0)
    with pytest.raises(KeyboardInterrupt), claim(folder_of("run"), ASKED, resume=False, size=size):
        raise KeyboardInterrupt
    assert folder_of("run").read_record().size == size
    resume(ASKED)


def test_a_run_goes_on_with_the_shares_that_it_was_started_with():
    interrupt()
    with pytest.raises(InputError, match=r"--resume: validation was 0\.1 in run run and is 0\.3 now"):
        resume(ASKED.model_copy(update={"validation": 0.3}))


def test_other_test_rows_are_told_by_what_made_them_other():
    interrupt()
    with pytest.raises(InputError, match=r"--resume: validation was"):
        resume(ASKED.model_copy(update={"test_hash": "another", "validation": 0.3}))
    with pytest.raises(InputError, match=r"--resume: test_hash was"):
        resume(ASKED.model_copy(update={"test_hash": "another"}))


def test_a_finished_name_is_taken():
    finish()
    with pytest.raises(InputError, match="there is a run of this name; choose another"):
        finish()


@pytest.mark.parametrize("words", [["tune"], ["tune", "--folds", "3"], ["tune", "--dry-run"], ["train"]])
def test_a_name_that_is_taken_is_refused_before_the_data_is_read(words):
    finish()
    verb, *options = words
    done = reeltune(verb, "bias", "--data", "gone.csv", "--name", "run", *options)
    assert done.returncode == 2
    assert done.stderr == "error: --name run: there is a run of this name; choose another --name\n"


def test_an_unfinished_name_asks_for_resume():
    interrupt()
    with pytest.raises(InputError, match="unfinished run of this name; add --resume"):
        finish()
    resume(ASKED)
    assert folder_of("run").read_record().finished is not None


def test_a_setting_that_an_earlier_version_did_not_name_is_what_it_meant():
    interrupt()
    path = folder_of("run").record
    record = json.loads(path.read_text())
    del record["asked"]["sampler"], record["asked"]["scheduler"]
    path.write_text(json.dumps({**record, "command": "reeltune tune pmf --no-asha"}))
    with pytest.raises(InputError, match="sampler was 'tpe' in run run and is 'grid' now"):
        resume(ASKED.model_copy(update={"sampler": "grid", "scheduler": "none"}))
    with pytest.raises(InputError, match="scheduler was 'none' in run run and is 'asha' now"):
        resume(ASKED)
    resume(ASKED.model_copy(update={"scheduler": "none"}))


@pytest.mark.parametrize("change", [{"data": "b.csv"}, {"seed": 2}, {"bf16": True}])
def test_a_run_goes_on_only_with_what_it_was_started_with(change):
    interrupt()
    (field,) = change
    with pytest.raises(InputError, match=rf"--resume: {field} was .* and is .* now"):
        resume(ASKED.model_copy(update=change))


def test_a_search_whose_users_are_sharded_goes_on_with_another_number_of_workers():
    sharded = ASKED.model_copy(update={"shard": "users", "workers_per_trial": 2})
    other = {"workers_per_trial": 1}
    for name, asked in (("run", ASKED.model_copy(update={"workers_per_trial": 2})), ("sharded", sharded)):
        with pytest.raises(KeyboardInterrupt), claim(folder_of(name), asked, resume=False, growing="trials"):
            raise KeyboardInterrupt
    with pytest.raises(InputError, match=r"workers_per_trial was 2 in run run and is 1 now"):
        resume(ASKED.model_copy(update=other))
    with pytest.raises(InputError, match=r"shard was None in run run and is 'users' now"):
        resume(sharded)
    with claim(folder_of("sharded"), sharded.model_copy(update=other), resume=True, growing="trials"):
        pass
    assert folder_of("sharded").read_record().asked.workers_per_trial == 1


def test_a_fit_goes_on_with_the_precision_that_it_began_with():
    asked = AskedToTrain(data="a.csv", architecture="pmf", config={}, bf16=False)
    unsaid, other = (asked.model_copy(update={"bf16": precision}) for precision in (None, True))
    for name, begun in (("run", asked), ("old", unsaid)):
        with pytest.raises(KeyboardInterrupt), claim(folder_of(name), begun, resume=False):
            raise KeyboardInterrupt
    with pytest.raises(InputError, match="bf16 was False"), claim(folder_of("run"), other, resume=True):
        pass
    with claim(folder_of("old"), other, resume=True):  # a version that did not write it down began it
        pass


def test_a_finished_search_takes_more_trials_and_not_fewer():
    finish()
    with pytest.raises(InputError, match="is finished; it takes more --trials than 5"):
        resume(ASKED)
    with pytest.raises(InputError, match="can grow, not shrink to 4"):
        resume(ASKED.model_copy(update={"trials": 4}))
    resume(ASKED.model_copy(update={"trials": 6}))


def test_a_search_that_ended_with_fewer_trials_than_were_asked_for_goes_on_as_it_is():
    finish(ended=4)
    resume(ASKED)


def test_a_resume_of_no_run_says_that_one_begins():
    for said in (["there is no run run to go on with, in runs/run: it begins"], []):
        told = []
        with claim(folder_of("run"), ASKED, resume=True, growing="trials", say=told.append):
            pass
        assert told == said


def test_a_fold_begins_in_its_turn_without_a_word():
    told = []
    with claim(folder_of("run"), ASKED.model_copy(update={"within": "run"}), resume=True, say=told.append):
        pass
    assert told == []


def test_a_command_that_could_not_begin_leaves_its_name_free():
    with pytest.raises(InputError, match="too many"), claim(folder_of("run"), ASKED, resume=False):
        raise InputError("too many")
    assert not folder_of("run").path.exists()


def test_what_a_search_has_found_is_kept_whatever_goes_wrong():
    def find_and_fail():
        with claim(folder_of("run"), ASKED, resume=False):
            folder_of("run").ledger.write_text("")
            raise InputError("late")

    with pytest.raises(InputError, match="late"):
        find_and_fail()
    assert folder_of("run").ledger.exists()


def test_a_folder_that_is_no_run_is_left_alone(tmp_path):
    (tmp_path / "runs" / "run").mkdir(parents=True)
    (tmp_path / "runs" / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="is there and is no run"):
        finish()
    assert (tmp_path / "runs" / "run" / "thesis.txt").read_text() == "years of work"


def test_a_second_process_on_the_same_name_is_refused():
    code = """if True:
        import sys
        from reeltune.cluster.runs.claim import claim
        from reeltune.cluster.runs.find import folder_of
        from reeltune.cluster.runs.record import AskedToTune
        with claim(folder_of("run"), AskedToTune(data="a.csv", trials=5, architectures=["pmf"]), resume=False):
            print("in", flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "in\n"
        with pytest.raises(InputError, match="another process is working on this run"):
            finish()
        other.stdin.close()
        other.wait(timeout=30)


@pytest.mark.parametrize("storage", [None, "/shared/runs", "s3://bucket/runs"])
@pytest.mark.parametrize("name", ["../up", "a/b", "", ".", ".."])
def test_a_name_cannot_lead_out_of_the_folder_of_runs(name, storage):
    with pytest.raises(InputError, match="expected a plain name"):
        folder_of(name, storage)


def test_a_storage_folder_takes_the_place_of_runs(tmp_path):
    folder = folder_of("run", str(tmp_path / "shared"))
    with claim(folder, ASKED, resume=False):
        pass
    assert (tmp_path / "shared" / "run" / "run.json").exists()
    assert not (tmp_path / "runs").exists()
    assert find_run(str(tmp_path / "shared" / "run")).place == folder.place == folder.store.where


def test_a_folder_in_an_object_store_is_mirrored_from_the_folder_of_runs():
    folder = folder_of("run", "s3://bucket/kept?region=eu-west-1")
    assert str(folder.path) == "runs/run"
    assert folder.place == folder.store.where == "s3://bucket/kept/run?region=eu-west-1"
    assert folder.place_of("models/pmf") == "s3://bucket/kept/run/models/pmf?region=eu-west-1"


def test_a_folds_run_that_cannot_be_written_is_a_fault_of_the_whole_runs_name(tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "run").write_text("")
    with pytest.raises(InputError, match=r"^--name run: runs/run/fold-1 cannot be written"):
        check_claim(folder_of("run").fold(1), ASKED, resume=False)


def test_a_storage_that_can_be_no_folder_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"--storage .*/file: .*file/run cannot be written: Not a directory"),
        claim(folder_of("run", str(tmp_path / "file")), ASKED, resume=False),
    ):
        pass


def test_a_run_is_found_by_name_and_by_path_and_others_are_listed():
    finish()
    assert find_run("run") == find_run("runs/run")
    with pytest.raises(InputError, match="there are run"):
        find_run("walk")
