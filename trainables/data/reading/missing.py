"""Words that say that a cell holds nothing, as pandas, R, SQL and Excel write them."""

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "nat", "<na>", "#n/a", "\\n"})  # in lower case


def is_missing(cell: str) -> bool:
    """Whether a cell says so, in upper or lower case, with spaces around or without."""
    return cell.strip().lower() in MISSING
