"""Annotators that a process keeps, for functions that are called once for each batch or task, and what such functions
require of their arguments."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from lsmi_etl.annotator import Annotator
from lsmi_etl.errors import Usage

__all__ = ["absolute", "kept_annotator", "refuse_options_of_a_run"]

#: Annotators that a process keeps: those used last. Each has its models in memory.
_COUNT = 8
#: Options whose subject is all rows of a run together.
_OF_A_RUN = ("max_bad_rows", "metrics", "rejects", "on_shift")

_kept: OrderedDict[tuple[str, str], tuple[str | None, Annotator]] = OrderedDict()
_lock = threading.Lock()


def _new_lock() -> None:
    """In a forked process: a thread that is not here may hold the parent's."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def kept_annotator(bundle: str | os.PathLike[str], options: dict[str, Any], sha256: str | None = None) -> Annotator:
    """The annotator of this process for a bundle and options.

    Where another bundle has taken the place of this one, its models are loaded: ``sha256`` tells which it is, and where
    that is not known, the manifest of a folder. A bundle at a URL is taken for the same as before.
    An annotator that is kept no longer is not closed: another thread may be using it. It ends with its last user.
    """
    key = (os.fspath(bundle), repr(sorted(options.items())))
    version = sha256 or _written(bundle)
    with _lock:
        known, annotator = _kept.get(key, (None, None))
        if annotator is None or known != version:
            annotator = Annotator(bundle, **options)
            _kept[key] = (version, annotator)
        _kept.move_to_end(key)
        while len(_kept) > _COUNT:
            _kept.popitem(last=False)
        return annotator


def refuse_options_of_a_run(options: Mapping[str, Any]) -> None:
    """Raises :class:`Usage` of options that a function of single batches cannot obey: it never learns that the run is
    over, and its process annotates the rows of other runs with the same models."""
    variables = {name: f"LSMI_ETL_{name.upper()}" for name in _OF_A_RUN}
    given = [f"the option {name}" for name in variables if _is_of_a_run(name, options.get(name))]
    set_outside = [
        f"the variable {variable}"
        for name, variable in variables.items()
        if options.get(name) is None and _is_of_a_run(name, os.environ.get(variable))
    ]
    if given or set_outside:
        raise Usage(
            f"{(given + set_outside)[0]} is of all rows together, and this engine annotates single batches; "
            "give Annotator.stream a reader, annotate files, or count the nulls of r"
        )


def _is_of_a_run(name: str, value: Any) -> bool:
    # Zero bad rows are an option, too.
    return value == "fail" if name == "on_shift" else value is not None and value is not False and value != ""


def absolute(bundle: str | os.PathLike[str]) -> str:
    """A folder as other processes find it, whatever their working directory is; a URL as it is."""
    path = os.fspath(bundle)
    return path if "://" in path else os.path.abspath(path)


def _written(bundle: str | os.PathLike[str]) -> str | None:
    """What tells the manifest of a folder from one that is written there later."""
    try:
        manifest = os.stat(os.path.join(bundle, "bundle.json"))
    except OSError:
        return None
    return f"{manifest.st_ino} {manifest.st_mtime_ns} {manifest.st_size}"
