"""A real Chromium that opens a file, and what it says of it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
FOUND = next((path for path in map(shutil.which, NAMES) if path), None)
needed = pytest.mark.skipif(FOUND is None, reason=f"none of {', '.join(NAMES)} is on the PATH")


@dataclass
class Opened:
    """A page, with what went wrong in it so far."""

    page: Page
    wrong: list[str] = field(default_factory=list)

    def of_each(self, selector: str, what: str) -> list[str]:
        return self.page.eval_on_selector_all(selector, f"all => all.map(each => each.{what})")

    def overflow(self) -> int:
        """Pixels by which the page is wider than the window."""
        return self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=FOUND, args=ARGUMENTS)
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, *, width: int) -> Opened:
    """Open a file. Errors, dialogs and requests that leave this machine count as wrong."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    seen = Opened(page=page)
    page.on("console", lambda message: seen.wrong.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: seen.wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (seen.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda request: seen.wrong.append(f"request: {request.url}") if _leaves(request.url) else None)
    page.goto(path.absolute().as_uri())
    return seen


def _leaves(url: str) -> bool:
    return not url.startswith(("file:", "data:", "blob:"))
