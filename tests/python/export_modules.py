"""Packs models of PyTorch and scikit-learn with lsmi_etl.pack and compares the bundles' values with the models'.

    python export_modules.py FOLDER CASE…

A case is a function of this file; it prints what it has shown, and raises where something is wrong.
"""

import copy
import math
import os
import pathlib
import sys

import numpy as np
import pyarrow as pa

import lsmi_etl
from lsmi_etl import Annotator
from lsmi_etl.errors import BadBundle, LsmiError, OutputExists, Usage

ROWS, CLASSES = 300, 4
RNG = np.random.default_rng(0)


def vectors(dims, rows=ROWS):
    """[rows, d] f32 for each of the dimensions."""
    return [RNG.normal(size=(rows, dim)).astype(np.float32) for dim in dims]


def batch(x, classes=range(CLASSES), names=None):
    classes = list(classes)
    columns = dict(zip(names or [f"x{m}" for m in range(1, len(x) + 1)], map(pa.array, (v.tolist() for v in x))))
    return pa.record_batch({**columns, "y": pa.array([classes[row % len(classes)] for row in range(len(x[0]))])})


def log_softmax(z):
    top = z.max(1, keepdims=True)
    return z - top - np.log(np.exp(z - top).sum(1, keepdims=True))


def compare(bundle, data, h, log_prob, prior, engines=("onnxruntime", "embedded")):
    """h and log_prob: by sets of modalities, [rows] and [rows, classes] in f64."""
    two = max(map(len, log_prob)) == 2
    column = lambda letter, of: f"{letter}{of}" if two else f"{letter}_{of}"
    labels = np.arange(data.num_rows) % len(prior)
    expected = {column("h", of): values for of, values in h.items()}
    for of, values in log_prob.items():
        expected[column("i", of)] = values[np.arange(data.num_rows), labels] - np.log(np.asarray(prior)[labels])
    for engine in engines:
        with Annotator(bundle, columns=list(expected), engine=engine) as annotate:
            out = annotate(data)
        for name, values in expected.items():
            found = out.column(name).to_numpy(zero_copy_only=False)
            np.testing.assert_allclose(found, values, rtol=1e-4, atol=2e-3, err_msg=f"{engine}, {name}")
        print(f"{engine}: {', '.join(expected)} are the models' on {data.num_rows} rows")


def raises(kind, words, call):
    try:
        call()
    except kind as error:
        assert all(word in str(error) for word in words), str(error)
        print(f"{kind.__name__}: {error}")
    else:
        raise AssertionError(f"no {kind.__name__} with {words}")


# PyTorch


def reference():
    """The modules of the reference implementation."""
    import torch

    sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benches/peers"))
    from reference import Knife, classifier

    torch.manual_seed(0)
    densities = {"1": Knife(8, 5), "2": Knife(5, 5)}
    classifiers = {"1": classifier(8, CLASSES), "2": classifier(5, CLASSES), "12": classifier(13, CLASSES)}
    return densities, classifiers


def in_f64(module, *x):
    import torch

    with torch.no_grad():
        return copy.deepcopy(module).eval().double()(*(torch.from_numpy(v).double() for v in x)).numpy()


def torch_truth(densities, classifiers, x):
    part = lambda of: [x[int(m) - 1] for m in of]
    h = {of: in_f64(module, *part(of)).reshape(-1) for of, module in densities.items()}
    return h, {of: log_softmax(in_f64(module, np.hstack(part(of)))) for of, module in classifiers.items()}


def both_exporters(folder):
    densities, classifiers = reference()
    prior = [0.4, 0.3, 0.2, 0.1]
    x = vectors([8, 5])
    data = batch(x, names=["image", "text"])
    truth = torch_truth(densities, classifiers, x)
    for module in [*densities.values(), *classifiers.values()]:
        module.train()
    for exporter in ("dynamo", "torchscript", "auto"):
        bundle = lsmi_etl.pack(
            densities,
            classifiers,
            example=data,
            target=folder / exporter,
            classes=range(CLASSES),
            prior=prior,
            exporter=exporter,
            x1="image",
            x2="text",
            label="y",
        )
        compare(bundle, data, *truth, prior)
        assert os.listdir(folder / exporter).count("bundle.json") == 1
    assert all(module.training for module in [*densities.values(), *classifiers.values()])


def three_modalities(folder):
    import torch
    from torch import nn

    torch.manual_seed(1)
    dims, prior = [3, 4, 5], [0.5, 0.5]

    class Density(nn.Module):
        """One tensor for each modality, as *args."""

        def __init__(self, dim):
            super().__init__()
            self.mean, self.dim = nn.Parameter(torch.randn(dim)), dim

        def forward(self, *x):
            return ((torch.cat(x, 1) - self.mean) ** 2).sum(1) / 2 + self.dim / 2 * math.log(2 * math.pi)

    sets = ["1", "2", "3", "12", "13", "23", "123"]
    width = lambda of: sum(dims[int(m) - 1] for m in of)
    densities = {of: Density(width(of)) for of in sets[:-1]}
    # Keys of other kinds, in another order.
    classifiers = {of: nn.Sequential(nn.Linear(width(of), 2), nn.LogSoftmax(1)) for of in reversed(sets)}
    x = vectors(dims)
    data = batch(x, classes=[False, True])
    keys = lambda models: {tuple(int(m) for m in of): model for of, model in models.items()}
    bundle = lsmi_etl.pack(
        keys(densities),
        keys(classifiers),
        example=data,
        target=folder / "b",
        classes=[False, True],
        prior=prior,
        label="y",
    )
    compare(bundle, data, *torch_truth(densities, classifiers, x), prior)


def kinds_of_output(folder):
    """Probabilities, log-probabilities, half and double precision, dropout and batch norm in training mode."""
    import torch
    from torch import nn

    densities, _ = reference()
    prior = [0.25] * CLASSES
    x = vectors([8, 5])
    data = batch(x)
    torch.manual_seed(2)
    bodies = {"1": 8, "2": 5, "12": 13}
    body = lambda dim: [nn.Linear(dim, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, CLASSES)]
    heads = {"1": [nn.Softmax(1)], "2": [nn.LogSoftmax(1)], "12": []}
    classifiers = {of: nn.Sequential(*body(dim), *heads[of]) for of, dim in bodies.items()}
    classifiers["12"].double()
    log_prob = {of: in_f64(m, *([x[int(of) - 1]] if len(of) == 1 else [np.hstack(x)])) for of, m in classifiers.items()}
    log_prob = {of: np.log(p) if of == "1" else log_softmax(p) for of, p in log_prob.items()}
    h = torch_truth(densities, {}, x)[0]
    means = [float(values.mean()) for values in h.values()]
    options = {"classes": ["a", "b", "c", "d"], "prior": prior, "label": "y", "centre_on": means}
    data = batch(x, classes="abcd")
    for exporter in ("dynamo", "torchscript"):
        bundle = lsmi_etl.pack(
            densities, classifiers, example=data, target=folder / exporter, exporter=exporter, **options
        )
        centred = {of: values - values.mean() for of, values in h.items()}
        # The embedded engine has no Gemm in double precision.
        compare(bundle, data, centred, log_prob, prior, engines=["onnxruntime"])


def refusals(folder):
    from torch import nn

    densities, classifiers = reference()
    x = vectors([8, 5])
    options = {"example": batch(x), "target": folder / "b", "classes": range(CLASSES), "prior": [0.25] * CLASSES}
    options["exporter"] = "torchscript"
    pack = lambda d=densities, c=classifiers, **more: lsmi_etl.pack(d, c, **{**options, **more})

    class Branching(nn.Module):
        def forward(self, x):
            return (x**2).sum(1) * (2 if x.sum() > 0 else 3)

    class OfTwo(nn.Module):
        def forward(self, x):
            return x[:, 0], x[:, 1]

    class Constant(nn.Module):
        """What a trace keeps of it is the example's number of rows."""

        def forward(self, x):
            return (x**2).sum(1) + float(x[0, 0])

    raises(
        Usage,
        ["density 1", "exporter torchscript fails"],
        lambda: pack({**densities, "1": Branching()}, exporter="auto"),
    )
    raises(Usage, ["density 1", "returns a tuple"], lambda: pack({**densities, "1": OfTwo()}))
    raises(LsmiError, ["density 1"], lambda: pack({**densities, "1": Constant()}))
    raises(
        Usage,
        ["classifier 12", "fails on the example", "[64, 8] and [64, 5]"],
        lambda: pack(c={**classifiers, "12": nn.Bilinear(8, 6, 4)}),
    )
    raises(Usage, ["density 2"], lambda: pack({"1": densities["1"]}))
    raises(Usage, ["'x'", "set of modalities"], lambda: pack({**densities, "x": densities["1"]}))
    raises(Usage, ["a int"], lambda: pack({**densities, "1": 7}))
    raises(Usage, ["columns", "image"], lambda: pack(x1="image"))
    raises(Usage, ["list of 2 columns"], lambda: pack(x="x1"))
    raises(Usage, ["prior"], lambda: pack(prior=None))
    raises(Usage, ["prior has 2 values"], lambda: pack(prior=[0.5, 0.5]))
    raises(Usage, ["classes is missing"], lambda: pack(classes=None))
    raises(Usage, ["comma"], lambda: pack(classes=["a,b", "c", "d", "e"]))
    raises(Usage, ["exporter is 'new'"], lambda: pack(exporter="new"))
    raises(LsmiError, ["at least two"], lambda: pack(example=batch([v[:1] for v in x])))
    raises(Usage, ["lists of floats"], lambda: pack(example=pa.table({"x1": [1.0, 2.0], "x2": [1.0, 2.0]})))
    raises(Usage, ["no_such_flag"], lambda: pack(no_such_flag=True))
    # What is not -ln p(x): the program finds it.
    negated = lambda module: nn.Sequential(module, Negated())

    class Negated(nn.Module):
        def forward(self, h):
            return -h

    raises(BadBundle, ["density_1"], lambda: pack({**densities, "1": negated(densities["1"])}))
    raises(LsmiError, [], lambda: pack(output="prob"))
    assert not (folder / "b").exists()
    pack()
    raises(OutputExists, ["overwrite=True"], pack)
    pack(overwrite=True)


def without_onnxscript(folder):
    """PyTorch where onnxscript is not installed."""
    sys.modules["onnxscript"] = None
    densities, classifiers = reference()
    x = vectors([8, 5])
    options = {"example": batch(x), "classes": range(CLASSES), "prior": [0.25] * CLASSES, "label": "y"}
    raises(
        Usage,
        ["needs onnxscript: pip install onnxscript", "torchscript"],
        lambda: lsmi_etl.pack(densities, classifiers, target=folder / "no", exporter="dynamo", **options),
    )
    bundle = lsmi_etl.pack(densities, classifiers, target=folder / "b", **options)
    compare(bundle, batch(x), *torch_truth(densities, classifiers, x), options["prior"])


# scikit-learn


def scikit_learn(folder):
    from sklearn.linear_model import LogisticRegression
    from sklearn.mixture import BayesianGaussianMixture, GaussianMixture
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    names = np.array(["cat", "dog", "eel"])
    y = RNG.integers(0, 3, 600)
    x = [v + y[:, None] for v in vectors([4, 6], 600)]
    of = {"1": x[0], "2": x[1], "12": np.hstack(x)}
    densities = {
        "1": GaussianMixture(3, random_state=0).fit(x[0]),
        "2": make_pipeline(StandardScaler(), BayesianGaussianMixture(n_components=2, random_state=0)).fit(x[1]),
    }
    classifiers = {
        "1": LogisticRegression().fit(x[0], names[y]),
        "2": make_pipeline(StandardScaler(), LogisticRegression()).fit(x[1], names[y]),
        "12": MLPClassifier([16], max_iter=300, random_state=0).fit(of["12"], names[y]),
    }
    prior = np.bincount(y) / len(y)
    fresh = [v[:ROWS] for v in x]
    parts = {name: values[:ROWS] for name, values in of.items()}
    data = batch(fresh, classes=names.tolist())
    h = {name: -model.score_samples(parts[name]) for name, model in densities.items()}
    log_prob = {name: np.log(model.predict_proba(parts[name])) for name, model in classifiers.items()}
    bundle = lsmi_etl.pack(densities, classifiers, example=data, target=folder / "b", prior=prior, label="y")
    assert list(bundle.classes) == names.tolist()
    # The embedded engine has no operator Scaler.
    compare(bundle, data, h, log_prob, prior, engines=["onnxruntime"])
    # Another order of the classes.
    order = [2, 0, 1]
    other = lsmi_etl.pack(
        densities,
        classifiers,
        example=data,
        target=folder / "o",
        prior=prior[order],
        classes=names[order].tolist(),
        label="y",
    )
    assert list(other.classes) == names[order].tolist()
    compare(other, data, h, log_prob, prior, engines=["onnxruntime"])
    wrong = {"1": LogisticRegression().fit(x[0], y), **{k: v for k, v in classifiers.items() if k != "1"}}
    raises(
        Usage, ["has classes"], lambda: lsmi_etl.pack(densities, wrong, example=data, target=folder / "w", prior=prior)
    )
    raises(
        Usage,
        ["density 1", "score_samples"],
        lambda: lsmi_etl.pack(
            {**densities, "1": classifiers["1"]}, classifiers, example=data, target=folder / "w", prior=prior
        ),
    )


def mixed(folder):
    """A file, a model of the package onnx, and modules in one bundle."""
    import onnx

    densities, classifiers = reference()
    x = vectors([8, 5])
    options = {"classes": range(CLASSES), "prior": [0.25] * CLASSES, "label": "y", "example": batch(x)}
    first = lsmi_etl.pack(densities, classifiers, target=folder / "first", no_fold=True, **options)
    packed = lambda name: pathlib.Path(first.path) / name
    densities_here = {"1": packed("density_1.onnx"), "2": onnx.load(packed("density_2.onnx"))}
    bundle = lsmi_etl.pack(densities_here, classifiers, target=folder / "b", **options)
    compare(bundle, batch(x), *torch_truth(densities, classifiers, x), options["prior"])
    files = {**classifiers, "1": packed("classifier_1.onnx")}
    raises(
        Usage,
        ["classifier 1", "say in output"],
        lambda: lsmi_etl.pack(densities, files, target=folder / "c", **options),
    )
    lsmi_etl.pack(densities, files, target=folder / "c", output="logits", **options)


if __name__ == "__main__":
    for case in sys.argv[2:]:
        folder = pathlib.Path(sys.argv[1]) / case
        folder.mkdir()
        globals()[case](folder)
