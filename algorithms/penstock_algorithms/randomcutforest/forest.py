"""A random cut forest in numpy: every step is taken for all rows and all trees at once.

Source: S. Guha, N. Mishra, G. Roy, O. Schrijvers, "Robust Random Cut Forest Based Anomaly
Detection On Streams", ICML 2016; the score is the expected depth form that AWS's random cut forest
uses in place of the paper's displacement.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int32]

LEAF = -1

# Rows scored together: their boxes should stay in the cache of a core.
_ROWS_AT_ONCE = 64
# What a row may still add to its score once this little of it has not been cut off.
_NEGLIGIBLE = 1e-4


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees as flat arrays, `nodes_per_tree` places for each tree, its root first.

    A node is a box (`low`, `high`) around its `mass` points. An inner node cuts at `cut_value` in
    `cut_dimension`; its right child follows its `left` one. Points are relative to `origin`, which
    keeps single precision exact enough for values far from zero.
    """

    origin: npt.NDArray[np.float64]
    low: Floats
    high: Floats
    cut_dimension: Integers
    cut_value: Floats
    left: Integers
    mass: Integers
    tree_count: int
    sides: npt.NDArray[np.float64] = field(init=False)  # side lengths of each box, added up

    def __post_init__(self) -> None:
        sides = (self.high - self.low).sum(axis=1, dtype=np.float64)
        object.__setattr__(self, "sides", sides)

    @property
    def nodes_per_tree(self) -> int:
        return len(self.mass) // self.tree_count

    def scores(self, rows: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Return one anomaly score per row: around 1 for the ordinary, higher for the rare.

        The score is the mean over the trees of log2(1 + n) * E[1 / depth], n being the points of a
        tree and depth the one at which the row would be cut off from them if it were inserted.
        On its way down, at a node of depth d whose box has side lengths that add up to s, and which
        the row overshoots by o in all (L1), a random cut separates the row with probability
        p = o / (o + s) and then it counts 1 / (d + 1); else it goes on into the child that the
        node's own cut sends it to. A row that equals the leaf that it reaches counts
        1 / (d + log2(1 + mass of the leaf)).
        """
        centred = _centre(rows, self.origin)
        parts = [
            self._score_together(centred[start : start + _ROWS_AT_ONCE])
            for start in range(0, len(centred), _ROWS_AT_ONCE)
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def _score_together(self, rows: Floats) -> npt.NDArray[np.float64]:
        # One walk per row and tree; `reach` is the share of it that no cut has separated yet.
        row = np.repeat(np.arange(len(rows)), self.tree_count)
        root = np.tile(np.arange(self.tree_count) * self.nodes_per_tree, len(rows))
        total = np.zeros(len(row))
        walk, node, reach, depth = np.arange(len(row)), root, np.ones(len(row)), 0
        while walk.size:
            values = rows[row[walk]]
            inside = np.clip(values, self.low[node], self.high[node])
            overshoot = np.abs(values - inside).sum(axis=1, dtype=np.float64)
            separated = overshoot / np.maximum(overshoot + self.sides[node], 1e-300)
            total[walk] += reach * separated / (depth + 1)
            reach = reach * (1 - separated)
            leaf = self.cut_dimension[node] == LEAF
            found = leaf & (overshoot == 0)
            total[walk[found]] += reach[found] / (depth + np.log2(1 + self.mass[node[found]]))
            further = ~leaf & (reach > _NEGLIGIBLE)
            walk, node, reach = walk[further], node[further], reach[further]
            value = rows[row[walk], self.cut_dimension[node]]
            node = root[walk] + self.left[node] + (value > self.cut_value[node])
            depth += 1
        mean: npt.NDArray[np.float64] = total.reshape(len(rows), self.tree_count).mean(axis=1)
        return mean * float(np.log2(1 + self.mass[0]))


def grow_forest(rows: npt.ArrayLike, *, tree_count: int, points_per_tree: int, seed: int) -> Forest:
    """Grow each tree over its own random sample, drawn without putting back."""
    origin = np.asarray(rows, np.float64).mean(axis=0)
    points = _centre(rows, origin)
    random = np.random.default_rng(seed)
    size = min(points_per_tree, len(points))
    trees = [
        _grow_tree(points[random.choice(len(points), size, replace=False)], random)
        for _ in range(tree_count)
    ]
    names = ("low", "high", "cut_dimension", "cut_value", "left", "mass")
    arrays: dict[str, Any] = {
        name: np.concatenate([tree[name] for tree in trees]) for name in names
    }
    return Forest(origin=origin, tree_count=tree_count, **arrays)


def _centre(rows: npt.ArrayLike, origin: npt.NDArray[np.float64]) -> Floats:
    # Larger numbers would overflow in single precision, and the score would not be a number.
    return np.clip(np.asarray(rows, np.float64) - origin, -1e30, 1e30).astype(np.float32)


def _grow_tree(points: Floats, random: np.random.Generator) -> dict[str, npt.NDArray[Any]]:
    size = 2 * len(points) - 1
    boxes = np.zeros((2, size, points.shape[1]), np.float32)
    cut_dimension, left, mass = np.full(size, LEAF, np.int32), *np.zeros((2, size), np.int32)
    cut_value = np.zeros(size, np.float32)
    used = 1
    waiting = [(0, np.arange(len(points)))]
    while waiting:
        node, members = waiting.pop()
        inside = points[members]
        boxes[0, node], boxes[1, node] = inside.min(axis=0), inside.max(axis=0)
        mass[node] = len(members)
        if np.array_equal(boxes[0, node], boxes[1, node]):
            continue  # one point, or the same one several times
        cut_dimension[node], cut_value[node] = _cut(boxes[0, node], boxes[1, node], random)
        left[node] = used
        goes_left = inside[:, cut_dimension[node]] <= cut_value[node]
        waiting += [(used, members[goes_left]), (used + 1, members[~goes_left])]
        used += 2
    return {
        "low": boxes[0],
        "high": boxes[1],
        "cut_dimension": cut_dimension,
        "cut_value": cut_value,
        "left": left,
        "mass": mass,
    }


def _cut(low: Floats, high: Floats, random: np.random.Generator) -> tuple[int, np.float32]:
    """Choose a side of the box by its length, and a place on it uniformly, below its end."""
    lengths = high.astype(np.float64) - low
    ends = np.cumsum(lengths)
    at = random.random() * ends[-1]
    dimension = min(int(np.searchsorted(ends, at, side="right")), len(ends) - 1)
    value = np.float32(high[dimension] - (ends[dimension] - at))
    if not low[dimension] <= value < high[dimension]:
        value = low[dimension]  # rounding must leave a point on either side
    return dimension, value
