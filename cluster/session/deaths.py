"""Why one of Ray's worker processes has died, as far as Ray's message tells, in words."""

import re

OUT_OF_MEMORY, KILLED = "ran out of memory", "was killed, for memory perhaps, or crashed"


def cause(text: str, *, who: str = "it", whose: str = "its") -> str | None:
    """The cause that Ray's message on the death of a process has; None of one that has another, or none.

    The first is of Ray's own memory monitor. The kernel, at the limit of a container, kills without a word.
    """
    if "low on memory" in text:
        used = re.search(r"was (\S+) used / (\S+) limit", text)
        return f"{whose} machine {OUT_OF_MEMORY}" + (f" ({used[1]} of {used[2]} used)" if used else "")
    if "worker process has died" in text:
        return f"{who} {KILLED}"
    return None


def may_be_memory(reason: str) -> bool:
    """Whether more memory might have helped where this is the reason."""
    return OUT_OF_MEMORY in reason or KILLED in reason
