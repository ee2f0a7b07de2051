import json
import re
from pathlib import Path

import numpy as np
import pytest
import xgboost
from penstock_algorithms.contract import Layout
from penstock_algorithms.invocations import Answer, answer_invocation
from penstock_algorithms.registry import load_algorithm

from tests.unit.penstock_algorithms.folders import failure, lay_out, train

BINARY = {"num_round": "5", "objective": "binary:logistic", "eval_metric": "auc", "nthread": "1"}


def rows(count: int, *, seed: int = 1) -> str:
    """Label first; the label follows the first of three features, the second has gaps."""
    random = np.random.default_rng(seed)
    lines = []
    for a, b, c in random.normal(size=(count, 3)).round(4):
        lines.append(f"{int(a + random.normal(0, 0.3) > 0)},{a},{'' if b > 1 else b},{c}")
    return "\n".join(lines) + "\n"


def invoke(
    layout: Layout, body: str, *, accept: str = "text/csv", content_type: str = "text/csv"
) -> Answer:
    predictor = load_algorithm("xgboost").load(layout.model)
    return answer_invocation(predictor, body.encode(), content_type=content_type, accept=accept)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = lay_out(
        tmp_path_factory.mktemp("ml"), hyperparameters=BINARY, channels={"train": rows(400)}
    )
    assert train("xgboost", layout) == 0
    return layout


def test_every_round_prints_its_metrics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = lay_out(
        tmp_path,
        hyperparameters={**BINARY, "eval_metric": "logloss,auc"},
        channels={"train": rows(300), "validation": rows(100, seed=2)},
    )
    assert train("xgboost", layout) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [f"[{i}]" for i in range(5)]
    number = r":\d\.\d{5}"
    assert re.fullmatch(
        rf"\[4\]\ttrain-logloss{number}\ttrain-auc{number}"
        rf"\tvalidation-logloss{number}\tvalidation-auc{number}",
        lines[-1],
    )


def test_same_seed_and_data_give_the_same_model_bytes(tmp_path: Path) -> None:
    models = []
    for run, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        layout = lay_out(
            tmp_path / run,
            hyperparameters={**BINARY, "seed": seed, "subsample": "0.5", "colsample_bytree": "0.7"},
            channels={"train": rows(200)},
        )
        assert train("xgboost", layout) == 0
        models.append((layout.model / "xgboost-model").read_bytes())
    assert models[0] == models[1]
    assert models[0] != models[2]


def test_early_stopping_keeps_the_best_rounds_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    layout = lay_out(
        tmp_path,
        hyperparameters={
            **BINARY, "num_round": "200", "eta": "1", "eval_metric": "logloss",
            "early_stopping_rounds": "3",
        },
        channels={"train": rows(150), "validation": rows(150, seed=3)},
    )  # fmt: skip
    assert train("xgboost", layout) == 0
    losses = [float(line.rpartition(":")[2]) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) < 200
    booster = xgboost.Booster(model_file=bytearray((layout.model / "xgboost-model").read_bytes()))
    assert booster.num_boosted_rounds() == int(np.argmin(losses)) + 1


def test_a_json_model_of_any_file_name_is_served(tmp_path: Path, trained: Layout) -> None:
    booster = xgboost.Booster(model_file=bytearray((trained.model / "xgboost-model").read_bytes()))
    (tmp_path / "brought.json").write_bytes(booster.save_raw(raw_format="json"))
    elsewhere = Layout(tmp_path, tmp_path)
    assert invoke(elsewhere, "2,0,0").body == invoke(trained, "2,0,0").body


def test_binary_logistic_answers_one_probability_per_line(trained: Layout) -> None:
    scores = [float(line) for line in invoke(trained, "2,0,0\n-2,,0\n").body.split()]
    assert len(scores) == 2
    assert 0 < scores[1] < 0.5 < scores[0] < 1


def test_same_scores_in_every_form(trained: Layout) -> None:
    body = "2,0,0\n-2,,0\n"
    expected = pytest.approx([float(x) for x in invoke(trained, body).body.split()])
    as_json = json.loads(invoke(trained, body, accept="application/json").body)
    assert [row["score"] for row in as_json["predictions"]] == expected
    lines = invoke(trained, body, accept="application/jsonlines").body.splitlines()
    assert [json.loads(line)["score"] for line in lines] == expected


def test_one_row_and_twenty_thousand_rows_are_scored(trained: Layout) -> None:
    assert len(invoke(trained, "1,2,3").body.split()) == 1
    assert len(invoke(trained, "1,2,3\n" * 20_000).body.split()) == 20_000


def test_a_row_that_still_has_its_label_scores_like_the_row_without(trained: Layout) -> None:
    assert invoke(trained, "1,2,0,0").body == invoke(trained, "2,0,0").body


@pytest.mark.parametrize("body", ["1,2", "1,2,3,4,5"])
def test_rows_of_another_width_are_refused(trained: Layout, body: str) -> None:
    answer = invoke(trained, body)
    assert answer.status == 400
    assert b"the model was trained with 3" in answer.body


def test_libsvm_trains_and_scores(tmp_path: Path) -> None:
    layout = lay_out(
        tmp_path,
        hyperparameters={**BINARY, "num_round": "2"},
        channels={"train": "1 0:1 2:1\n0 1:1\n" * 50, "validation": "1 0:1\n0 1:1\n"},
        content_type="text/libsvm",
    )
    assert train("xgboost", layout) == 0
    answer = invoke(layout, "0:1 2:1\n0 1:1\n", content_type="text/libsvm")
    first, second = map(float, answer.body.split())
    assert first > second
    assert invoke(layout, "0 7:1", content_type="text/libsvm").status == 400


def test_softprob_answers_one_score_per_class(tmp_path: Path) -> None:
    layout = lay_out(
        tmp_path,
        hyperparameters={
            "num_round": "3", "objective": "multi:softprob", "num_class": "3", "nthread": "1"
        },
        channels={"train": "0,1\n1,2\n2,3\n" * 30},
    )  # fmt: skip
    assert train("xgboost", layout) == 0
    scores = [float(x) for x in invoke(layout, "2").body.split(b",")]
    assert len(scores) == 3
    assert np.argmax(scores) == 1
    ((row,),) = json.loads(invoke(layout, "2", accept="application/json").body).values()
    assert row["score"] == pytest.approx(scores)


@pytest.mark.parametrize(
    ("hyperparameters", "channels", "words"),
    [
        ({"objective": "binary:logistic"}, {"train": rows(9)}, "'num_round' is missing"),
        (BINARY, {"validation": rows(9)}, "Required channel 'train' is missing"),
        (BINARY, {"train": "label,a\n1,2\n"}, "file part-0.csv: could not convert string 'label'"),
        (BINARY, {"train": "1\n0\n"}, "the label must be followed by features"),
        (BINARY, {"train": "1,2\n,3\n"}, "'train' has no label in row 2"),
        (BINARY, {"train": "2,2\n0,3\n"}, "label 2 in row 1"),
        (
            BINARY,
            {"train": "1,2,3\n0,3,3\n", "validation": "2,3\n"},
            "'validation' has 2 columns, 'train' has 3; it seems to lack its label",
        ),
        (BINARY | {"early_stopping_rounds": "2"}, {"train": rows(9)}, "channel 'validation'"),
        (BINARY | {"objective": "multi:softmax"}, {"train": rows(9)}, "needs hyperparameter"),
        (BINARY | {"num_class": "3"}, {"train": rows(9)}, "goes with multi:softmax"),
        (BINARY | {"eval_metric": "bogus"}, {"train": rows(9)}, "Unknown metric function bogus"),
        (BINARY, {"train": "1,inf\n0,2\n"}, "Input data contains `inf`"),
    ],
)
def test_the_author_s_faults_are_told_in_the_failure_file(
    tmp_path: Path, hyperparameters: dict[str, str], channels: dict[str, str], words: str
) -> None:
    layout = lay_out(tmp_path, hyperparameters=hyperparameters, channels=channels)
    assert train("xgboost", layout) == 1
    assert failure(layout).startswith("Customer Error: ")
    assert words in failure(layout)
    assert "\n" not in failure(layout)


def test_an_empty_channel_and_an_unknown_content_type_are_told(tmp_path: Path) -> None:
    layout = lay_out(
        tmp_path / "a", hyperparameters=BINARY, channels={"train": "1"}, content_type="image/png"
    )
    assert train("xgboost", layout) == 1
    assert "content type image/png" in failure(layout)
    layout = lay_out(tmp_path / "b", hyperparameters=BINARY, channels={"train": "1"})
    (layout.base / "input" / "data" / "train" / "part-0.csv").unlink()
    assert train("xgboost", layout) == 1
    assert "Channel 'train' holds no files" in failure(layout)


def test_files_of_a_channel_are_read_together(tmp_path: Path) -> None:
    layout = lay_out(
        tmp_path, hyperparameters=BINARY, channels={"train": rows(50)}, content_type=None
    )
    (layout.base / "input" / "data" / "train" / "part-1.csv").write_text("1,2\n")
    assert train("xgboost", layout) == 1
    assert "has files of 2 and of 4 columns" in failure(layout)
