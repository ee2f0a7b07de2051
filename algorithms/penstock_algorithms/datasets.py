"""A channel's files as one table."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from penstock_algorithms.contract import Channel
from penstock_algorithms.errors import CustomerError, UnreadableDataError
from penstock_algorithms.tables import Matrix, parse_csv

Rows = TypeVar("Rows")


def read_files(channel: Channel, parse: Callable[[bytes], Rows]) -> Iterator[Rows]:
    """Yield each file of the channel; an unreadable one is named, and so is an empty channel."""
    path = None
    for path in channel.files():
        try:
            yield parse(path.read_bytes())
        except UnreadableDataError as error:
            file = path.relative_to(channel.folder)
            raise CustomerError(f"Channel '{channel.name}', file {file}: {error}") from error
    if path is None:
        raise CustomerError(f"Channel '{channel.name}' holds no files")


def read_csv_channel(channel: Channel) -> Matrix:
    """Stack the CSV files of a channel, which must all have the same columns."""
    parts = list(read_files(channel, parse_csv))
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1:
        raise CustomerError(
            f"Channel '{channel.name}' has files of {widths[0]} and of {widths[-1]} columns"
        )
    return parts[0] if len(parts) == 1 else np.vstack(parts)
