import json

import pytest
from penstock import resources
from penstock_local.state_machine import find_definition, names_for, render


def test_the_definition_of_the_service_names_only_what_there_is() -> None:
    path = find_definition()
    assert path is not None
    urls = {f"t-{queue.name}": f"http://127.0.0.1:1/0/t-{queue.name}" for queue in resources.QUEUES}
    rendered = render(path.read_text(), names_for("t", urls))
    assert "${" not in rendered
    assert '"t-jobs"' in rendered
    assert "/t-commands" in rendered
    assert json.loads(rendered)["StartAt"]


def test_what_step_functions_fills_in_itself_is_left_alone() -> None:
    definition = '{"Key.$": "$$.Execution.Name", "Table": "${jobs_table}"}'
    assert render(definition, {"jobs_table": "t-jobs"}) == definition.replace(
        "${jobs_table}", "t-jobs"
    )


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError, match="kafka_url"):
        render("${kafka_url}", {})
