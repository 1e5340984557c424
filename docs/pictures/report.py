"""The picture of a report's head in docs/report.png: `python docs/pictures/report.py RUN`.

Needs Chromium on the path and `pip install playwright`, without a browser of playwright's own.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

PICTURE = Path(__file__).parent.parent / "report.png"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
SIZE = {"width": 1120, "height": 800}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    run = parser.parse_args().run
    made = subprocess.run(
        [sys.executable, "-m", "reeltune", "report", run], stdout=subprocess.PIPE, text=True, check=True
    )
    take(Path(made.stdout.strip()))


def take(page_file: Path) -> None:
    """From the top to the end of the forest plot."""
    with sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        page = browser.new_page(viewport=SIZE)
        page.goto(page_file.absolute().as_uri())
        end = page.locator("figure.forest").bounding_box()
        assert end is not None
        height = end["y"] + end["height"] + 24
        page.screenshot(path=PICTURE, clip={"x": 0, "y": 0, "width": SIZE["width"], "height": height}, full_page=True)
        browser.close()


if __name__ == "__main__":
    main()
