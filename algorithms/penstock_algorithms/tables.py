"""Numbers from text: CSV and libsvm, as training files and as request bodies."""

import io
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from penstock_algorithms.errors import UnreadableDataError

Matrix = npt.NDArray[np.float64]

# A mistyped index must not become a matrix of that width.
MAX_INDEX = 1_000_000

# An empty field at the start of a line, between two commas or at the end of a line.
_EMPTY_FIELD = re.compile(rb"(?m)(?:(?<=,)|^)[ \t]*(?=,)|(?<=,)[ \t]*(?=\r?$)")


def parse_csv(body: bytes) -> Matrix:
    """Read comma-separated numbers, one row per line; an empty field is a missing value (NaN)."""
    body = body.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise UnreadableDataError("there are no rows")
    try:
        return _load(body)
    except ValueError as error:
        # Filling empty fields takes five times as long as parsing, so only where it is needed.
        filled = _EMPTY_FIELD.sub(b"nan", body)
        if filled == body:
            raise UnreadableDataError(_explain(str(error))) from error
    try:
        return _load(filled)
    except ValueError as error:
        raise UnreadableDataError(_explain(str(error))) from error


def _load(body: bytes) -> Matrix:
    return np.loadtxt(io.BytesIO(body), dtype=np.float64, delimiter=",", comments=None, ndmin=2)


def _explain(message: str) -> str:
    """Return numpy's words with rows and columns counted from 1, without its advice for coders."""
    message = message.partition("; use `usecols`")[0]
    return re.sub(r"at row (\d+), column (\d+)", _from_one, message)


def _from_one(found: re.Match[str]) -> str:
    # numpy counts rows from 0 and columns from 1.
    return f"at row {int(found[1]) + 1}, column {found[2]}"


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Rows of libsvm text: features by index, and the label of each row that has one."""

    labels: Matrix
    features: csr_matrix


def parse_libsvm(body: bytes, *, width: int = 0) -> LabelledRows:
    """Read `label index:value ...` per line; indices count as they stand, absent ones are missing.

    The label may be left out. The matrix has at least `width` columns.
    """
    labels: list[float] = []
    indices: list[int] = []
    values: list[float] = []
    starts = [0]
    for number, line in enumerate(body.decode("utf-8", "replace").splitlines(), start=1):
        tokens = line.partition("#")[0].split()
        if not tokens:
            continue
        try:
            labels.append(float("nan") if ":" in tokens[0] else float(tokens.pop(0)))
            for token in tokens:
                index, _, value = token.partition(":")
                indices.append(_index(index))
                values.append(float(value))
        except ValueError as error:
            raise UnreadableDataError(
                f"row {number} is not `label index:value ...`: {error}"
            ) from error
        starts.append(len(indices))
    if not labels:
        raise UnreadableDataError("there are no rows")
    shape = (len(labels), max(width, max(indices, default=-1) + 1))
    columns = (np.asarray(values, np.float64), np.asarray(indices, np.int32), np.asarray(starts))
    return LabelledRows(np.asarray(labels, np.float64), csr_matrix(columns, shape=shape))


def _index(text: str) -> int:
    index = int(text)
    if not 0 <= index <= MAX_INDEX:
        raise ValueError(f"index {index} is not in [0, {MAX_INDEX}]")
    return index
