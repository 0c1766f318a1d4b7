"""Annotates a dataset of Hugging Face's library datasets, in two processes.

python annotate_with_datasets.py IN OUT BUNDLE
"""

import sys

from datasets import load_dataset

from lsmi_etl.datasets import annotate

source, target, bundle = sys.argv[1:]
dataset = load_dataset("parquet", data_files=source, split="train")
annotate(dataset, bundle, num_proc=2, columns=["i1", "i2", "i12"]).to_parquet(target)
