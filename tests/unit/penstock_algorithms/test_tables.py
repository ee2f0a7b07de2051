import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock_algorithms.errors import UnreadableDataError
from penstock_algorithms.tables import parse_csv, parse_libsvm

NAN = float("nan")


@pytest.mark.parametrize(
    ("body", "rows"),
    [
        (b"1,2\n3,4\n", [[1, 2], [3, 4]]),
        (b"1,2\r\n3,4", [[1, 2], [3, 4]]),
        (b"\xef\xbb\xbf1,2", [[1, 2]]),
        (b"5", [[5]]),
        (b",1,\n2,,3\n", [[NAN, 1, NAN], [2, NAN, 3]]),
        (b",,\r\n1, ,3\r\n", [[NAN, NAN, NAN], [1, NAN, 3]]),
        (b"nan,NaN\n", [[NAN, NAN]]),
        (b"-1.5e-3,+2\n", [[-0.0015, 2]]),
    ],
)
def test_csv_becomes_rows(body: bytes, rows: list[list[float]]) -> None:
    np.testing.assert_array_equal(parse_csv(body), np.array(rows))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no rows"),
        (b"\n\n", "no rows"),
        (b"a,b\n1,2\n", "'a' to float64 at row 1, column 1"),
        (b"1,2\n3,x\n", "'x' to float64 at row 2, column 2"),
        (b"1,2\n3\n", "number of columns changed from 2 to 1 at row 2"),
        (b"1,,2\n3,x,\n", "'x' to float64 at row 2, column 2"),
    ],
)
def test_unreadable_csv_is_explained(body: bytes, words: str) -> None:
    with pytest.raises(UnreadableDataError) as caught:
        parse_csv(body)
    assert words in str(caught.value)


@given(st.binary(max_size=40))
def test_any_bytes_are_rows_or_unreadable(body: bytes) -> None:
    for parse in (parse_csv, parse_libsvm):
        try:
            parse(body)
        except UnreadableDataError:
            continue


numbers = st.none() | st.floats(allow_nan=False, width=64)


@given(
    st.integers(2, 5).flatmap(
        lambda n: st.lists(st.lists(numbers, min_size=n, max_size=n), min_size=1)
    )
)
def test_csv_round_trips_with_missing_values(rows: list[list[float | None]]) -> None:
    text = "\n".join(",".join("" if v is None else repr(v) for v in row) for row in rows)
    expected = np.array([[NAN if v is None else v for v in row] for row in rows])
    np.testing.assert_array_equal(parse_csv(text.encode()), expected)


def test_libsvm_becomes_labels_and_sparse_features() -> None:
    rows = parse_libsvm(b"1 0:2 3:4 # first\n\n0 1:5\n")
    assert rows.labels.tolist() == [1, 0]
    assert rows.features.toarray().tolist() == [[2, 0, 0, 4], [0, 5, 0, 0]]


def test_libsvm_may_lack_the_label_and_is_at_least_as_wide_as_asked() -> None:
    rows = parse_libsvm(b"1:5\n", width=4)
    assert np.isnan(rows.labels).tolist() == [True]
    assert rows.features.shape == (1, 4)


@pytest.mark.parametrize("body", [b"1 a:2", b"1 1", b"1 -1:2", b"x 1:2", b"1 99999999:1", b" "])
def test_unreadable_libsvm_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableDataError):
        parse_libsvm(body)


def test_twenty_thousand_rows_are_read() -> None:
    table = np.random.default_rng(0).normal(size=(20_000, 5)).round(4)
    text = io.BytesIO()
    np.savetxt(text, table, delimiter=",", fmt="%.4f")
    assert parse_csv(text.getvalue()).shape == (20_000, 5)
