"""The documentation's site: `make docs` fails at a page that no table of contents has."""

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent / "docs"


def test_every_page_and_notebook_is_in_the_table_of_contents():
    listed = re.findall(r"^([\w/-]+)$", (DOCS / "index.md").read_text(), re.M)
    pages = [*DOCS.glob("*.md"), *DOCS.glob("notebooks/*.ipynb")]
    assert sorted(listed) == sorted(
        str(page.relative_to(DOCS).with_suffix("")) for page in pages if page.stem != "index"
    )
