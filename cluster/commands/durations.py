"""Durations in words."""


def words(seconds: float | None) -> str:
    """`about 40 s left`, `about 3 min left`, `about 1 h 20 min left`; "" if it is not known."""
    if seconds is None:
        return ""
    return f"about {spell(max(10, 10 * round(seconds / 10)) if seconds < 60 else seconds)} left"


def spell(seconds: float) -> str:
    """`40 s`, `3 min`, `1 h 20 min`: as exact as anybody needs it."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
