"""The file from which a resumed run goes on in the runs of before."""

from reeltune.cluster.runs.folder import RunFolder
from reeltune.cluster.trackers.kept import RUN, Kept


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
