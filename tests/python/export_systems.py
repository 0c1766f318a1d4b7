"""Write the exact models of discrete systems of several variables, and their outcomes.

    python export_systems.py TRUTH.json FOLDER

For each system of TRUTH.json, which has outcomes with their probabilities (the last letter is y):

    FOLDER/SYSTEM/density_SET.onnx, classifier_SET.onnx    of every set of variables that a bundle needs
    FOLDER/SYSTEM/in.parquet    x1, x2, … (one-hot vectors), y and p, a row an outcome
    FOLDER/SYSTEM/system.json   modalities, classes and prior

With states s of the variables in a set and b = 50, h = -ln sum_s p(s) exp(-b |x - s|^2) and the logits
are ln sum_s p(y|s) exp(-b |x - s|^2): exact at every state, and densities that fall off elsewhere.
"""

import ast
import itertools
import json
import pathlib
import sys

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as n

SHARPNESS = 50.0
IMPOSSIBLE = -80.0


def save(path, nodes, widths, output, constants):
    inputs = [h.make_tensor_value_info(f"x{m + 1}", T.FLOAT, ["n", width]) for m, width in widths]
    constants = [n.from_array(np.asarray(array), name) for name, array in constants]
    graph = h.make_graph(nodes, "g", inputs, [output], constants)
    onnx.save(h.make_model(graph, opset_imports=[h.make_opsetid("", 17)], ir_version=8), path)


def model(path, members, widths, states, log_weights, classes):
    """ln sum_s w_s exp(-b |x - s|^2) of each column of weights [states, classes]; h without classes."""
    points, weights = np.array(states, np.float32), np.array(log_weights, np.float32)
    columns = weights.shape[1]
    # -b |x - s|^2 = 2b x.s - b|s|^2 - b|x|^2, one output for each state and column.
    linear = np.repeat(2 * SHARPNESS * points.T, columns, axis=1)
    offset = np.repeat(-SHARPNESS * (points**2).sum(1), columns) + weights.ravel()
    names = [f"x{m + 1}" for m in members]
    nodes = []
    if len(names) > 1:
        nodes.append(h.make_node("Concat", names, ["x"], axis=1))
    x = "x" if len(names) > 1 else names[0]
    nodes += [
        h.make_node("Gemm", [x, "linear", "offset"], ["product"]),
        h.make_node("Mul", [x, x], ["squares"]),
        h.make_node("ReduceSum", ["squares", "axis"], ["length"], keepdims=1),
        h.make_node("Mul", ["length", "sharpness"], ["far"]),
        h.make_node("Sub", ["product", "far"], ["flat"]),
        h.make_node("Reshape", ["flat", "by_state"], ["terms"]),
        h.make_node("ReduceLogSumExp", ["terms"], ["sums"], axes=[1], keepdims=0),
    ]
    constants = [
        ("linear", linear.astype(np.float32)),
        ("offset", offset.astype(np.float32)),
        ("axis", np.array([1])),
        ("by_state", np.array([0, len(states), columns])),
        ("sharpness", np.array([SHARPNESS], np.float32)),
    ]
    used = [(m, widths[m]) for m in members]
    if classes:
        nodes.append(h.make_node("Identity", ["sums"], ["logits"]))
        output = h.make_tensor_value_info("logits", T.FLOAT, ["n", classes])
    else:
        nodes.append(h.make_node("Neg", ["sums"], ["h"]))
        output = h.make_tensor_value_info("h", T.FLOAT, ["n", 1])
    save(path, nodes, used, output, constants)


def export(folder, system):
    folder.mkdir(parents=True)
    outcomes = [ast.literal_eval(outcome) for outcome in system["outcomes"]]
    weights = system["p"]
    modalities = len(outcomes[0]) - 1
    symbols = [sorted({outcome[m] for outcome in outcomes}) for m in range(modalities)]
    labels = sorted({outcome[-1] for outcome in outcomes})
    # A variable of one symbol is a vector of one value, as any other of as many as it has symbols.
    widths = [len(of) for of in symbols]

    def one_hot(m, symbol):
        return [float(symbol == other) for other in symbols[m]]

    for size in range(1, modalities + 1):
        for members in itertools.combinations(range(modalities), size):
            joint, total = {}, {}
            for outcome, p in zip(outcomes, weights):
                state = tuple(outcome[m] for m in members)
                joint[state, outcome[-1]] = joint.get((state, outcome[-1]), 0.0) + p
                total[state] = total.get(state, 0.0) + p
            states = list(total)
            points = [sum((one_hot(m, s) for m, s in zip(members, state)), []) for state in states]
            name = "".join(str(m + 1) for m in members)
            if size < modalities:
                log_p = [[np.log(total[state])] for state in states]
                model(folder / f"density_{name}.onnx", members, widths, points, log_p, 0)

            def log_conditional(state, label):
                p = joint.get((state, label), 0.0)
                return np.log(p / total[state]) if p > 0 else IMPOSSIBLE

            logits = [[log_conditional(state, label) for label in labels] for state in states]
            model(folder / f"classifier_{name}.onnx", members, widths, points, logits, len(labels))

    columns = {
        f"x{m + 1}": pa.array(
            [one_hot(m, outcome[m]) for outcome in outcomes], pa.list_(pa.float32(), widths[m])
        )
        for m in range(modalities)
    }
    columns["y"] = pa.array([labels.index(outcome[-1]) for outcome in outcomes], pa.int64())
    columns["p"] = pa.array(weights, pa.float64())
    pq.write_table(pa.table(columns), folder / "in.parquet")
    prior = [sum(p for outcome, p in zip(outcomes, weights) if outcome[-1] == label) for label in labels]
    described = {"modalities": modalities, "classes": len(labels), "prior": prior}
    (folder / "system.json").write_text(json.dumps(described))


truth, target = map(pathlib.Path, sys.argv[1:])
for name, system in json.loads(truth.read_text())["distributions"].items():
    export(target / name.replace(" ", "_"), system)
