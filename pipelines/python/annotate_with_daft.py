"""Annotates Parquet files with Daft.

python annotate_with_daft.py IN OUT BUNDLE
"""

import sys

import daft

from lsmi_etl.daft import annotate

source, target, bundle = sys.argv[1:]
annotate(daft.read_parquet(source), bundle, columns=["i1", "i2", "i12"]).write_parquet(target)
