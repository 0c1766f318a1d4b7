"""Write handwritten digits as Parquet: the top and the bottom half of each picture
are two modalities, the digit is the label.

The pictures are the 1 797 digits of 8 x 8 pixels and 17 grey levels that
scikit-learn ships. Uniform noise of one grey level is added to each pixel: a density
over whole numbers is a row of spikes, and the noise spreads each over its level.
"""

import argparse
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def table(ids: np.ndarray, pictures: np.ndarray, labels: np.ndarray) -> pa.Table:
    """One row a picture; `pictures` is [n, 8, 8]."""
    halves = {"top": pictures[:, :4], "bottom": pictures[:, 4:]}
    columns = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(half.ravel()), half[0].size)
        for name, half in halves.items()
    }
    return pa.table({"id": pa.array(ids), **columns, "label": pa.array(labels)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default=".", help="folder for the files")
    parser.add_argument("--test-rows", type=int, default=597, help="rows held out for the test file")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the noise")
    arguments = parser.parse_args()

    digits = load_digits()
    noise = np.random.default_rng(arguments.seed).random(digits.images.shape)
    pictures = (digits.images + noise).astype(np.float32)
    labels = digits.target.astype(np.int64)
    ids = np.arange(len(labels))
    train, test = train_test_split(
        ids, test_size=arguments.test_rows, stratify=labels, random_state=arguments.seed
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, rows in [("train", np.sort(train)), ("test", np.sort(test))]:
        path = arguments.out / f"digits-{name}.parquet"
        pq.write_table(table(ids[rows], pictures[rows], labels[rows]), path)
        print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    main()
