"""The first lines of a service: its address and the model, a command that asks it, its page."""

import json
import shlex

from reeltune.cluster.serving.holder import Holder
from reeltune.cluster.serving.options import KEY_HEADER, ServeOptions


def greeting(holder: Holder, options: ServeOptions, host: str, port: int) -> tuple[str, str, str]:
    """Of a service that listens at this host and port."""
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    predictor = holder.answers.predictor
    about, judged = predictor.description, predictor.description.judged
    weighed = "" if about.fitted_on is None or about.fitted_on.weight_column is None else " by weight"
    errors = "" if judged is None else f", {judged.metric} {judged.error:.4f} on test rows{weighed} ({judged.verdict})"
    user, item = predictor.users.text[0], predictor.items.text[0]
    pair = {"user": user, "item": item, **({"time": about.date or "2026-01-01"} if predictor.timed else {})}
    body = shlex.quote(json.dumps({"pairs": [pair]}, ensure_ascii=False))
    key = "" if options.api_key is None else f' -H "{KEY_HEADER}: {options.key_in_shell}"'
    return (
        f"{url}: {about.architecture} of {about.data}{errors}, from {options.model} ({holder.answers.name})",
        f"curl -s {url}/predict -H 'Content-Type: application/json'{key} -d {body}",
        f"its page: {url}/docs",
    )
