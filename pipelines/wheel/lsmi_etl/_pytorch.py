"""PyTorch modules as ONNX files, by the exporter of torch.export ("dynamo") or by that of TorchScript."""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from lsmi_etl._example import Rows
from lsmi_etl.errors import Usage

__all__ = ["EXPORTERS", "TorchModel", "is_module"]

EXPORTERS = ("auto", "dynamo", "torchscript")

log = logging.getLogger("lsmi_etl")


def is_module(model: Any) -> bool:
    """Whether this is a module of PyTorch. Where there is one, PyTorch has been imported."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


class TorchModel:
    """A module and the example that it is exported with. ``name`` is for messages."""

    classes = None

    def __init__(self, name: str, module: Any, inputs: Sequence[Rows], exporter: str, opset: int | None) -> None:
        import torch

        self._name = name
        self._module = module
        self._exporter = exporter
        self._opset = opset
        self._names = [f"x{number}" for number in range(1, len(inputs) + 1)] if len(inputs) > 1 else ["x"]
        tensors = [_tensor(rows, module) for rows in inputs]
        if len(tensors) > 1 and not _takes(module, tensors):
            self._names = ["x"]
            tensors = [torch.cat(tensors, dim=1)]
        self._tensors = tuple(tensors)
        # Other rows, and another number of them, than those that are compared: what an exporter took for a
        # constant shows there.
        count = max(2, len(tensors[0]) // 2)
        self._traced = tuple(tensor.flip(0)[:count] for tensor in tensors)

    def values(self) -> Any:
        """What the module returns for the example, as nested lists."""
        import torch

        with _evaluating(self._module), torch.no_grad():
            try:
                output = self._module(*self._tensors)
            except Exception as error:
                shapes = " and ".join(str(list(tensor.shape)) for tensor in self._tensors)
                raise Usage(f"{self._name}: the module fails on the example, {shapes}: {_first_line(error)}") from error
        if not isinstance(output, torch.Tensor):
            kind = type(output).__name__
            raise Usage(f"{self._name}: the module returns a {kind}; wrap it in a module that returns one tensor")
        return output.double().cpu().tolist()

    def write(self, path: str) -> None:
        """Exports the module. External weights are written beside ``path``.

        Raises :class:`Usage` with the reason of every exporter that was tried.
        """
        failures = []
        for name in self._exporters():
            try:
                with _evaluating(self._module), _quiet():
                    (self._dynamo if name == "dynamo" else self._torchscript)(path)
            except Exception as error:  # noqa: BLE001 - exporters raise what their depths raise
                failures.append((f"the exporter {name} fails: {_first_line(error)}", error))
                continue
            if failures:
                log.info("%s: %s; exported by %s", self._name, failures[0][0], name)
            return
        reasons = "; ".join(reason for reason, _ in failures)
        raise Usage(f"{self._name}: {reasons}") from failures[-1][1]

    def _exporters(self) -> list[str]:
        import torch

        has_dynamo = "dynamo" in inspect.signature(torch.onnx.export).parameters
        has_onnxscript = importlib.util.find_spec("onnxscript") is not None
        if self._exporter == "dynamo":
            if not has_dynamo:
                raise Usage(
                    f"PyTorch {torch.__version__} has no exporter dynamo; install 2.5 or newer, or take torchscript"
                )
            if not has_onnxscript:
                raise Usage(
                    "the exporter dynamo needs onnxscript: pip install onnxscript, or take exporter='torchscript'"
                )
            return ["dynamo"]
        if self._exporter == "torchscript":
            return ["torchscript"]
        # What is scripted already has no Python code for torch.export to read.
        if has_dynamo and has_onnxscript and not isinstance(self._module, torch.jit.ScriptModule):
            return ["dynamo", "torchscript"]
        return ["torchscript"]

    def _dynamo(self, path: str) -> None:
        import torch

        batch = {0: torch.export.Dim("batch", min=1)}
        bound = inspect.signature(self._module.forward).bind(*self._traced)
        shapes = {
            name: tuple(batch for _ in value) if isinstance(value, tuple) else batch
            for name, value in bound.arguments.items()
        }
        torch.onnx.export(
            self._module,
            self._traced,
            path,
            input_names=self._names,
            output_names=["output"],
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
            opset_version=self._opset,
        )

    def _torchscript(self, path: str) -> None:
        import torch

        # The parameter is newer than the exporter.
        choice = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
        with warnings.catch_warnings():
            # A trace records one way through the code: of a branch by values it would keep the example's.
            warnings.filterwarnings("error", message="Converting a tensor to a Python boolean")
            torch.onnx.export(
                self._module,
                self._traced,
                path,
                input_names=self._names,
                output_names=["output"],
                dynamic_axes={name: {0: "batch"} for name in [*self._names, "output"]},
                opset_version=self._opset,
                **choice,
            )


def _tensor(rows: Rows, module: Any) -> Any:
    """[count, dim] in the precision and on the device of the module's parameters."""
    import torch

    tensor = torch.frombuffer(bytearray(rows.values), dtype=torch.float32).reshape(rows.count, rows.dim)
    parameters = [*module.parameters(), *module.buffers()]
    floating = [parameter for parameter in parameters if parameter.is_floating_point()]
    return tensor.to(floating[0].device, floating[0].dtype) if floating else tensor


def _takes(module: Any, tensors: Sequence[Any]) -> bool:
    """Whether the module has a positional parameter for each of the tensors."""
    try:
        inspect.signature(module.forward).bind(*tensors)
    except TypeError:
        return False
    return True


@contextlib.contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """The module in evaluation mode, and afterwards every part of it as it was."""
    training = [part for part in module.modules() if part.training]
    module.eval()
    try:
        yield
    finally:
        for part in training:
            part.training = True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No remarks of the exporters: on packages that are not needed, and on the older one's age."""
    logger = logging.getLogger("torch")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def _first_line(error: BaseException) -> str:
    """The cause in a line: exporters wrap it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}".rstrip(": ")
