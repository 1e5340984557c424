"""Words that say that a cell holds nothing, as pandas, R, SQL and Excel write them."""

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "<na>", "#n/a", "\\n"})  # in lower case
NO_TIME = "nat"  # as pandas writes it; not among MISSING, which ids are compared with: somebody may be called Nat


def is_missing(cell: str) -> bool:
    """Whether a cell says so, in upper or lower case, with spaces around or without."""
    return cell.strip().lower() in MISSING or cell.strip().lower() == NO_TIME
