"""A trial: one fit on one worker, in a Ray Tune actor that serves trial after trial."""

from typing import Any

import ray
import torch
from ray import tune

from reeltune.cluster.runs.disk import UNSTORED
from reeltune.cluster.search.reasons import too_long
from reeltune.cluster.search.trial_fit import TrialData, TrialFit
from reeltune.trainables.errors import StorageFailed, one_line
from reeltune.trainables.fitting.allocator import keep_memory


class Trial(TrialFit, tune.Trainable):
    """Steps of at most a second; ends one at the rung, so that trials are compared at the same point."""

    def setup(self, config: dict[str, Any], data: TrialData, limit: float | None = None) -> None:
        torch.set_num_threads(1)
        keep_memory()
        self.data, self.limit = data, limit
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        device = "cuda" if ray.get_gpu_ids() else "cpu"  # by its own share, not by what the node has
        self.take(new_config, self.data, device)
        return True

    def step(self) -> dict[str, Any]:
        try:
            result = self.word()
        except StorageFailed as error:
            result = {"state": UNSTORED, "error": str(error), "done": True}
        except Exception as error:  # noqa: BLE001  The boundary of a trial: its fault is its own, and is recorded.
            result = {"state": "failed", "error": one_line(f"{type(error).__name__}: {error}"), "done": True}
        if self.limit is not None and self.worked > self.limit and not result["done"]:
            result = {"state": "failed", "error": too_long(self.limit), "done": True}
        return {**result, "seconds": self.worked, "earlier": self.earlier, "kept": self.kept}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:
        return {}  # Tune asks for one when it pauses a trial; a trial keeps its own states

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        pass
