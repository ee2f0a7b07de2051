"""What can go wrong between a caller and the HTTP APIs.

PenstockClientError
├── ApiError      the API answered with an error: status, its name, its detail
├── Unreachable   nothing answered at that address
└── JobFailed     a job that was waited for ended otherwise than completed
"""


class PenstockClientError(Exception):
    """Root of the client's errors; the text tells a person what to do."""


class ApiError(PenstockClientError):
    """The API refused a request."""

    def __init__(self, status: int, error: str, detail: object, request_id: str = "") -> None:
        """Keep the parts of the API's error body."""
        self.status = status
        self.error = error
        self.detail = detail
        self.request_id = request_id
        super().__init__(f"{error} ({status}): {_readable(detail)}")


class Unreachable(PenstockClientError):
    """Nothing answered."""


class JobFailed(PenstockClientError):
    """A job ended otherwise than completed; `job` is the API's last word on it."""

    def __init__(self, job: dict[str, object]) -> None:
        """Say how it ended and why."""
        self.job = job
        reason = job.get("reason") or "no reason was given"
        super().__init__(f"job {job.get('job_id')} ended as {job.get('status')}: {reason}")


def _readable(detail: object) -> str:
    if isinstance(detail, list):
        return "; ".join(
            f"{fault.get('path')}: {fault.get('message')}"
            if isinstance(fault, dict)
            else str(fault)
            for fault in detail
        )
    return str(detail)
