"""Ray pipelines of two actors and of tasks: an actor is killed, and a process that runs tasks.

python ray_kills.py IN OUT BUNDLE FOLDER
"""

import os
import signal
import sys

import ray

from lsmi_etl.ray import AnnotateBatches, annotate


class Killed(AnnotateBatches):
    def __init__(self, folder, **options):
        super().__init__(**options)
        self.folder = folder

    def __call__(self, table):
        return killed_once(super().__call__(table), self.folder, "actor")


def killed_once(table, folder, name):
    try:
        os.close(os.open(os.path.join(folder, name), os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return table
    os.kill(os.getpid(), signal.SIGKILL)


def main():
    source, target, bundle, folder = sys.argv[1:]
    ray.init(num_cpus=4, include_dashboard=False, object_store_memory=200 << 20, log_to_driver=False)
    batches = {"batch_format": "pyarrow", "batch_size": 100}
    columns = ["i1", "i2", "i12"]
    by_actors = ray.data.read_parquet(source).map_batches(
        Killed,
        compute=ray.data.ActorPoolStrategy(size=2),
        fn_constructor_kwargs={"folder": folder, "bundle": bundle, "columns": columns},
        **batches,
    )
    by_actors.write_parquet(target)
    by_tasks = annotate(ray.data.read_parquet(source), bundle, columns=columns)
    by_tasks.map_batches(killed_once, fn_args=(folder, "task"), **batches).write_parquet(f"{target}-tasks")
    ray.shutdown()
    killed = sorted(os.listdir(folder))
    assert killed == ["actor", "task"], killed
    print("killed:", *killed)


if __name__ == "__main__":
    main()
