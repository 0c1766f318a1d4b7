"""Makes the Python package of a checkout importable, without a wheel: compiles its native module and links its files.

    python3 pipelines/wheel/link_package.py FOLDER [ARGUMENTS OF CARGO BUILD]

FOLDER then is a place for ``PYTHONPATH``. The program is not compiled; ``LSMI_ETL_BIN`` names it.
"""

import json
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def main():
    folder, *arguments = sys.argv[1:]
    cargo = ["cargo", "build", "--package", "lsmi-etl-python", *arguments]
    built = subprocess.run(
        [*cargo, "--message-format", "json-render-diagnostics"],
        cwd=HERE,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    artifacts = [json.loads(line) for line in built.stdout.splitlines()]
    [library] = [
        artifact["filenames"][0] for artifact in artifacts if artifact.get("target", {}).get("name") == "_native"
    ]
    package = pathlib.Path(folder) / "lsmi_etl"
    package.mkdir(parents=True, exist_ok=True)
    for source in (HERE / "lsmi_etl").iterdir():
        link = package / source.name
        if source.is_file() and not link.is_symlink():
            link.symlink_to(source)
    # Under a temporary name first: an interpreter may have the other one loaded.
    shutil.copy(library, package / "_native.new")
    (package / "_native.new").rename(package / "_native.abi3.so")


if __name__ == "__main__":
    main()
