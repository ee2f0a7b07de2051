"""What can go wrong that is not a bug, for training and for serving."""


class CustomerError(Exception):
    """The author of the job can mend it; its text becomes the job's failure reason."""


class UnreadableDataError(ValueError):
    """Bytes unlike their content type: a CustomerError in training, 415 in serving."""


class RefusedError(Exception):
    """An invocation that is answered with `status` and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
