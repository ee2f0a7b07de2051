import pytest
from penstock_local.sagemaker.patterns import compile_pattern
from penstock_local.sagemaker.service_model import load_service_models


def matches(pattern: str, text: str) -> bool:
    compiled = compile_pattern(pattern)
    assert compiled is not None
    return compiled.fullmatch(text) is not None


@pytest.mark.parametrize(
    ("pattern", "accepted", "refused"),
    [
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 7/a", "a;b"),
        (r"\p{ASCII}*", "text/csv; q=1", "Größe"),
        (r"\A\S[\p{Print}]*\z", "p-1 of 2", " p-1"),
        (r"arn:[\p{Alnum}\-]+:lambda", "arn:aws-cn:lambda", "arn:aws.cn:lambda"),
    ],
)
def test_javas_classes_mean_the_same_here(pattern: str, accepted: str, refused: str) -> None:
    assert matches(pattern, accepted)
    assert not matches(pattern, refused)


def test_all_patterns_but_a_few_of_no_use_to_us_can_be_read() -> None:
    models = load_service_models()
    unread = {
        name
        for model in (models.control, models.runtime)
        for name in model.shape_names
        if (pattern := model.shape_for(name).metadata.get("pattern"))
        and compile_pattern(pattern) is None
    }

    surrogates = {"AthenaCatalog", "Catalog", "Database", "TableName"}
    # A `$` in the middle that is meant to be a count: nothing could ever match it.
    misprints = {"CustomerMetadataKey", "CustomerMetadataValue"}
    assert unread == surrogates | misprints
