"""Write models in the forms in which they are exported, and in which they lie.

    python export_models.py FOLDER

    FOLDER/NAME/density_1.onnx, density_2.onnx                  x [n, 3] or [n, 2] -> h
    FOLDER/NAME/classifier_1.onnx, classifier_2.onnx, classifier_12.onnx   -> three classes
    FOLDER/truth.parquet     x1, x2, y (0 to 2) and true_i1, true_i2, true_i12 with a prior of 1/3 each

All classifiers have the same weights, so that every honest form gives the same information. The
graphs of scikit-learn's models are, node for node, what skl2onnx writes (LinearClassifier,
Normalizer, ZipMap of ai.onnx.ml).
"""

import pathlib
import sys

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as n

DIMS = {"classifier_1": 3, "classifier_2": 2, "classifier_12": 5}
CLASSES = 3
RNG = np.random.default_rng(0)
WEIGHTS = {name: (RNG.normal(size=(dim, CLASSES)), RNG.normal(size=CLASSES)) for name, dim in DIMS.items()}
NUMPY = {T.FLOAT: np.float32, T.DOUBLE: np.float64, T.FLOAT16: np.float16}


def value(name, element=T.FLOAT, *shape):
    return h.make_tensor_value_info(name, element, ["n", *shape])


def save(path, nodes, inputs, outputs, constants=(), opset=17, ir=8, ml=False):
    imports = [h.make_opsetid("", opset)] + ([h.make_opsetid("ai.onnx.ml", 1)] if ml else [])
    custom = {node.domain for node in nodes} - {"", "ai.onnx.ml"}
    imports += [h.make_opsetid(domain, 1) for domain in custom]
    graph = h.make_graph(nodes, "g", inputs, outputs, [n.from_array(array, name) for name, array in constants])
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(h.make_model(graph, opset_imports=imports, ir_version=ir), path)


def affine(name, element=T.FLOAT):
    """Logits z of x, and the constants."""
    weight, bias = (array.astype(np.float32).astype(NUMPY[element]) for array in WEIGHTS[name])
    nodes = [h.make_node("MatMul", ["x", "W"], ["xW"]), h.make_node("Add", ["xW", "b"], ["z"])]
    return nodes, [("W", weight), ("b", bias)]


def classifiers(folder, last, outputs=None, constants=(), element=T.FLOAT, **options):
    """Logits, then the nodes of `last`; the output is p [n, 3] unless others are given."""
    for name, dim in DIMS.items():
        nodes, weights = affine(name, element)
        outputs_here = outputs or [value("p", element, CLASSES)]
        save(
            folder / f"{name}.onnx",
            nodes + last,
            [value("x", element, dim)],
            outputs_here,
            weights + list(constants),
            **options,
        )


def softmax(output="p", **attributes):
    return h.make_node("Softmax", ["z"], [output], axis=attributes.get("axis", 1))


def ml(operator, inputs, outputs, **attributes):
    return h.make_node(operator, inputs, outputs, domain="ai.onnx.ml", **attributes)


def linear_classifier(folder, tail, outputs, labels, opset=17):
    """What skl2onnx writes for a logistic regression, up to its normalised probabilities `q`."""
    for name, dim in DIMS.items():
        weight, bias = WEIGHTS[name]
        node = ml(
            "LinearClassifier",
            ["x"],
            ["label", "scores"],
            coefficients=weight.T.ravel().tolist(),
            intercepts=bias.tolist(),
            multi_class=1,
            post_transform="SOFTMAX",
            **labels,
        )
        nodes = [node, ml("Normalizer", ["scores"], ["q"], norm="L1")] + tail
        save(folder / f"{name}.onnx", nodes, [value("x", T.FLOAT, dim)], outputs, opset=opset, ir=10, ml=True)


def densities(folder, nodes, constants=(), element=T.FLOAT, output=None, **options):
    for m, dim in ((1, 3), (2, 2)):
        outputs = output or [value("h", element, 1)]
        save(folder / f"density_{m}.onnx", nodes, [value("x", element, dim)], outputs, constants, **options)


def export_classifiers(root):
    log2 = ("c", np.array(np.log(2), np.float32))
    softmaxed = [h.make_node("LogSoftmax", ["z"], ["l"], axis=1)]
    classifiers(root / "logits", [h.make_node("Identity", ["z"], ["p"])])
    classifiers(root / "log_prob", [h.make_node("LogSoftmax", ["z"], ["p"], axis=1)])
    classifiers(root / "prob", [softmax()])
    divided = [
        h.make_node("Exp", ["z"], ["e"]),
        h.make_node("ReduceSum", ["e", "axis"], ["s"], keepdims=1),
        h.make_node("Div", ["e", "s"], ["p"]),
    ]
    classifiers(root / "divided", divided, constants=[("axis", np.array([1]))])
    for name, element in (("half", T.FLOAT16), ("double", T.DOUBLE)):
        classifiers(root / name, [h.make_node("LogSoftmax", ["z"], ["p"], axis=1)], element=element)
        classifiers(root / f"{name}_prob", [softmax()], element=element)

    label = [h.make_node("ArgMax", ["z"], ["best"], axis=1, keepdims=0)]
    label += [ml("ArrayFeatureExtractor", ["table", "best"], ["l"])]
    label += [h.make_node("Reshape", ["l", "flat"], ["label"])]
    tables = lambda labels: [("table", np.array(labels)), ("flat", np.array([-1]))]
    label_output = h.make_tensor_value_info("label", T.INT64, ["n"])
    both = [label_output, value("p", T.FLOAT, CLASSES)]
    classifiers(root / "label_first", [softmax()] + label, both, tables([0, 1, 2]), ml=True)
    classifiers(root / "label_last", [softmax()] + label, both[::-1], tables([0, 1, 2]), ml=True)
    classifiers(root / "other_order", [softmax()] + label, both, tables([2, 0, 1]), ml=True)
    scores = [value("z", T.FLOAT, CLASSES), value("probabilities", T.FLOAT, CLASSES)]
    classifiers(root / "logits_and_probabilities", [softmax("probabilities")], scores)
    two = [value("z", T.FLOAT, CLASSES), value("zz", T.FLOAT, CLASSES)]
    classifiers(root / "ambiguous", [h.make_node("Neg", ["z"], ["zz"])], two)

    ints, strings = {"classlabels_ints": [0, 1, 2]}, {"classlabels_strings": ["a", "b", "c"]}
    probabilities = value("q", T.FLOAT, CLASSES)
    linear_classifier(root / "zipmap_false", [], [label_output, probabilities], ints)
    zipped = h.make_value_info(
        "output_probability",
        h.make_sequence_type_proto(h.make_map_type_proto(T.INT64, h.make_tensor_type_proto(T.FLOAT, []))),
    )
    zip_map = ml("ZipMap", ["q"], ["output_probability"], classlabels_int64s=[0, 1, 2])
    # The opset that skl2onnx gives a graph with nothing but a Cast.
    linear_classifier(root / "zipmap_true", [zip_map], [label_output, zipped], ints, opset=9)
    texts = h.make_tensor_value_info("label", T.STRING, ["n"])
    zipped_texts = h.make_value_info(
        "output_probability",
        h.make_sequence_type_proto(h.make_map_type_proto(T.STRING, h.make_tensor_type_proto(T.FLOAT, []))),
    )
    zip_map = ml("ZipMap", ["q"], ["output_probability"], classlabels_strings=["a", "b", "c"])
    linear_classifier(root / "zipmap_strings", [zip_map], [texts, zipped_texts], strings)
    columns = [h.make_node("Split", ["q"], ["c0", "c1", "c2"], axis=1)]
    columns += [h.make_node("Squeeze", [f"c{c}"], [f"i{c}"]) for c in range(CLASSES)]
    outputs = [label_output] + [h.make_tensor_value_info(f"i{c}", T.FLOAT, ["n"]) for c in range(CLASSES)]
    linear_classifier(root / "zipmap_columns", columns, outputs, ints)

    relu6 = [h.make_node("Clip", ["z"], ["r"], min=-1e4, max=1e4), h.make_node("LogSoftmax", ["r"], ["p"], axis=1)]
    classifiers(root / "opset_9", relu6, opset=9)
    classifiers(root / "opset_6", [h.make_node("LogSoftmax", ["z"], ["p"], axis=1)], opset=6)
    classifiers(
        root / "upsample",
        [h.make_node("Upsample", ["z", "s"], ["p"])],
        opset=9,
        constants=[("s", np.ones(2, np.float32))],
    )
    classifiers(root / "custom", [h.make_node("Whiten", ["z"], ["p"], domain="acme.ops")])
    classifiers(root / "unknown_operator", [h.make_node("Frobnicate", ["z"], ["p"])])
    classifiers(root / "integers", [h.make_node("Cast", ["z"], ["p"], to=T.INT64)], [value("p", T.INT64, CLASSES)])
    four = [h.make_node("Concat", ["z", "z"], ["p"], axis=1)]
    classifiers(root / "six_classes", four, [value("p", T.FLOAT, None)])

    classifiers(root / "sigmoid", [h.make_node("Sigmoid", ["z"], ["p"])])
    classifiers(root / "log2", softmaxed + [h.make_node("Div", ["l", "c"], ["p"])], constants=[log2])
    classifiers(root / "negative", softmaxed + [h.make_node("Neg", ["l"], ["p"])])
    classifiers(root / "over_rows", [h.make_node("LogSoftmax", ["z"], ["p"], axis=0)])
    classifiers(
        root / "not_finite",
        [h.make_node("Log", ["zero"], ["inf"]), h.make_node("Mul", ["z", "inf"], ["p"])],
        constants=[("zero", np.zeros(1, np.float32))],
    )
    # Honest but for rows of which a value is above 60.
    far = [
        h.make_node("ReduceMax", ["x"], ["most"], axes=[1], keepdims=1),
        h.make_node("Sub", ["most", "c"], ["above"]),
        h.make_node("Relu", ["above"], ["r"]),
        h.make_node("Add", ["l", "r"], ["p"]),
    ]
    classifiers(root / "far_away", softmaxed + far, constants=[("c", np.array(60, np.float32))])


def export_densities(root):
    half_square = lambda element: [
        h.make_node("ReduceSumSquare", ["x"], ["s"], axes=[1], keepdims=1),
        h.make_node("Mul", ["s", "half"], ["h"]),
    ]
    half = lambda element: [("half", np.array(0.5, NUMPY[element]))]
    one = value("h", T.FLOAT, 1)
    densities(root / "logits", half_square(T.FLOAT), half(T.FLOAT))
    densities(root / "half", half_square(T.FLOAT16), half(T.FLOAT16), T.FLOAT16)
    densities(root / "double", half_square(T.DOUBLE), half(T.DOUBLE), T.DOUBLE)
    components = [h.make_node("Concat", ["x", "x"], ["components"], axis=1)]
    densities(
        root / "components_too",
        half_square(T.FLOAT) + components,
        half(T.FLOAT),
        output=[value("components", T.FLOAT, None), one],
    )
    densities(root / "ln_p", half_square(T.FLOAT), [("half", np.array(-0.5, np.float32))])
    p = half_square(T.FLOAT)[:1] + [h.make_node("Mul", ["s", "half"], ["m"]), h.make_node("Exp", ["m"], ["h"])]
    densities(root / "p", p, [("half", np.array(-0.5, np.float32))])
    constant = half_square(T.FLOAT)[:1] + [h.make_node("Mul", ["s", "zero"], ["h"])]
    densities(root / "constant", constant, [("zero", np.zeros(1, np.float32))])
    # The square root of a sum is no number where the sum is negative: for the one on half of all
    # rows but those of non-negative values, for the other on some rows of every kind.
    total = h.make_node("ReduceSum", ["x", "axis"], ["s"], keepdims=1)
    axis = ("axis", np.array([1]))
    densities(root / "of_non_negative", [total, h.make_node("Sqrt", ["s"], ["h"])], [axis])
    negated = [total, h.make_node("Neg", ["s"], ["t"]), h.make_node("Sqrt", ["t"], ["h"])]
    densities(root / "nan", negated, [axis])
    densities(
        root / "two_numbers",
        [h.make_node("Slice", ["x", "a", "b", "axis"], ["h"])],
        [("a", np.array([0])), ("b", np.array([2])), ("axis", np.array([1]))],
        output=[value("h", T.FLOAT, None)],
    )
    # -ln of a plain exponential, which underflows away from the mean.
    plain = p[:2] + [
        h.make_node("Exp", ["m"], ["p"]),
        h.make_node("Log", ["p"], ["l"]),
        h.make_node("Neg", ["l"], ["h"]),
    ]
    densities(root / "underflows", plain, [("half", np.array(-0.5, np.float32))])


def truth(path):
    rng = np.random.default_rng(1)
    x1, x2 = (rng.normal(size=(200, dim)).astype(np.float32) for dim in (3, 2))
    y = rng.integers(0, CLASSES, 200)
    columns = {}
    for name, x in (("1", x1), ("2", x2), ("12", np.hstack([x1, x2]))):
        weight, bias = WEIGHTS[f"classifier_{name}"]
        z = x.astype(np.float64) @ weight + bias
        log_p = z - np.log(np.exp(z).sum(1, keepdims=True))
        columns[f"true_i{name}"] = log_p[np.arange(200), y] + np.log(CLASSES)
    vectors = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1]) for name, x in (("x1", x1), ("x2", x2))
    }
    texts = pa.array(np.array(["a", "b", "c"])[y])
    pq.write_table(pa.table({**vectors, "y": pa.array(y), "text": texts, **columns}), path, row_group_size=100)


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    export_classifiers(folder)
    export_densities(folder)
    truth(folder / "truth.parquet")
