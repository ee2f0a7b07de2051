"""The error tree: what is caught tells what to do next.

PenstockError
├── InvalidInput   never retry      UnknownFormat, MalformedPayload, UnsupportedVersion ...
├── NotFound       never retry      UnknownEndpoint, UnknownJob, UnknownAsset, UnknownObject
├── Conflict       already decided  IllegalTransition, AlreadyAccepted, VersionConflict
└── Unavailable    retry later      EndpointUnavailable, Throttled, StoreUnavailable, NotYet

Anything else is a bug.
`runtime.http` maps the families to HTTP, `runtime.retrying` to queues.
"""


class PenstockError(Exception):
    """Root of every error that is expected to happen and that callers may catch."""


class InvalidInput(PenstockError):
    """The input can never succeed: refuse it with a reason a person can act on."""


class UnknownFormat(InvalidInput):
    """A payload is JSON, but of no shape that we know."""


class MalformedPayload(InvalidInput):
    """Bytes are not what their format says."""


class UnsupportedVersion(InvalidInput):
    """A message is of a version that this build does not read."""


class ForbiddenAddress(InvalidInput):
    """A source points at an address that it may not reach."""


class NotFound(PenstockError):
    """What was named does not exist."""


class UnknownEndpoint(NotFound):
    """No endpoint of that name is deployed."""


class UnknownJob(NotFound):
    """No training job of that id."""


class UnknownAsset(NotFound):
    """No asset of that name."""


class UnknownObject(NotFound):
    """No object under that key."""


class Conflict(PenstockError):
    """Somebody else decided already; for a message that means done."""


class IllegalTransition(Conflict):
    """A status cannot be left in that direction any more."""


class AlreadyAccepted(Conflict):
    """The same idempotency key was used for another body."""


class VersionConflict(Conflict):
    """A conditional write lost: read again and merge."""


class Unavailable(PenstockError):
    """A dependency does not answer now; the same call may succeed later."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """Keep how long the dependency asked us to wait, where it said so."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class EndpointUnavailable(Unavailable):
    """A model endpoint is missing capacity, restarting or failing."""


class Throttled(Unavailable):
    """A dependency asks us to slow down."""


class StoreUnavailable(Unavailable):
    """A data base, bucket or queue does not answer."""


class NotYet(Unavailable):
    """Nothing failed: the message is about a later moment, and is given back until then."""
