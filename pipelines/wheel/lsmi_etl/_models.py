"""A model of a set of modalities that is to be packed: what it is, what it returns for the example, its ONNX file."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

from lsmi_etl._example import Rows
from lsmi_etl._pytorch import TorchModel, is_module
from lsmi_etl._sklearn import SklearnModel, is_estimator
from lsmi_etl.errors import BadBundle, NoInput, Usage

__all__ = ["PackedModel", "modalities_of"]

#: How far a sum of probabilities may be from one, in half precision.
_SUM_TOLERANCE = 5e-3


class PackedModel:
    """A density or classifier (``kind``) of ``modalities``, numbers from 1 in ascending order."""

    def __init__(
        self,
        kind: str,
        modalities: tuple[int, ...],
        model: Any,
        rows: Sequence[Rows],
        exporter: str,
        opset: int | None,
    ) -> None:
        self.kind = kind
        self.modalities = modalities
        self.set = "".join(map(str, modalities))
        self.name = f"{kind} {self.set}"
        inputs = [rows[modality - 1] for modality in modalities]
        self._model: TorchModel | SklearnModel | _OnnxModel
        if is_module(model):
            self._model = TorchModel(self.name, model, inputs, exporter, opset)
        elif is_estimator(model):
            self._model = SklearnModel(self.name, kind, model, inputs, opset)
        else:
            self._model = _OnnxModel(self.name, model)
        #: What the model returns for the example; None for a file, which is not run here.
        self._values: Any = self._model.values()

    @property
    def classes(self) -> list[Any] | None:
        """The classes in the order of the outputs, where the model knows them."""
        return self._model.classes

    def output_kind(self) -> str:
        """What a classifier returns, by its rows' sums.

        Raises :class:`Usage` for a file, which is not run here.
        """
        if self._values is None:
            raise Usage(f"{self.name} is an ONNX file: say in output what it returns, logits, prob or log-prob")
        table = self._table()
        if all(min(row) >= 0 and abs(sum(row) - 1) < _SUM_TOLERANCE for row in table):
            return "prob"
        if all(max(row) <= _SUM_TOLERANCE and abs(_log_sum_exp(row)) < _SUM_TOLERANCE for row in table):
            return "log-prob"
        return "logits"

    def h(self) -> list[float] | None:
        """-ln p(x) of the example's rows, in nats; None for a file."""
        if self._values is None:
            return None
        return [row[0] if isinstance(row, list) and len(row) == 1 else _number(self.name, row) for row in self._values]

    def log_prob(self, output: str, classes: Sequence[Any]) -> list[list[float]] | None:
        """ln p(y|x) of the example's rows in nats, of ``classes`` in this order; None for a file."""
        if self._values is None:
            return None
        table = self._table()
        if output == "prob":
            table = [[math.log(p) if p > 0 else -math.inf for p in row] for row in table]
        else:
            table = [[value - _log_sum_exp(row) for value in row] for row in table]
        if self.classes is None:
            return table
        places = [self.classes.index(one) for one in classes]
        return [[row[place] for place in places] for row in table]

    def write(self, folder: str) -> str:
        """The model as an ONNX file below ``folder``, and its path."""
        path = os.path.join(folder, f"{self.kind}_{self.set}.onnx")
        return self._model.write(path) or path

    def _table(self) -> list[list[float]]:
        for row in self._values:
            if not isinstance(row, list) or not row or isinstance(row[0], list):
                raise BadBundle(f"{self.name} does not return [n, classes]; return one number for each class and row")
        table: list[list[float]] = self._values
        return table


class _OnnxModel:
    """A file, or a model of the package onnx."""

    classes = None

    def __init__(self, name: str, model: Any) -> None:
        self._model = model
        if isinstance(model, (str, os.PathLike)):
            if not os.path.isfile(model):
                raise NoInput(f"{name}: there is no file {os.fspath(model)}")
        elif not hasattr(model, "SerializeToString"):
            raise Usage(
                f"{name} is a {type(model).__name__}; give a torch.nn.Module, a scikit-learn estimator, "
                "or the path of an ONNX file"
            )

    def values(self) -> None:
        return None

    def write(self, path: str) -> str | None:
        if isinstance(self._model, (str, os.PathLike)):
            # Where it is: external weights lie beside it.
            return os.fspath(self._model)
        with open(path, "wb") as file:
            file.write(self._model.SerializeToString())
        return None


def modalities_of(key: Any) -> tuple[int, ...]:
    """Numbers of modalities from "12", 12 or (1, 2)."""
    parts = key if isinstance(key, (tuple, list, frozenset, set)) else str(key)
    try:
        numbers = tuple(sorted(int(part) for part in parts))
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or numbers[0] < 1 or len(set(numbers)) < len(numbers):
        raise Usage(f"{key!r} is no set of modalities; write '1', '2' or '12'")
    return numbers


def _number(name: str, row: Any) -> float:
    if isinstance(row, float):
        return row
    raise BadBundle(f"{name} does not return [n] or [n, 1]; return one -ln p(x) for each row")


def _log_sum_exp(row: Sequence[float]) -> float:
    top = max(row)
    return top + math.log(sum(math.exp(value - top) for value in row))
