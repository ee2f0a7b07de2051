"""One list of problems: the type checker's ids and the headings of the runbook agree with it."""

import re
from pathlib import Path
from typing import get_args

import pytest
from penstock.problems import PROBLEMS, RUNBOOK, Problem, ProblemId

ROOT = Path(__file__).parents[3]


def test_the_table_has_each_id_of_the_type_once() -> None:
    assert sorted(problem.id for problem in PROBLEMS) == sorted(get_args(ProblemId))


def test_the_runbook_has_one_section_for_each_problem() -> None:
    headings = re.findall(r"^#+ (PS-[A-Z-]+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(problem.id for problem in PROBLEMS)


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.id)
def test_a_problem_is_told_in_two_sentences(problem: Problem) -> None:
    for sentence in (problem.meaning, problem.first_look):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert ". " not in sentence
        assert "  " not in sentence
