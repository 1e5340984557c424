"""Runs the notebooks of this folder and writes their outputs into them: `python docs/notebooks/run.py`.

They take some minutes on 2 cores, and fetch MovieLens-100k. With `--small --to FOLDER` they run on made-up ratings, and
copies of them in FOLDER get the outputs: for tests.
"""

import argparse
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SMALL = {
    '"ml-100k"': '"synthetic:users=60,items=40,ratings=900"',
    "TRIALS = 5": "TRIALS = 1",
    "trials=TRIALS": "trials=TRIALS, concurrent=1",
}
WIDGET = "application/vnd.jupyter.widget-view+json"  # of the live cell, which is empty in the end


def executed(notebook: nbformat.NotebookNode, *, small: bool) -> nbformat.NotebookNode:
    """The notebook with the outputs of its cells, run in a folder that is thrown away. Raises at the first error."""
    for before, after in SMALL.items() if small else ():
        for cell in notebook.cells:
            cell.source = cell.source.replace(before, after)
    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            notebook,
            timeout=1200,
            record_timing=False,
            resources={"metadata": {"path": folder}},
        )
        client.execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if WIDGET not in output.get("data", {})]
    return notebook


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--small", action="store_true")
    options.add_argument("--to", type=Path, default=HERE)
    options.add_argument("names", nargs="*", default=sorted(path.name for path in HERE.glob("*.ipynb")))
    asked = options.parse_args()
    for name in asked.names:
        nbformat.write(executed(nbformat.read(HERE / name, as_version=4), small=asked.small), asked.to / name)


if __name__ == "__main__":
    main()
