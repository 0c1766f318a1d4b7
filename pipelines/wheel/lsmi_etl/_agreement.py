"""The comparison of a packed bundle with the models that it was made from, on the rows of the example."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from lsmi_etl._example import Rows
from lsmi_etl._models import PackedModel
from lsmi_etl.annotator import Annotator
from lsmi_etl.errors import BadBundle

__all__ = ["compare"]

#: How far f32 may be off: in nats, and relative to the value.
_ABSOLUTE_NATS = 5e-3
_RELATIVE = 2e-4
#: Where a probability in f32 has few digits left: near -ln of the smallest normal number.
_UNDERFLOW_NATS = 80


def compare(
    bundle: str,
    models: Sequence[PackedModel],
    rows: Sequence[Rows],
    classes: Sequence[Any],
    prior: Sequence[float],
    outputs: Sequence[str],
    means: Sequence[float] | None,
    engine: Mapping[str, Any],
) -> None:
    """Raises :class:`BadBundle` where h or i of the bundle is not that of a model.

    ``outputs`` are those of the classifiers, in the order in which they are among ``models``; ``means`` the
    training means of h in centred units, in the order of the densities.
    """
    count = rows[0].count
    # A class that never occurs has no information.
    known = [number for number, p in enumerate(prior) if p > 0]
    labels = [known[row % len(known)] for row in range(count)]
    columns = {f"x{number}": one.arrow() for number, one in enumerate(rows, 1)}
    batch = pa.record_batch({**columns, "label": pa.array([classes[label] for label in labels])})
    separator = "" if len(rows) == 2 else "_"
    expected: dict[str, tuple[PackedModel, list[float]]] = {}
    kinds, centres = iter(outputs), iter(means or [])
    for model in models:
        if model.kind == "density":
            h, centre = model.h(), next(centres, 0.0)
            if h is not None:
                expected[f"h{separator}{model.set}"] = (model, [value - centre for value in h])
        else:
            log_prob = model.log_prob(next(kinds), classes)
            if log_prob is not None:
                i = [row[label] - math.log(prior[label]) for row, label in zip(log_prob, labels)]
                expected[f"i{separator}{model.set}"] = (model, i)
    if not expected:
        return
    with Annotator(bundle, x=list(columns), label="label", columns=list(expected), **engine) as annotate:
        annotated = annotate(batch)
    for name, (model, values) in expected.items():
        _compare_column(model, values, annotated.column(name).to_pylist())


def _compare_column(model: PackedModel, expected: Sequence[float], found: Sequence[float | None]) -> None:
    for row, (value, packed) in enumerate(zip(expected, found)):
        # Probabilities underflow in the model, or in its exported form, where the other's do not.
        if model.kind == "classifier" and not abs(value) < _UNDERFLOW_NATS:
            continue
        off = math.inf if packed is None else abs(value - packed)
        if not off <= _ABSOLUTE_NATS + _RELATIVE * abs(value):
            raise BadBundle(
                f"the exported {model.name} gives {packed} in row {row} of the example, where the model gives {value}: "
                "its code depends on the rows it was exported with, or it is not in f32; "
                "try the other exporter, or rewrite branches on values with torch.where"
            )
