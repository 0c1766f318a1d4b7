"""A Ray pipeline of two actors, one of which is killed.

python ray_kills.py IN OUT BUNDLE FOLDER
"""

import os
import signal
import sys

import ray

from lsmi_etl.ray import AnnotateBatches


class Killed(AnnotateBatches):
    def __init__(self, folder, **options):
        super().__init__(**options)
        self.folder = folder

    def __call__(self, table):
        annotated = super().__call__(table)
        try:
            os.close(os.open(os.path.join(self.folder, "actor"), os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return annotated
        os.kill(os.getpid(), signal.SIGKILL)


def main():
    source, target, bundle, folder = sys.argv[1:]
    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=200 << 20, log_to_driver=False)
    ds = ray.data.read_parquet(source).map_batches(
        Killed,
        batch_format="pyarrow",
        batch_size=100,
        compute=ray.data.ActorPoolStrategy(size=2),
        fn_constructor_kwargs={"folder": folder, "bundle": bundle, "columns": ["i1", "i2", "i12"]},
    )
    ds.write_parquet(target)
    ray.shutdown()
    killed = sorted(os.listdir(folder))
    assert killed == ["actor"], killed
    print("killed:", *killed)


if __name__ == "__main__":
    main()
