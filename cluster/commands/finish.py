"""The end of a search: the sealed rows are opened once, each architecture is judged, and the files are written."""

from collections.abc import Callable
from typing import Any

from reeltune.cluster.data_parallel.orders import Fitted, Lost
from reeltune.cluster.judging.bundles import write_bundles
from reeltune.cluster.judging.details import details
from reeltune.cluster.judging.outcome import Searched
from reeltune.cluster.judging.predictions import write_predictions
from reeltune.cluster.judging.result import judged_result, score_all
from reeltune.cluster.runs.folder import RunFolder, write_json
from reeltune.trainables.data.prepared import Prepared, looks


def finish(
    searched: Searched,
    prepared: Prepared,
    folder: RunFolder,
    *,
    seconds: Callable[[], float],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Open the sealed rows, judge, and write everything. The result is what `--json` prints."""
    if not searched.choices:  # nothing to judge: the rows stay sealed
        result = {**judged_result(searched, {}, None, prepared, folder), "seconds": round(seconds(), 1)}
        write_json(folder.verdict, result)
        _show(folder)
        return result
    for came in searched.fitted.values():
        if isinstance(came, Lost):
            say(f"{came.key}: the refit failed: {came.reason}")
    rows, look = prepared.split.test.open(looks(), reason=f"tune, run {folder.name}")
    if look > 1:
        say(f"note: this is look number {look} at these test rows; the interval assumes the first")
    refits = searched.complete()
    scores = score_all(searched, rows, prepared)
    result = judged_result(searched, scores, rows, prepared, folder)
    write_predictions(folder, scores, rows, prepared)
    write_bundles(refits, result, searched, prepared, folder)
    result["seconds"] = round(seconds(), 1)
    beside = details(scores, rows, prepared, decoder=searched.decoder, look=look)
    refitting = sum(came.seconds for came in searched.fitted.values() if isinstance(came, Fitted))
    by = {"refit_seconds": round(refitting, 1), "refit_workers": searched.workers, "refit_device": searched.device}
    write_json(folder.verdict, {**result, **beside, **by})
    _show(folder)
    return result


def _show(folder: RunFolder) -> None:
    """Write the reports, and what TensorBoard shows of what was chosen."""
    # Imported here: while fits run, nothing loads the libraries that draw.
    from reeltune.cluster.report.write import write_reports
    from reeltune.cluster.tensorboard import chosen

    write_reports(folder)
    chosen.write(folder)
