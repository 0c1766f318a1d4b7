"""Annotates Parquet files with Ray Data.

    python annotate_with_ray.py IN OUT BUNDLE

On a cluster IN, OUT and BUNDLE are URLs, or paths that all nodes have.
On GPUs: annotate(…, device="cuda", num_gpus=0.5).
"""

import sys

import ray

from lsmi_etl.ray import annotate

source, target, bundle = sys.argv[1:]
ray.init(num_cpus=4)
annotate(ray.data.read_parquet(source), bundle, columns=["i1", "i2", "i12"]).write_parquet(target)
