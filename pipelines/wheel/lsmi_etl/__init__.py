"""lsmi-etl as a Python package: where the program is.

>>> import subprocess
>>> from lsmi_etl import find_lsmi_etl_bin
>>> subprocess.run([find_lsmi_etl_bin(), "annotate", "in.parquet", "out.parquet"], check=True)
"""

from __future__ import annotations

import os
import sys
import sysconfig

__all__ = ["find_lsmi_etl_bin"]


def find_lsmi_etl_bin() -> str:
    """The path of the program that was installed with this package.

    Raises ``FileNotFoundError``, which says where it was looked for.
    """
    name = "lsmi-etl" + (sysconfig.get_config_var("EXE") or "")
    user = sysconfig.get_preferred_scheme("user") if sys.version_info >= (3, 10) else f"{os.name}_user"
    package = os.path.dirname(os.path.realpath(__file__))
    folders = [
        sysconfig.get_path("scripts"),
        sysconfig.get_path("scripts", vars={"base": sys.base_prefix}),
        sysconfig.get_path("scripts", scheme=user),
        # `pip install --prefix` and `--target`
        os.path.join(package, *[os.pardir] * 4, "bin"),
        os.path.join(package, os.pardir, "bin"),
    ]
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            return os.path.normpath(path)
    looked = ", ".join(os.path.normpath(folder) for folder in folders)
    raise FileNotFoundError(f"{name} is in none of {looked}; install the wheel again")
