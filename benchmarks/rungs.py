"""How well the order of trials at a share of their schedule foretells the order of their ends.

    python benchmarks/rungs.py RUN    # a run of `reeltune tune --no-asha`

Spearman's rank correlation, over an architecture's finished trials, of the validation error at each share with
that at the end. This is what the place of the rung in cluster/search/schedulers.py was chosen by.
"""

import argparse

from scipy.stats import spearmanr

from reeltune.cluster.runs.find import find_run
from reeltune.cluster.runs.folder import Ledger

SHARES = (33, 50, 66, 80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    ledger = Ledger(find_run(parser.parse_args().run).ledger)
    names = dict.fromkeys(entry.architecture for entry in ledger.entries)
    print(f"| architecture | trials | {' | '.join(f'at {share}%' for share in SHARES)} |")
    print(f"| --- | ---: | {' | '.join('---:' for _ in SHARES)} |")
    for name in names:
        curves = [entry.curve for entry in ledger.of("search", name) if entry.state == "done"]
        figures = " | ".join(f"{correlation(curves, share):+.2f}" for share in SHARES)
        print(f"| {name} | {len(curves)} | {figures} |")


def correlation(curves: list[dict[int, float]], share: int) -> float:
    """Between the error at the first point from this share on, and the last one."""
    then = [curve[min(percent for percent in curve if percent >= share)] for curve in curves]
    return float(spearmanr(then, [curve[max(curve)] for curve in curves]).statistic)


if __name__ == "__main__":
    main()
