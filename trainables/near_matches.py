"""What somebody may have meant by a word that is none of those that are there."""

from collections.abc import Iterable
from difflib import get_close_matches

IGNORED = {ord(sign): None for sign in "_-. "}


def did_you_mean(word: str, there: Iterable[str]) -> str:
    """`; did you mean epochs?`, of the word there that is the most like this one; "" where none is like it.

    Case, blanks, `_`, `-` and `.` make no difference.
    """
    plain: dict[str, str] = {}
    for name in there:
        plain.setdefault(name.lower().translate(IGNORED), name)
    near = get_close_matches(word.lower().translate(IGNORED), plain, n=1)
    if not near:
        return ""
    name = plain[near[0]]
    return f"; did you mean {name if name.replace('_', '').replace('-', '').isalnum() else repr(name)}?"
