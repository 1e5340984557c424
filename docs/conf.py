"""The documentation's site: the pages of this folder and the docstrings of the Python names. `make docs` builds it."""

from reeltune import __version__

project = "reeltune"
author = copyright = "The reeltune authors"
version = release = __version__
extensions = ["myst_nb", "sphinx.ext.autodoc"]
nb_execution_mode = "off"  # pages show the outputs that are kept: docs/notebooks/run.py makes them
html_theme = "furo"
html_title = f"reeltune {__version__}"
exclude_patterns = ["pictures", "_build"]
default_role = "code"  # docstrings have names in single backticks
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
myst_heading_anchors = 3
# Pages link to files of the repository that are no pages.
suppress_warnings = ["myst.xref_missing"]
