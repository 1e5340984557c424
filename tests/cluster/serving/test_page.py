"""The page on the service: its commands are run, and its OpenAPI page opens in a real browser without the internet."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests import chromium

PAGE = (Path(__file__).parents[3] / "docs" / "serving.md").read_text()
COMMANDS = [
    " ".join(command.split()).replace("\\ ", "")
    for block in re.findall(r"^```sh\n(.*?)^```", PAGE, re.M | re.S)
    for command in re.findall(r"^curl .*(?:\n  .*)*", block, re.M)
]
OURS = {"196": "u1", "186": "u2", "Heat (1995)": "i1", "Fargo (1996)": "i2"}  # ids of the bundle that is served here


def test_there_are_commands_to_run():
    assert len(COMMANDS) == 7


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_page_is_answered(service, command):
    for theirs, ours in OURS.items():
        command = command.replace(f'"{theirs}"', f'"{ours}"')
    words = shlex.split(command.replace("http://127.0.0.1:8000", service.url))
    done = subprocess.run([*words, "-w", "\n%{http_code}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "200", done.stdout


@chromium.needed
def test_the_page_of_endpoints_opens_and_asks_without_the_internet(service):
    with chromium.chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        wrong, left = [], []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on(
            "request", lambda asked: None if asked.url.startswith((service.url, "data:")) else left.append(asked.url)
        )
        page.goto(f"{service.url}/docs")
        page.wait_for_selector("#operations-default-predict_predict_post")
        assert page.locator(".opblock").count() == 7
        page.click("#operations-default-predict_predict_post .opblock-summary-control")
        page.click("#operations-default-predict_predict_post .try-out__btn")
        page.click("#operations-default-predict_predict_post .execute")
        answer = page.wait_for_selector(
            "#operations-default-predict_predict_post .live-responses-table .highlight-code"
        )
        assert '"known_user": false' in answer.inner_text()  # the example's ids are none of this model's
        assert (wrong, left) == ([], [])
