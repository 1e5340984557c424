"""The file from which a resumed run goes on in the runs of before."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.trackers.kept import RUN, Kept, kept_name
from reeltune.cluster.tracking.tracker import TrackedFit


def test_ids_are_there_in_another_session_at_the_same_place_alone(tmp_path):
    folder = RunFolder(tmp_path)
    first, other = Kept(folder, "mlflow"), Kept(folder, "wandb")
    assert not first.begin("http://host")
    first.add(RUN, "1")
    assert not other.begin("films")
    other.add(RUN, "2")
    first.add("pmf-000", "3")

    again = Kept(folder, "mlflow")
    assert again.begin("http://host")
    assert again.ids == {RUN: "1", "pmf-000": "3"}
    assert not Kept(folder, "mlflow").begin("http://another")
    assert Kept(folder, "wandb").begin("films")


def test_trackers_that_write_at_the_same_time_lose_nothing_of_each_other(tmp_path):
    folder = RunFolder(tmp_path)
    both = {kind: Kept(folder, kind) for kind in ("mlflow", "wandb")}
    for kept in both.values():
        kept.begin("somewhere")
    with ThreadPoolExecutor(len(both)) as pool:
        for number in map(str, range(100)):
            list(pool.map(lambda kept, number=number: kept.add(number, number), both.values()))
            for kind, kept in both.items():
                again = Kept(folder, kind)
                again.begin("somewhere")
                assert again.ids == kept.ids


def test_a_refit_of_another_configuration_has_an_id_of_its_own_and_a_trial_always_the_same():
    refit = TrackedFit(name="refits/pmf-seed-42", architecture="pmf", stage="refit", config={"factors": 8, "epochs": 3})
    same = replace(refit, config={"epochs": 3, "factors": 8})
    other = replace(refit, config={"factors": 16, "epochs": 3})
    assert kept_name(refit) == kept_name(same) != kept_name(other)
    assert kept_name(replace(refit, name="pmf-000", stage="search")) == "pmf-000"
