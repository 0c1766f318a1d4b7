"""Write handwritten digits as Parquet: the top and the bottom half of each picture
are two modalities, the digit is the label. With --views 3 the middle half, two rows of
pixels of the top and two of the bottom, is a third.

The pictures are the 1 797 digits of 8 x 8 pixels and 17 grey levels that
scikit-learn ships. Uniform noise of one grey level is added to each pixel: a density
over whole numbers is a row of spikes, and the noise spreads each over its level. The
middle half has noise of its own, as a second scan of the picture would: a pair of views
that repeats a number has no density. The grey levels stay what they are, so that the
top and the bottom half together tell all that the middle tells.
"""

import argparse
import pathlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def table(ids: np.ndarray, views: dict[str, np.ndarray], labels: np.ndarray) -> pa.Table:
    """One row a picture; each view is [n, 4, 8]."""
    columns = {
        name: pa.FixedSizeListArray.from_arrays(pa.array(view.ravel()), view[0].size)
        for name, view in views.items()
    }
    return pa.table({"id": pa.array(ids), **columns, "label": pa.array(labels)})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=pathlib.Path, default=".", help="folder for the files")
    parser.add_argument("--views", type=int, choices=[2, 3], default=2, help="halves of a picture")
    parser.add_argument("--test-rows", type=int, default=597, help="rows held out for the test file")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the noise")
    arguments = parser.parse_args()

    digits = load_digits()
    random = np.random.default_rng(arguments.seed)
    first, second = (
        (digits.images + random.random(digits.images.shape)).astype(np.float32) for _ in range(2)
    )
    views = {"top": first[:, :4], "middle": second[:, 2:6], "bottom": first[:, 4:]}
    if arguments.views == 2:
        del views["middle"]
    labels = digits.target.astype(np.int64)
    ids = np.arange(len(labels))
    train, test = train_test_split(
        ids, test_size=arguments.test_rows, stratify=labels, random_state=arguments.seed
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    stem = "digits" if arguments.views == 2 else "digits3"
    for name, rows in [("train", np.sort(train)), ("test", np.sort(test))]:
        path = arguments.out / f"{stem}-{name}.parquet"
        of_rows = {name: view[rows] for name, view in views.items()}
        pq.write_table(table(ids[rows], of_rows, labels[rows]), path)
        print(f"{path}: {len(rows)} rows")


if __name__ == "__main__":
    main()
