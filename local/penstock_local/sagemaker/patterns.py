"""Patterns of the service model are Java's: read them into Python's `re`."""

import re
from functools import lru_cache

# Inside a character class. Letters and numbers both become \w, marks come with it; what Python
# cannot name exactly is taken a little too wide, so that nothing AWS accepts is refused.
_CLASSES = {
    "L": r"\w", "N": r"\w", "M": r"\w", "Z": r"\s", "Alnum": "a-zA-Z0-9",
    "ASCII": r"\x00-\x7F", "Print": r"\x20-\x7E", "P": r"!-/:-@\[-`{-~¡-¿", "S": r"$+<=>^`|~¢-±×÷",
}  # fmt: skip
_TOKEN = re.compile(r"\\p\{(?P<named>\w+)\}|\\z|\\.|\[|\]", re.DOTALL)


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str] | None:
    """Compile for a full match, or None where Python has no way to say it (surrogate ranges)."""
    try:
        return re.compile(_translate(pattern))
    except re.error:
        return None


def _translate(pattern: str) -> str:
    in_class = False

    def replace(match: re.Match[str]) -> str:
        nonlocal in_class
        text = match.group()
        if text in "[]":
            in_class = text == "["
        elif text == r"\z":
            return r"\Z"
        elif name := match.group("named"):
            members = _CLASSES.get(name, r"\w\W")
            return members if in_class else f"[{members}]"
        return text

    return _TOKEN.sub(replace, pattern)
