import io
import pickle

from rich.console import Console

from reeltune.cluster.commands import progress
from reeltune.cluster.commands.progress import Watch
from reeltune.cluster.commands.under_way import UnderWay
from reeltune.cluster.tracking.tracker import EpochPoint


def point(epoch):
    return EpochPoint(epoch=epoch, train_loss=1.0, learning_rate=0.1, mse=None, argmax_mse=None)


def test_the_latest_epoch_of_a_fit_is_told():
    lines = []
    under_way = UnderWay(lines.append)
    under_way.update("svdpp-000-again1", [])
    under_way.update("svdpp-000-again1", [point(1), point(2)])
    under_way.update("refits/pmf, seed 1", [point(3)])
    assert lines == ["svdpp-000-again1: epoch 2 has ended", "pmf, seed 1: epoch 3 has ended"]


def test_it_can_be_pickled_as_tune_does_with_its_callbacks():
    pickle.dumps(UnderWay(Watch().under_way))


def test_a_log_has_the_line_only_after_a_silence(monkeypatch):
    watch = Watch()
    watch.console = Console(file=io.StringIO())
    watch.say("searching")
    watch.under_way("pmf-000: epoch 1 has ended")
    monkeypatch.setattr(progress, "SILENCE", 0.0)
    watch.under_way("pmf-000: epoch 2 has ended")
    assert watch.console.file.getvalue() == "searching\npmf-000: epoch 2 has ended\n"
