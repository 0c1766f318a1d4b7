"""Fits scikit-learn's models to a Parquet file with the columns x1, x2 and y, and packs them as a bundle.

python pack_scikit_learn_models.py TRAIN BUNDLE
"""

import sys

import numpy as np
import pyarrow.parquet as pq
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import lsmi_etl

source, target = sys.argv[1:]
table = pq.read_table(source)
x1, x2 = (np.stack(table[name].to_numpy()) for name in ("x1", "x2"))
y = table["y"].to_numpy()
classes, counts = np.unique(y, return_counts=True)


def density(x):
    return GaussianMixture(3, random_state=0).fit(x)


def classifier(x):
    return make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)


bundle = lsmi_etl.pack(
    {"1": density(x1), "2": density(x2)},
    {"1": classifier(x1), "2": classifier(x2), "12": classifier(np.hstack([x1, x2]))},
    example=table,
    target=target,
    label="y",
    prior=counts / len(y),
)
print(bundle)
