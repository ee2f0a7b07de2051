import json
from pathlib import Path

import numpy as np
import pytest
from penstock_algorithms.contract import Layout
from penstock_algorithms.invocations import Answer, answer_invocation
from penstock_algorithms.randomcutforest.forest import LEAF, Forest, grow_forest
from penstock_algorithms.registry import load_algorithm

from tests.unit.penstock_algorithms.folders import failure, lay_out, train

FOREST = {"feature_dim": "2", "num_trees": "50", "num_samples_per_tree": "64", "seed": "3"}
RANDOM = np.random.default_rng(0)
CLOUD = RANDOM.normal(size=(500, 2))


def csv(rows: np.ndarray) -> str:
    return "\n".join(",".join(map(str, row)) for row in rows.tolist()) + "\n"


def run(tmp_path: Path, **changes: str) -> Layout:
    return lay_out(
        tmp_path,
        hyperparameters=FOREST | changes,
        channels={"train": csv(CLOUD)},
        content_type="text/csv;label_size=0",
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    layout = run(tmp_path_factory.mktemp("ml"))
    assert train("randomcutforest", layout) == 0
    return layout


def invoke(layout: Layout, body: str, **headers: str) -> Answer:
    predictor = load_algorithm("randomcutforest").load(layout.model)
    content_type = headers.get("content_type", "text/csv")
    return answer_invocation(
        predictor, body.encode(), content_type=content_type, accept=headers.get("accept")
    )


def expected_score(forest: Forest, row: np.ndarray, tree: int) -> float:
    """The docstring's formula, one row and one tree, as a recursion in plain numbers."""
    root = tree * forest.nodes_per_tree
    point = (row - forest.origin).astype(np.float32)

    def visit(node: int, depth: int) -> float:
        low, high = forest.low[node], forest.high[node]
        overshoot = float(
            sum(max(lo - x, x - hi, 0) for x, lo, hi in zip(point, low, high, strict=True))
        )
        sides = float((high - low).sum())
        p = overshoot / (overshoot + sides) if overshoot else 0.0
        if forest.cut_dimension[node] == LEAF:
            if overshoot:
                return 1 / (depth + 1)
            return 1 / (depth + float(np.log2(1 + forest.mass[node])))
        right = point[forest.cut_dimension[node]] > forest.cut_value[node]
        return p / (depth + 1) + (1 - p) * visit(root + forest.left[node] + int(right), depth + 1)

    return visit(root, 0) * float(np.log2(1 + forest.mass[root]))


def test_score_is_the_formula_of_its_docstring() -> None:
    forest = grow_forest(CLOUD, tree_count=5, points_per_tree=32, seed=1)
    rows = np.vstack([CLOUD[:20], RANDOM.normal(scale=4, size=(20, 2))])
    expected = [np.mean([expected_score(forest, row, t) for t in range(5)]) for row in rows]
    np.testing.assert_allclose(forest.scores(rows), expected, rtol=1e-2, atol=1e-3)


def test_a_row_far_from_all_others_scores_highest() -> None:
    forest = grow_forest(CLOUD, tree_count=50, points_per_tree=64, seed=1)
    scores = forest.scores(np.vstack([CLOUD, [[8, 8]]]))
    assert scores.argmax() == 500
    assert scores[500] > 2 * np.median(scores)


def test_every_tree_holds_its_whole_sample_and_children_share_their_parent_s_points() -> None:
    forest = grow_forest(CLOUD, tree_count=3, points_per_tree=40, seed=1)
    for tree in range(3):
        root = tree * forest.nodes_per_tree
        assert forest.mass[root] == 40
        for node in range(root, root + forest.nodes_per_tree):
            if forest.cut_dimension[node] != LEAF:
                left = root + forest.left[node]
                assert forest.mass[left] > 0
                assert forest.mass[left] + forest.mass[left + 1] == forest.mass[node]


def test_rows_that_are_all_equal_make_a_forest_too() -> None:
    forest = grow_forest(np.full((30, 3), 7.0), tree_count=50, points_per_tree=16, seed=0)
    same, other = forest.scores([[7, 7, 7], [7, 7, 8]])
    assert other > same


def test_values_far_from_zero_keep_their_differences() -> None:
    near = grow_forest(CLOUD, tree_count=50, points_per_tree=64, seed=1).scores(CLOUD[:50])
    far = grow_forest(CLOUD + 1e9, tree_count=50, points_per_tree=64, seed=1).scores(
        CLOUD[:50] + 1e9
    )
    np.testing.assert_allclose(near, far, rtol=0.02)


def test_the_largest_numbers_still_give_a_score() -> None:
    forest = grow_forest(CLOUD, tree_count=50, points_per_tree=16, seed=0)
    assert np.isfinite(forest.scores([[1e308, -1e308]])).all()


def test_same_seed_and_data_give_the_same_model_bytes(tmp_path: Path) -> None:
    models = []
    for name, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        layout = run(tmp_path / name, seed=seed)
        assert train("randomcutforest", layout) == 0
        models.append((layout.model / "forest.npz").read_bytes())
    assert models[0] == models[1]
    assert models[0] != models[2]


def test_scores_come_back_in_the_form_that_is_asked_for(trained: Layout) -> None:
    by_csv = json.loads(invoke(trained, "0,0\n9,9\n").body)
    instances = json.dumps({"instances": [{"features": [0, 0]}, {"features": [9, 9]}]})
    by_json = json.loads(invoke(trained, instances, content_type="application/json").body)
    assert by_csv == by_json
    normal, odd = (row["score"] for row in by_csv["scores"])
    assert odd > normal
    lines = invoke(
        trained,
        '{"features":[0,0]}\n{"features":[9,9]}\n',
        content_type="application/jsonlines",
        accept="application/jsonlines",
    )
    assert [json.loads(line)["score"] for line in lines.body.splitlines()] == [normal, odd]


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        ("1,2,3", "text/csv", 400),
        ("1,", "text/csv", 400),
        ("", "text/csv", 204),
        ('{"instances": [1]}', "application/json", 415),
        ('{"instances": [{"features": ["x", 1]}]}', "application/json", 415),
        ('{"instances": [{"features": [1]}, {"features": [1, 2]}]}', "application/json", 415),
        ("[", "application/json", 415),
        ('{"features": 1}', "application/jsonlines", 415),
        ("1,2", "image/png", 415),
    ],
)
def test_rows_it_cannot_score_are_refused(
    trained: Layout, body: str, content_type: str, status: int
) -> None:
    assert invoke(trained, body, content_type=content_type).status == status


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"feature_dim": "3"}, "'feature_dim' is 3, channel 'train' has 2 columns"),
        ({"num_trees": "10"}, "'num_trees' must be in [50, 1000]"),
    ],
)
def test_the_author_s_faults_are_told_in_the_failure_file(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    layout = run(tmp_path, **changes)
    assert train("randomcutforest", layout) == 1
    assert words in failure(layout)


def test_labels_and_missing_values_are_told_in_the_failure_file(tmp_path: Path) -> None:
    for name, text, content_type, words in (
        ("a", "1,2\n", "text/csv;label_size=1", "it must be text/csv;label_size=0"),
        ("b", "1,2\n3,\n", "text/csv;label_size=0", "missing value in row 2"),
    ):
        layout = lay_out(
            tmp_path / name,
            hyperparameters=FOREST,
            channels={"train": text},
            content_type=content_type,
        )
        assert train("randomcutforest", layout) == 1
        assert words in failure(layout)
