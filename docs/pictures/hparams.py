"""The picture of TensorBoard's HParams tab in docs/hparams.png.

    python docs/pictures/hparams.py            # of a smoke test, under two minutes
    python docs/pictures/hparams.py RUN        # of a run that is there

Needs Chromium on the path and `pip install playwright`, without a browser of playwright's own.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent.parent / "hparams.png"
REELTUNE = [sys.executable, "-m", "reeltune"]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SIZE = {"width": 1800, "height": 600}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?")
    asked = parser.parse_args().run
    with tempfile.TemporaryDirectory() as folder:
        if asked is None:
            subprocess.run([*REELTUNE, "tune", "--smoke-test", "--name", "smoke"], cwd=folder, check=True)
        run = asked or str(Path(folder) / "runs" / "smoke")
        board = subprocess.Popen([*REELTUNE, "board", run], stdout=subprocess.PIPE, text=True)
        try:
            assert board.stdout is not None
            take(board.stdout.readline().strip())
        finally:
            board.terminate()
            board.wait()


def take(address: str) -> None:
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{address}#hparams")
        page.get_by_text("Trial ID").first.wait_for()
        page.wait_for_timeout(3_000)  # the rows come after it
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
