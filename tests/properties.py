"""How many examples a property is tried with: all of them in the gate, a tenth in `make check`."""

import os

from hypothesis import settings

IS_QUICK = os.environ.get("HYPOTHESIS_PROFILE") == "quick"


def examples(count: int) -> settings:
    """Settings of a property that wants a number of its own."""
    return settings(max_examples=max(10, count // 10) if IS_QUICK else count, deadline=None)
