"""The agreement of SQL and worker over many more histories than the quick test has time for."""

import pytest
from hypothesis import given, settings
from penstock.domain.datasets import Label
from penstock.domain.frames import FrameDefinition

from tests.unit.training_orchestrator.test_prepare_sql import (
    History,
    assert_same_frames,
    definitions,
    histories,
    labels,
)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(definitions(), labels, histories)
def test_sql_and_worker_make_the_same_frames_however_the_history_looks(
    definition: FrameDefinition, label: Label, history: History
) -> None:
    assert_same_frames(definition, label, history)
