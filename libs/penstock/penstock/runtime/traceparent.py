"""The trace context that requests and messages carry: W3C traceparents. All pure but the dice.

www.w3.org/TR/trace-context; `tracestate` is not carried on.
"""

import os
import re

_HEADER = re.compile(
    r"(?!ff)([0-9a-f]{2})-((?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?"
)
_OURS = re.compile(r"00-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_IN_BODY = re.compile(r'"trace"\s?:\s?"(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})"')
_BODY_BEGINNING = 512


def read_traceparent(header: str) -> str:
    """What a sender's header says, in version 00; empty where it says nothing that is valid."""
    match = _HEADER.fullmatch(header)
    if match is None or (match[1] == "00" and match[3]):
        return ""
    return f"00-{match[2]}"


def new_traceparent(*, is_sampled: bool = False) -> str:
    """Start a trace; one that is not sampled still names its rows and log lines."""
    flags = "01" if is_sampled else "00"
    return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-{flags}"


def trace_id_of(traceparent: str) -> str:
    """Trace id of a traceparent; empty where it is not one."""
    match = _OURS.fullmatch(traceparent)
    return match[1] if match else ""


def is_sampled(traceparent: str) -> bool:
    """Whether somebody before records this trace."""
    return traceparent[-1:] in tuple("13579bdf")


def traceparent_in(body: str) -> str:
    """Trace context of a message, read off its beginning without opening it; may be empty."""
    match = _IN_BODY.search(body, 0, _BODY_BEGINNING)
    return match[1] if match else ""
