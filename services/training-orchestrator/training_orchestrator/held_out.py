"""The held-out rows of a dataset as numbers."""

import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow.csv as pacsv
from penstock.domain.errors import InvalidInput

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Features by row, and the labels where the file has them."""

    features: Numbers
    labels: Numbers | None

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.features)


def read_held_out(body: bytes, *, has_label: bool, at_most: int) -> HeldOut:
    """Read CSV without header, label first; of many rows take `at_most`, spread evenly.

    Raise InvalidInput where there is no row to judge by.
    """
    if not body.strip():
        raise InvalidInput("the test part of the dataset is empty: widen its range or its share")
    table = pacsv.read_csv(
        io.BytesIO(body),
        read_options=pacsv.ReadOptions(autogenerate_column_names=True),
        convert_options=pacsv.ConvertOptions(strings_can_be_null=True, null_values=[""]),
    )
    columns = [column.to_numpy().astype(np.float64) for column in table.columns]
    numbers = np.column_stack(columns)
    if len(numbers) > at_most:
        numbers = numbers[np.linspace(0, len(numbers) - 1, at_most).astype(int)]
    if has_label:
        return HeldOut(numbers[:, 1:], numbers[:, 0])
    return HeldOut(numbers, None)
