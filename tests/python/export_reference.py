"""Write the reference implementation's five models as PyTorch exports them, with
random weights, and what they must give.

    python export_reference.py FOLDER [--rows N] [--dims D1 D2] [--classes C] [--seed S] [--opsets A B C D E]

    FOLDER/density_1.onnx      x [batch, d1] -> h [batch]: -ln p(x) of a KNIFE mixture
    FOLDER/density_2.onnx
    FOLDER/classifier_1.onnx   x [batch, d1] -> logits [batch, C]
    FOLDER/classifier_2.onnx
    FOLDER/classifier_12.onnx  x1, x2 -> logits [batch, C]
    FOLDER/reference.json      dims, classes and the prior p(y)
    FOLDER/reference.parquet   id, x1, x2, y, and true_h1, true_h2, true_i1, true_i2, true_i12,
                               true_r, true_u1, true_u2, true_s, computed here in f64 by the
                               definitions, from the same f32 weights

The graphs are built with onnx.helper, node for node what torch.onnx.export writes at
opset 17: nothing is folded, the triangular product is a MatMul of [1, K, d, d] with
[batch, K, d, 1], and the mixture's sum is one ReduceLogSumExp. With --opsets each model is
written in an opset of its own, and the classifiers with a detour through the operators
that changed between opsets.
"""

import argparse
import json
import pathlib

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

OPSET = 17
COMPONENTS = 5
HIDDEN = 64


class Knife:
    """The mixture of Pichler et al. 2022 in its own parametrisation."""

    def __init__(self, rng: np.random.Generator, dim: int):
        normal = lambda *shape: rng.normal(size=shape).astype(np.float32)
        self.dim = dim
        self.parameters = {
            "means": normal(1, COMPONENTS, dim),
            "logvar": normal(1, COMPONENTS, dim),
            # Above the diagonal too: the module keeps full matrices and cuts them at use.
            "tri": normal(1, COMPONENTS, dim, dim) / np.float32(dim),
            "weight": normal(1, COMPONENTS),
        }

    def h(self, x: np.ndarray) -> np.ndarray:
        """-ln p(x) [n] in f64."""
        means, logvar, tri, weight = (p[0].astype(np.float64) for p in self.parameters.values())
        scale = np.exp(np.tanh(logvar))
        z = (x[:, None, :] - means) * scale
        z = z + np.einsum("kij,nkj->nki", np.tril(tri, -1), z)
        log_weight = weight - logsumexp(weight, 0)
        log_det = np.log(np.abs(scale) + 1e-8).sum(-1)
        terms = log_weight + log_det - (z**2).sum(-1) / 2
        return self.dim / 2 * np.log(2 * np.pi) - logsumexp(terms, 1)

    def onnx(self, opset: int, dressed: bool) -> onnx.ModelProto:
        ops = Moved(opset)
        constants = {
            **self.parameters,
            "diagonal": np.array(-1),
            "two": np.array(2, np.float32),
            "epsilon": np.array(1e-8, np.float32),
            "log_c": np.array(-self.dim / 2 * np.log(2 * np.pi), np.float32),
        }
        node = helper.make_node
        if opset >= 14:
            lower = node("Trilu", ["tri", "diagonal"], ["lower"], upper=0)
        else:
            constants["mask"] = np.tril(np.ones((self.dim, self.dim), np.float32), -1)
            lower = node("Mul", ["tri", "mask"], ["lower"])
        nodes = [
            ops.node("Unsqueeze", "x", "x_row", axes=[1]),
            node("LogSoftmax", ["weight"], ["log_weight"], axis=1),
            node("Sub", ["x_row", "means"], ["offset"]),
            node("Tanh", ["logvar"], ["bounded"]),
            node("Exp", ["bounded"], ["scale"]),
            node("Mul", ["offset", "scale"], ["scaled"]),
            lower,
            ops.node("Unsqueeze", "scaled", "column", axes=[3]),
            node("MatMul", ["lower", "column"], ["product"]),
            ops.node("Squeeze", "product", "mixed", axes=[3]),
            node("Add", ["scaled", "mixed"], ["z"]),
            node("Pow", ["z", "two"], ["z_squared"]),
            ops.node("ReduceSum", "z_squared", "distance", axes=[2], keepdims=0),
            node("Neg", ["distance"], ["negative"]),
            node("Div", ["negative", "two"], ["exponent"]),
            node("Abs", ["scale"], ["magnitude"]),
            node("Add", ["magnitude", "epsilon"], ["positive"]),
            node("Log", ["positive"], ["log_scale"]),
            ops.node("ReduceSum", "log_scale", "log_det", axes=[-1], keepdims=0),
            node("Add", ["exponent", "log_det"], ["kernel"]),
            node("Add", ["kernel", "log_weight"], ["terms"]),
            ops.node("ReduceLogSumExp", "terms", "log_sum", axes=[-1], keepdims=0),
            node("Add", ["log_sum", "log_c"], ["log_p"]),
            node("Neg", ["log_p"], ["h"]),
        ]
        constants |= ops.constants
        return model("knife", opset, nodes, constants, {"x": self.dim}, {"h": None})


class Classifier:
    """Linear, ReLU, Linear, ReLU, Linear, over one input or two concatenated."""

    def __init__(self, rng: np.random.Generator, dims: dict[str, int], classes: int):
        self.dims = dims
        widths = [sum(dims.values()), HIDDEN, HIDDEN, classes]
        self.layers = [
            # PyTorch's own start: uniform, bounded by 1/sqrt(inputs).
            tuple((rng.uniform(-1, 1, size) / np.sqrt(n)).astype(np.float32) for size in [(m, n), m])
            for n, m in zip(widths, widths[1:])
        ]
        # As a trained one: i spans several nats, so that the densities decide some r.
        weight, bias = self.layers[-1]
        self.layers[-1] = (weight * np.float32(20), bias)

    def log_prob(self, *inputs: np.ndarray) -> np.ndarray:
        """ln p(y|x) [n, C] in f64."""
        a = np.concatenate(inputs, 1)
        for index, (weight, bias) in enumerate(self.layers):
            a = (a if index == 0 else np.maximum(a, 0)) @ weight.T.astype(np.float64) + bias
        return a - logsumexp(a, 1)[:, None]

    def onnx(self, opset: int, dressed: bool) -> onnx.ModelProto:
        nodes, constants = [], {}
        ops = Moved(opset)
        last = next(iter(self.dims))
        if len(self.dims) > 1:
            nodes.append(helper.make_node("Concat", list(self.dims), ["pair"], axis=1))
            last = "pair"
        for index, (weight, bias) in enumerate(self.layers):
            if index > 0:
                nodes.append(helper.make_node("Relu", [last], [f"relu_{index}"]))
                last = f"relu_{index}"
            if index == 1 and dressed:
                nodes += ops.detour(last, "detour", HIDDEN)
                last = "detour"
            # The places of the Linear modules in a Sequential with ReLU between them.
            names = [f"net.{2 * index}.weight", f"net.{2 * index}.bias"]
            constants |= dict(zip(names, [weight, bias]))
            output = f"gemm_{index}"
            if index + 1 == len(self.layers):
                output = "undressed" if dressed else "logits"
            nodes.append(
                helper.make_node("Gemm", [last, *names], [output], alpha=1.0, beta=1.0, transB=1)
            )
            last = output
        if dressed:
            nodes += ops.normalised("undressed", "logits")
        constants |= ops.constants
        classes = len(self.layers[-1][1])
        return model("classifier", opset, nodes, constants, self.dims, {"logits": classes})


class Moved:
    """Operators whose attributes became inputs, or whose defaults moved, in one opset."""

    def __init__(self, opset: int):
        self.opset = opset
        self.constants = {}

    def node(self, op, x, y, axes, **attributes) -> onnx.NodeProto:
        since = 13 if op in ("Squeeze", "Unsqueeze", "ReduceSum") else 18
        if self.opset < since:
            return helper.make_node(op, [x], [y], axes=axes, **attributes)
        self.constants[f"{y}_axes"] = np.array(axes)
        return helper.make_node(op, [x, f"{y}_axes"], [y], **attributes)

    def detour(self, x, y, width) -> list[onnx.NodeProto]:
        """x [batch, width] -> the same y, through operators that changed."""
        half = width // 2
        self.constants["zero"] = np.array(0, np.float32)
        if self.opset < 12:
            dropout = helper.make_node("Dropout", [x], ["kept"], ratio=0.5)
        else:
            self.constants["ratio"] = np.array(0.5, np.float32)
            dropout = helper.make_node("Dropout", [x, "ratio"], ["kept"])
        if self.opset < 13:
            split = helper.make_node("Split", ["flat"], ["left", "right"], axis=1, split=[half, half])
        elif self.opset < 18:
            split = helper.make_node("Split", ["flat"], ["left", "right"], axis=1)
        else:
            split = helper.make_node("Split", ["flat"], ["left", "right"], axis=1, num_outputs=2)
        return [
            dropout,
            self.node("Unsqueeze", "kept", "raised", axes=[1]),
            self.node("ReduceSum", "raised", "flat", axes=[1], keepdims=0),
            split,
            helper.make_node("Concat", ["left", "right"], ["joined"], axis=1),
            helper.make_node("Clip", ["joined", "zero"], [y]),
        ]

    def normalised(self, x, y) -> list[onnx.NodeProto]:
        """Logits x to log-probabilities y, over the last axis as each opset writes it."""
        axis = {} if self.opset < 13 else {"axis": -1}
        return [
            self.node("ReduceMax", x, "largest", axes=[1], keepdims=1),
            helper.make_node("Sub", [x, "largest"], ["shifted"]),
            helper.make_node("LogSoftmax", ["shifted"], [y], **axis),
        ]


def model(name, opset, nodes, constants, inputs, outputs) -> onnx.ModelProto:
    """A checked model with f32 inputs and outputs over a free axis `batch`."""
    value = lambda item: helper.make_tensor_value_info(
        item[0], TensorProto.FLOAT, ["batch"] + [size for size in item[1:] if size is not None]
    )
    graph = helper.make_graph(
        nodes,
        name,
        [value(item) for item in inputs.items()],
        [value(item) for item in outputs.items()],
        [numpy_helper.from_array(array, key) for key, array in constants.items()],
    )
    built = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=8 if opset < 19 else 9,
        producer_name="export_reference",
    )
    onnx.checker.check_model(built, full_check=True)
    return built


def logsumexp(a: np.ndarray, axis: int) -> np.ndarray:
    top = a.max(axis, keepdims=True)
    return np.log(np.exp(a - top).sum(axis)) + top.squeeze(axis)


def interaction(h1, h2, i1, i2, i12) -> dict[str, np.ndarray]:
    """r, u1, u2 and s by their definitions (Yang, Wang, Hu, ICML 2025)."""
    r = np.minimum(h1, h2) - np.minimum(h1 - i1, h2 - i2)
    return {"r": r, "u1": i1 - r, "u2": i2 - r, "s": i12 - i1 - i2 + r}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--dims", type=int, nargs=2, default=[8, 5], metavar=("D1", "D2"))
    parser.add_argument("--classes", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--opsets", type=int, nargs=5, metavar="N")
    arguments = parser.parse_args()

    rng = np.random.default_rng(arguments.seed)
    d1, d2 = arguments.dims
    x1, x2 = (rng.normal(size=(arguments.rows, d)).astype(np.float32) for d in (d1, d2))
    y = rng.choice(arguments.classes, arguments.rows, p=rng.dirichlet(np.full(arguments.classes, 4.0)))
    counts = np.bincount(y, minlength=arguments.classes) + 0.5
    prior = counts / counts.sum()

    densities = [Knife(rng, d1), Knife(rng, d2)]
    classifiers = [
        Classifier(rng, dims, arguments.classes) for dims in ({"x": d1}, {"x": d2}, {"x1": d1, "x2": d2})
    ]
    inputs = [(x1,), (x2,), (x1, x2)]
    h = [density.h(*x) for density, x in zip(densities, inputs)]
    log_prob = [classifier.log_prob(*x) for classifier, x in zip(classifiers, inputs)]
    i = [p[np.arange(arguments.rows), y] - np.log(prior[y]) for p in log_prob]
    truth = dict(zip(["h1", "h2", "i1", "i2", "i12"], h + i))
    truth |= interaction(**truth)

    arguments.folder.mkdir(parents=True, exist_ok=True)
    names = ["density_1", "density_2", "classifier_1", "classifier_2", "classifier_12"]
    modules = densities + classifiers
    opsets = arguments.opsets or [OPSET] * 5
    for name, module, opset, x, expected in zip(names, modules, opsets, inputs[:2] + inputs, h + log_prob):
        built = module.onnx(opset, arguments.opsets is not None)
        feed = dict(zip([value.name for value in built.graph.input], x))
        (output,) = ReferenceEvaluator(built).run(None, feed)
        if output.ndim == 2:
            output = output - logsumexp(output.astype(np.float64), 1)[:, None]
        np.testing.assert_allclose(output, expected, rtol=2e-5, atol=2e-5, err_msg=name)
        onnx.save(built, arguments.folder / f"{name}.onnx")

    vectors = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])
        for name, x in [("x1", x1), ("x2", x2)]
    }
    columns = {"id": np.arange(arguments.rows), **vectors, "y": y.astype(np.int64)}
    columns |= {f"true_{name}": values for name, values in truth.items()}
    pq.write_table(pa.table(columns), arguments.folder / "reference.parquet")
    description = {
        "dims": [d1, d2],
        "classes": list(range(arguments.classes)),
        "prior": prior.tolist(),
        "classifier_output": "logits",
    }
    (arguments.folder / "reference.json").write_text(json.dumps(description, indent=2) + "\n")


if __name__ == "__main__":
    main()
