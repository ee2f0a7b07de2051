"""Scores as text, in the forms that more than one algorithm answers in."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt

CSV = "text/csv"
JSON = "application/json"
JSON_LINES = "application/jsonlines"


def csv_lines(scores: npt.NDArray[Any]) -> bytes:
    """One line per row; the scores of several classes are joined by commas."""
    return b"".join(
        (",".join(map(str, row)) + "\n").encode() for row in scores.reshape(len(scores), -1)
    )


def json_list(name: str, scores: npt.NDArray[np.floating[Any]]) -> bytes:
    """`{"<name>": [{"score": ...}, ...]}`."""
    return json.dumps({name: [{"score": score} for score in scores.tolist()]}).encode()


def json_lines(scores: npt.NDArray[np.floating[Any]]) -> bytes:
    """`{"score": ...}` per line."""
    return b"".join(json.dumps({"score": score}).encode() + b"\n" for score in scores.tolist())
