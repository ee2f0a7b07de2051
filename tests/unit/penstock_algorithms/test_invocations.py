import pytest
from penstock_algorithms.errors import RefusedError
from penstock_algorithms.invocations import Predictor, answer_invocation
from penstock_algorithms.tables import Matrix, parse_csv


def add(rows: Matrix) -> list[float]:
    if rows.shape[1] != 2:
        raise RefusedError(400, "two columns, please")
    sums: list[float] = rows.sum(axis=1).tolist()
    return sums


PREDICTOR = Predictor(
    readers={"text/csv": parse_csv},
    predict=add,
    writers={"text/csv": lambda s: repr(s).encode(), "application/json": lambda _: b"{}"},
)


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "status", "answered"),
    [
        (b"1,2", "text/csv", None, 200, "text/csv"),
        (b"1,2", None, "*/*", 200, "text/csv"),
        (b"1,2", "Text/CSV; charset=utf-8", "application/json", 200, "application/json"),
        (b"1,2", "text/csv", "image/png, application/json;q=0.5", 200, "application/json"),
        (b"", "text/csv", None, 204, None),
        (b"1,2,3", "text/csv", None, 400, None),
        (b"1,2", "text/csv", "image/png", 406, None),
        (b"1,2", "image/png", None, 415, None),
        (b"one,two", "text/csv", None, 415, None),
    ],
)
def test_status_and_type_of_the_answer(
    body: bytes, content_type: str | None, accept: str | None, status: int, answered: str | None
) -> None:
    answer = answer_invocation(PREDICTOR, body, content_type=content_type, accept=accept)
    assert answer.status == status
    if answered:
        assert answer.content_type == answered


def test_a_refusal_says_why() -> None:
    answer = answer_invocation(PREDICTOR, b"x,1", content_type="text/csv", accept=None)
    assert b"the body is not text/csv" in answer.body
    assert b"'x'" in answer.body
