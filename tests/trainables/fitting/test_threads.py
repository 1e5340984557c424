import pytest
import torch

from reeltune.trainables.fitting.threads import LARGE, WAITING, on_threads, one_thread, threads_for


def test_the_number_of_threads_is_as_before_after_an_error():
    before = torch.get_num_threads()
    seen = []

    def failing():
        with on_threads(before + 2):
            seen.append(torch.get_num_threads())
            with one_thread():
                seen.append(torch.get_num_threads())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert seen == [before + 2, 1]
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("policy", "rows", "threads"),
    [
        ("PASSIVE", LARGE, 4),
        ("passive", LARGE, 4),
        ("PASSIVE", LARGE - 1, 1),
        ("ACTIVE", LARGE, 1),
        (None, LARGE, 1),
    ],
)
def test_only_large_fits_whose_idle_threads_sleep_use_all_cores(monkeypatch, policy, rows, threads):
    monkeypatch.delenv(WAITING, raising=False)
    if policy is not None:
        monkeypatch.setenv(WAITING, policy)
    assert threads_for(rows, cores=4) == threads
