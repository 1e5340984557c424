"""A trial of one worker: a Ray Tune Trainable, whose actor is reused for trial after trial."""

from dataclasses import replace

import ray
import torch
from ray import tune

from reeltune.cluster.search.messages import Limits, TuneDict, Update, failed, order_of, tune_result, unstored
from reeltune.cluster.search.reasons import too_long
from reeltune.cluster.search.trial_fit import TrialData, TrialFit
from reeltune.cluster.session.garbage import look_as_usual
from reeltune.trainables.architectures.source import described
from reeltune.trainables.errors import StorageFailed, one_line
from reeltune.trainables.fitting.allocator import keep_memory


class Trial(TrialFit, tune.Trainable):
    """A step is one progress update: of at most a second, and up to the rung, where trials are compared."""

    # `tune.with_parameters` gives what Tune itself does not.
    def setup(self, config: TuneDict, data: TrialData, limits: Limits) -> None:  # type: ignore[override]
        torch.set_num_threads(1)
        keep_memory()
        look_as_usual()
        self.data, self.limits = data, limits
        self.reset_config(config)

    def reset_config(self, new_config: TuneDict) -> bool:
        device = "cuda" if ray.get_gpu_ids() else "cpu"  # by its own share, not by what the node has
        self.assign(order_of(new_config), self.data, device)
        return True

    def step(self) -> TuneDict:
        update = self._update()
        limit = self.limits.of(self.order)
        if limit is not None and self.worked > limit and not update.done:
            update = failed(too_long(limit))
        return tune_result(replace(update, seconds=self.worked, earlier=self.earlier, kept=self.kept))

    def _update(self) -> Update:
        try:
            return self.advance()
        except StorageFailed as error:
            return unstored(str(error))
        except Exception as error:  # noqa: BLE001  The boundary of a trial: its fault is its own, and is recorded.
            return failed(one_line(described(error)))

    def save_checkpoint(self, checkpoint_dir: str) -> TuneDict:
        return {}  # Tune asks for one when it pauses a trial; a trial keeps its own states

    def load_checkpoint(self, checkpoint: TuneDict | None) -> None:
        pass
