"""Forms of the query protocol."""

from urllib.parse import parse_qsl, urlencode

from hypothesis import given
from hypothesis import strategies as st
from penstock.adapters.form_body import form_body, write_form

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(), st.booleans())))
def test_a_form_is_what_the_standard_library_writes(fields: dict[str, object]) -> None:
    assert form_body(fields) == urlencode(list(fields.items()), doseq=True).encode()


@given(st.text('%+ &=/"{}25é~'))
def test_quotes_are_not_quoted_again(text: str) -> None:
    ((_, read),) = parse_qsl(form_body({"Message": text}).decode(), keep_blank_values=True)
    assert read == text


def test_a_body_that_is_no_form_stays() -> None:
    params = {"body": b"bytes", "headers": {}}
    write_form(params, model=None, context={})
    assert params["body"] == b"bytes"
