"""The build backend of the wheel: maturin, which packs the native module and the Python package, after cargo has
compiled the program that is packed beside them. Both are compiled with the arguments in ``MATURIN_PEP517_ARGS``, by
default with the profile ``dist``.

Besides pip, ``python pipelines/wheel/build_backend.py FOLDER`` makes a wheel in a folder; wheels of a release are made
by ``pipelines/release/wheel.sh``.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys

import maturin
from maturin import (  # noqa: F401, hooks that are maturin's own
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

ARGUMENTS = "MATURIN_PEP517_ARGS"
#: What the wheel installs beside Python.
SCRIPTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "scripts")
# Maturin asks for it before there is a program.
os.makedirs(SCRIPTS, exist_ok=True)


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    _compile_program()
    return maturin.build_wheel(wheel_directory, config_settings, metadata_directory)


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    _compile_program()
    return maturin.build_editable(wheel_directory, config_settings, metadata_directory)


def cargo_arguments(arguments):
    """The arguments of maturin that are for cargo, too: without those of the wheel, and with a profile."""
    of_the_wheel = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for option in ("--auditwheel", "--compatibility", "--interpreter", "-i"):
        of_the_wheel.add_argument(option)
    arguments = of_the_wheel.parse_known_args(arguments)[1]
    if not any(argument.split("=")[0] in ("--profile", "--release", "-r") for argument in arguments):
        arguments += ["--profile", "dist"]
    return arguments


def _compile_program():
    cargo = ["cargo", "build", "--package", "lsmi-etl", "--bin", "lsmi-etl"]
    cargo += cargo_arguments(shlex.split(os.environ.get(ARGUMENTS, "")))
    built = subprocess.run(
        [*cargo, "--message-format", "json-render-diagnostics"], stdout=subprocess.PIPE, text=True, check=True
    )
    messages = map(json.loads, built.stdout.splitlines())
    [program] = [message["executable"] for message in messages if message.get("executable")]
    shutil.copy(program, SCRIPTS)


if __name__ == "__main__":
    folder = os.path.abspath(sys.argv[1])
    os.makedirs(folder, exist_ok=True)
    print(os.path.join(folder, build_wheel(folder)))
