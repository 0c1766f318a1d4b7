"""scikit-learn estimators and pipelines as ONNX files, by skl2onnx."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from lsmi_etl._example import Rows
from lsmi_etl.errors import Usage

__all__ = ["SklearnModel", "is_estimator"]


def is_estimator(model: Any) -> bool:
    """Whether this is an estimator of scikit-learn. Where there is one, scikit-learn has been imported."""
    base = sys.modules.get("sklearn.base")
    return base is not None and isinstance(model, base.BaseEstimator)


class SklearnModel:
    """An estimator and the example that it is compared on. ``kind`` is "density" or "classifier"."""

    def __init__(self, name: str, kind: str, estimator: Any, inputs: Sequence[Rows], opset: int | None) -> None:
        import numpy as np

        needed = "score_samples" if kind == "density" else "predict_proba"
        if not hasattr(estimator, needed):
            raise Usage(f"{name}: {type(estimator).__name__} has no {needed}, which a {kind} needs")
        self._name = name
        self._kind = kind
        self._estimator = estimator
        self._opset = opset
        parts = [np.frombuffer(rows.values, dtype=np.float32).reshape(rows.count, rows.dim) for rows in inputs]
        self._x = np.concatenate(parts, axis=1)

    @property
    def classes(self) -> list[Any] | None:
        """The classes in the order of the probabilities."""
        found = getattr(self._estimator, "classes_", None) if self._kind == "classifier" else None
        return None if found is None else list(found.tolist())

    def values(self) -> Any:
        """-ln p(x) or p(y|x) of the example, as nested lists."""
        try:
            if self._kind == "density":
                return (-self._estimator.score_samples(self._x)).tolist()
            return self._estimator.predict_proba(self._x).tolist()
        except Exception as error:
            raise Usage(f"{self._name}: the estimator fails on the example, {list(self._x.shape)}: {error}") from error

    def write(self, path: str) -> None:
        """Exports the estimator: probabilities [n, C], or -ln p(x) [n, 1].

        Raises :class:`Usage` where skl2onnx is missing or cannot convert it.
        """
        try:
            import onnx
            import skl2onnx
            from skl2onnx.common.data_types import FloatTensorType
        except ImportError as error:
            raise Usage(f"{self._name}: scikit-learn models are exported by skl2onnx: pip install skl2onnx") from error
        estimator = self._estimator
        last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
        wanted = {"score_samples": True} if self._kind == "density" else {"zipmap": False}
        try:
            model = skl2onnx.to_onnx(
                estimator,
                initial_types=[("x", FloatTensorType([None, self._x.shape[1]]))],
                options={id(last): wanted},
                target_opset=self._opset,
            )
        except Exception as error:
            raise Usage(f"{self._name}: skl2onnx cannot convert {type(estimator).__name__}: {error}") from error
        if self._kind == "density":
            _negate(model.graph)
        onnx.save(model, path)


def _negate(graph: Any) -> None:
    """-ln p(x) as the only output, in place of labels, probabilities and ln p(x)."""
    import onnx

    log_p = next(output for output in graph.output if output.name == "score_samples")
    graph.node.append(onnx.helper.make_node("Neg", [log_p.name], ["h"]))
    del graph.output[:]
    graph.output.append(onnx.helper.make_tensor_value_info("h", onnx.TensorProto.FLOAT, [None, 1]))
