"""Bundles from models in memory: PyTorch modules and scikit-learn estimators, exported to ONNX and packed.

>>> lsmi_etl.pack(
...     {"1": density_of_images, "2": density_of_texts},
...     {"1": of_images, "2": of_texts, "12": of_both},
...     example=batch,
...     target="lsmi-bundle",
...     x1="image", x2="text", label="y",
...     classes=[0, 1, 2], prior=[0.5, 0.3, 0.2],
... )
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lsmi_etl._agreement import compare
from lsmi_etl._example import examples
from lsmi_etl._models import PackedModel, modalities_of
from lsmi_etl._program import arguments, run
from lsmi_etl._pytorch import EXPORTERS
from lsmi_etl.errors import OutputExists, Usage

if TYPE_CHECKING:
    from lsmi_etl.bundle import Bundle

__all__ = ["pack"]


def pack(
    densities: Mapping[Any, Any],
    classifiers: Mapping[Any, Any],
    *,
    example: Any,
    target: str | os.PathLike[str] = "lsmi-bundle",
    classes: Sequence[Any] | None = None,
    prior: Sequence[float] | None = None,
    output: str | Sequence[str] | None = None,
    x: Sequence[str] | None = None,
    x1: str | None = None,
    x2: str | None = None,
    exporter: str = "auto",
    opset: int | None = None,
    **options: Any,
) -> Bundle:
    """Exports the models of all sets of modalities, and writes and checks the bundle ``target``.

    ``densities`` are of every set of modalities but the one of all, ``classifiers`` of every set: of two
    modalities ``{"1": …, "2": …}`` and ``{"1": …, "2": …, "12": …}``. A model is

    - a ``torch.nn.Module``. Of a density, ``forward(x)`` is -ln p(x) of each row of ``x [n, d]``, in nats; of a
      classifier it is logits, probabilities or log-probabilities ``[n, classes]``. A model of several modalities
      takes one tensor for each, or all of them concatenated. It is exported in evaluation mode, and left as it was.
    - a scikit-learn estimator or pipeline, exported by skl2onnx: of a density one with ``score_samples``, such as a
      Gaussian mixture, whose sign is changed (behind a scaler, -ln p of the scaled values); of a classifier one
      with ``predict_proba``. A model of several modalities takes them concatenated.
    - the path of an ONNX file, or an ``onnx.ModelProto``.

    ``example`` is a record batch, table, or anything with ``__arrow_c_stream__`` that has the embedding columns
    ``x1`` and ``x2`` (or ``x``, of more modalities), which become the bundle's default columns. The modules are
    exported with its first rows, on which the bundle's values are compared with theirs.

    ``classes`` are in the order of the classifiers' outputs; those of scikit-learn know them. ``prior`` is p(y) in
    the training data. ``output`` ("logits", "prob", "log-prob") says what classifiers return, for all or for each in
    the order 1, 2, 12; without it, the example tells. ``exporter`` is "dynamo" (PyTorch's exporter since 2.5, which
    needs onnxscript), "torchscript" (the older one), or "auto": dynamo where onnxscript is installed, and torchscript
    where it is not, or where dynamo fails. ``opset`` is that of the graphs, by default the exporter's choice.
    Further options are the flags of ``lsmi-etl bundle pack``, such as ``label``, ``centre_on`` and ``overwrite``.

    Raises :class:`~lsmi_etl.errors.Usage` where a model cannot be exported, and
    :class:`~lsmi_etl.errors.BadBundle` where it is not what it was given for, or the graph gives other values than
    the model.
    """
    if exporter not in EXPORTERS:
        raise Usage(f"exporter is {exporter!r}; it is one of {', '.join(EXPORTERS)}")
    for name, models_given, sets in [
        ("densities", densities, "1, 2"),
        ("classifiers", classifiers, "1, 2, 12"),
    ]:
        if not models_given:
            raise Usage(f"{name} are empty; give a model for each set of modalities: of two modalities {sets}")
    if os.path.exists(os.path.join(target, "bundle.json")) and not options.get("overwrite"):
        raise OutputExists(f"there is a bundle in {os.fspath(target)}; write elsewhere or give overwrite=True")
    given = [("density", modalities_of(key), model) for key, model in densities.items()]
    given += [("classifier", modalities_of(key), model) for key, model in classifiers.items()]
    # The order in which the program takes what is given for each: 1, 2, 12; 1, 2, 3, 12, 13, 23, 123.
    given.sort(key=lambda one: (one[0] != "density", len(one[1]), one[1]))
    columns = _columns(x, x1, x2, max((modalities[-1] for _, modalities, _ in given), default=0))
    rows = examples(example, columns)
    models = [PackedModel(*one, rows, exporter, opset) for one in given]
    of_classes = [model for model in models if model.kind == "classifier"]
    classes = _classes(classes, of_classes)
    if prior is None:
        raise Usage("prior is missing: give p(y) of each class in the training data")
    prior = [float(p) for p in prior]
    if len(prior) != len(classes) or not any(p > 0 for p in prior):
        raise Usage(f"prior has {len(prior)} values for {len(classes)} classes; give p(y) of each class")
    if output is None:
        output = [model.output_kind() for model in of_classes]
    outputs = [output] * len(of_classes) if isinstance(output, str) else list(output)
    means = options.get("centre_on")
    flags: dict[str, Any] = {
        **options,
        "x": columns,
        "classes": ",".join(map(_class_text, classes)),
        "prior": ",".join(map(str, prior)),
        "output": ",".join(outputs),
        "centre_on": None if means is None else ",".join(str(float(h)) for h in means),
    }
    engine: dict[str, Any] = {
        name: options[name] for name in ("engine", "onnxruntime", "device", "tf32") if name in options
    }
    with tempfile.TemporaryDirectory(prefix="lsmi-etl-") as folder:
        files = [f"--{model.kind}={model.set}={model.write(folder)}" for model in models]
        # A bundle that differs from its models is not left under the target's name.
        tried = os.path.join(folder, "bundle")
        run(["bundle", "pack", *files, *arguments({**flags, "overwrite": None}), tried])
        compare(tried, models, rows, classes, prior, outputs, means, engine)
        run(["bundle", "pack", *files, *arguments(flags), os.fspath(target)])
    run(["bundle", "check", *arguments(engine), os.fspath(target)])
    from lsmi_etl.bundle import Bundle

    return Bundle.open(target)


def _columns(x: Sequence[str] | None, x1: str | None, x2: str | None, count: int) -> list[str]:
    """The embedding column of each modality."""
    if x is None:
        return [x1 or "x1", x2 or "x2", *(f"x{modality}" for modality in range(3, count + 1))]
    if x1 is not None or x2 is not None:
        raise Usage("x names the columns of all modalities: give x, or x1 and x2")
    if isinstance(x, str) or len(x) != count:
        raise Usage(f"x is {x!r}; give a list of {count} columns, one for each modality")
    return list(x)


def _classes(given: Sequence[Any] | None, classifiers: Sequence[PackedModel]) -> list[Any]:
    """The classes in the order of the outputs."""
    classes = None if given is None else list(given)
    for model in classifiers:
        if model.classes is None:
            continue
        if classes is None:
            classes = model.classes
        elif sorted(map(str, classes)) != sorted(map(str, model.classes)):
            raise Usage(f"{model.name} has classes {model.classes}, and not {classes}")
    if classes is None:
        raise Usage("classes is missing: give the classes in the order of the classifiers' outputs")
    return classes


def _class_text(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if "," in text:
        raise Usage(f"class {text!r} has a comma, which separates classes; train with other names of the classes")
    return text
