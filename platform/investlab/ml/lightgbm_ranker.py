"""The ranker: LightGBM's LambdaRank over each session's instruments, the same to the bit on every run.

Source of the objective: Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", Microsoft Research 2010.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

import investlab.ml.openmp  # noqa: F401 - LightGBM's runtime has to be there before LightGBM

# isort: split
import lightgbm

from investlab.analytics.ranks import average_ranks
from investlab.core.errors import Corrupt, InvalidInput
from investlab.ml.lightgbm_text import MAX_LEAVES, MAX_TREES, check_model_text, trees_only
from investlab.ml.predictor import require_rows, require_utf8
from investlab.ml.training_sets import TrainingRows
from investlab.schemas.registry import ArtifactFormat, InputSignature

_SAME_BITS = {"deterministic": True, "force_row_wise": True, "num_threads": 1, "verbosity": -1}


@dataclass(frozen=True, slots=True)
class LightGBMRanker:
    """Learns to order the instruments of each session by the grade of their forward return.

    Forward returns are graded within their session into `grades` equal parts, 0 the lowest, so that no outlier and no
    market-wide move counts. The defaults keep trees shallow and leaves large: there is little to learn from prices, and
    what contributions cost at serving grows with the square of a tree's depth.

    Raises:
        InvalidInput: A parameter is out of range.
    """

    artifact_format: ClassVar[ArtifactFormat] = ArtifactFormat.LIGHTGBM_TEXT

    trees: int = 150
    leaves: int = 8
    depth: int = 3
    learning_rate: float = 0.03
    min_rows_in_leaf: int = 200
    feature_fraction: float = 0.7
    l2: float = 10.0
    grades: int = 5

    def __post_init__(self) -> None:
        whole = {
            "trees": (1, MAX_TREES),
            "leaves": (2, MAX_LEAVES),
            "depth": (1, 16),
            "min_rows_in_leaf": (1, 10**6),
            "grades": (2, 30),
        }
        for name, (least, most) in whole.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise InvalidInput(f"{name} is {value!r}.", remedy=f"Give a whole number from {least} to {most}.")
        real = {"learning_rate": (1e-6, 1.0), "feature_fraction": (0.01, 1.0), "l2": (0.0, 1e6)}
        for name, (lowest, highest) in real.items():
            number = getattr(self, name)
            if type(number) not in (int, float) or not lowest <= number <= highest:
                raise InvalidInput(f"{name} is {number!r}.", remedy=f"Give a number from {lowest:g} to {highest:g}.")

    def fit(self, rows: TrainingRows, seed: int) -> bytes:
        """Return the artifact; the same rows and seed give the same bytes on every run and number of threads."""
        data = lightgbm.Dataset(
            rows.features,
            grade_returns(rows.forward_returns, rows.groups, self.grades),
            group=rows.groups,
            feature_name=list(rows.names),
            params=dict(_SAME_BITS),
        )
        parameters = {
            **_SAME_BITS,
            "objective": "lambdarank",
            "num_leaves": self.leaves,
            "max_depth": self.depth,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_rows_in_leaf,
            "feature_fraction": self.feature_fraction,
            "lambda_l2": self.l2,
            "seed": seed,
        }
        booster = lightgbm.train(parameters, data, num_boost_round=self.trees)
        return trees_only(booster.model_to_string()).encode()


class LightGBMPredictor:
    """Scores rows with a model in LightGBM's text form, one row at a time on one thread."""

    def __init__(self, signature: InputSignature, booster: lightgbm.Booster) -> None:
        self.signature = signature
        self._booster = booster
        self._baseline = float(self._predict(np.zeros((1, len(signature.features))), contributions=True)[0, -1])

    @classmethod
    def load(cls, content: bytes, signature: InputSignature) -> "LightGBMPredictor":
        """Return the predictor in an artifact.

        Raises:
            Corrupt: The bytes are damaged or their features are not those of the signature.
        """
        text = require_utf8(content, "LightGBM model")
        trees = check_model_text(text, signature.features)
        try:
            booster = lightgbm.Booster(model_str=text)
        except lightgbm.basic.LightGBMError as error:
            raise _corrupt(f"LightGBM refuses it ({error})") from error
        if booster.num_trees() != trees or tuple(booster.feature_name()) != signature.features:
            raise _corrupt("LightGBM reads something else in it")
        return cls(signature, booster)

    def scores(self, rows: np.ndarray) -> np.ndarray:
        """Return the score of each row (n)."""
        return self._predict(rows, contributions=False)

    def contributions(self, rows: np.ndarray) -> np.ndarray:
        """Return each feature's SHAP value (n × features), as LightGBM computes it for trees.

        Source: Lundberg, Erion and Lee, "Consistent Individualized Feature Attribution for Tree Ensembles", 2018.
        """
        return self._predict(rows, contributions=True)[:, :-1]

    def baseline(self, rows: np.ndarray) -> np.ndarray:
        """Return the mean score of the rows learned from, for each row (n)."""
        return np.full(len(rows), self._baseline)

    def _predict(self, rows: np.ndarray, *, contributions: bool) -> np.ndarray:
        values = require_rows(rows, self.signature)
        if not len(values):
            return np.empty((0, values.shape[1] + 1) if contributions else 0)
        found = self._booster.predict(values, pred_contrib=contributions, num_threads=1)
        return np.asarray(found, dtype=np.float64)


def grade_returns(returns: np.ndarray, groups: np.ndarray, grades: int) -> np.ndarray:
    """Return each return's grade within its group, from 0 to grades − 1, equal returns sharing one."""
    found = np.empty(len(returns), dtype=np.int64)
    start = 0
    for count in groups.tolist():
        ranks = average_ranks(returns[np.newaxis, start : start + count])[0]
        found[start : start + count] = np.floor((ranks - 0.5) / count * grades)
        start += count
    return found


def _corrupt(reason: str) -> Corrupt:
    return Corrupt(f"The LightGBM model is damaged: {reason}.", remedy="Restore the artifact from a backup.")
