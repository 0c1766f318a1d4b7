"""lsmi-etl from Python: pointwise redundancy, uniqueness and synergy of multimodal embeddings.

>>> import lsmi_etl
>>> lsmi_etl.annotate("in.parquet", "out.parquet", bundle="lsmi-bundle")
>>> with lsmi_etl.Annotator("lsmi-bundle") as annotate:
...     table = annotate(table)

The commands run the program ``lsmi-etl`` of the wheel, and the Annotator runs the models in this process. Except for
:func:`find_lsmi_etl_bin`, pyarrow is needed: ``pip install 'lsmi-etl[python]'``.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsmi_etl import errors as errors
    from lsmi_etl._native import __version__ as __version__
    from lsmi_etl._program import find_lsmi_etl_bin as find_lsmi_etl_bin
    from lsmi_etl.annotator import Annotator as Annotator
    from lsmi_etl.bundle import Bundle as Bundle
    from lsmi_etl.commands import annotate as annotate
    from lsmi_etl.commands import fit as fit
    from lsmi_etl.commands import report as report
    from lsmi_etl.commands import sql as sql
    from lsmi_etl.export import pack as pack

#: The module of each name. They are imported when they are used: to find the program takes no pyarrow.
_MODULES = {
    "Annotator": "annotator",
    "Bundle": "bundle",
    "__version__": "_native",
    "annotate": "commands",
    "find_lsmi_etl_bin": "_program",
    "fit": "commands",
    "pack": "export",
    "report": "commands",
    "sql": "commands",
}

#: Modules that are reached without an import of their own. Each imports its engine when it is used.
_SUBMODULES = ("daft", "datasets", "duckdb", "errors", "polars", "ray", "spark")

__all__ = ["Annotator", "Bundle", "annotate", "errors", "find_lsmi_etl_bin", "fit", "pack", "report", "sql"]


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"lsmi_etl.{name}")
    if name in _MODULES:
        return getattr(importlib.import_module(f"lsmi_etl.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'lsmi_etl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_SUBMODULES])
