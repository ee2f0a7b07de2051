"""Which AWS calls each command makes is known: it is what its role in AWS must allow.

This runs after all other tests of the session; see `tests.fixtures.e2e`.
"""

import os
import warnings

import pytest
from penstock_local.api_calls.committed import (
    COMMITTED,
    in_words,
    read_committed,
    write_committed,
)
from penstock_local.api_calls.recorder import FILE, MOST_CALLS, read_calls
from penstock_local.stack import PenstockStack

REFRESH = "make record-calls"


# A call that was not made only warns: the clock decides whether a sweep or a second try comes by.
@pytest.mark.filterwarnings("default:calls that this run did not make")
@pytest.mark.last
def test_the_commands_made_the_calls_that_are_known(
    penstock_stack: PenstockStack, is_whole_suite: bool
) -> None:
    seen = {
        call
        for part in ("aws", "sagemaker")
        for call in read_calls(penstock_stack.state_dir / part / FILE)
    }
    assert len(seen) < MOST_CALLS, "the recorder is full: a resource is named by what users name"
    committed = read_committed()
    unknown = committed.unknown(seen)
    if os.environ.get("PENSTOCK_RECORD_CALLS") == "1":
        assert is_whole_suite, (
            f"{REFRESH} takes a run in which every test of tests/e2e passes; this one would have "
            f"added:\n{in_words(unknown)}"
        )
        write_committed(committed.refreshed(seen))
        return
    assert not unknown, (
        f"calls that {COMMITTED.name} does not know; if they are meant, {REFRESH} takes them in, "
        f"and the roles in infra/ must allow them:\n{in_words(unknown)}"
    )
    if unmade := committed.unmade(seen) if is_whole_suite else []:
        warnings.warn(
            f"calls that this run did not make; if no test makes them any more, {REFRESH} takes "
            f"them out of {COMMITTED.name}:\n{in_words(unmade)}",
            stacklevel=1,
        )
