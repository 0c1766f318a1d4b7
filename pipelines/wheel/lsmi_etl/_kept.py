"""Annotators that a process keeps, for functions that are called once for each batch or task."""

from __future__ import annotations

import os
import threading
from typing import Any

from lsmi_etl.annotator import Annotator

__all__ = ["kept_annotator"]

_kept: dict[tuple[str, str], tuple[str | None, Annotator]] = {}
_lock = threading.Lock()


def _new_lock() -> None:
    """In a forked process: a thread that is not here may hold the parent's."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def kept_annotator(bundle: str | os.PathLike[str], options: dict[str, Any], sha256: str | None = None) -> Annotator:
    """The annotator of this process for a bundle and options. It ends with the process.

    Where another bundle has taken the place of this one, its models are loaded: ``sha256`` tells which it is, and where
    that is not known, the manifest of a folder. A bundle at a URL is taken for the same as before.
    """
    key = (os.fspath(bundle), repr(sorted(options.items())))
    version = sha256 or _written(bundle)
    with _lock:
        known, annotator = _kept.get(key, (None, None))
        if annotator is None or known != version:
            if annotator is not None:
                annotator.close()
            annotator = Annotator(bundle, **options)
            _kept[key] = (version, annotator)
        return annotator


def _written(bundle: str | os.PathLike[str]) -> str | None:
    """What tells the manifest of a folder from one that is written there later."""
    try:
        manifest = os.stat(os.path.join(bundle, "bundle.json"))
    except OSError:
        return None
    return f"{manifest.st_ino} {manifest.st_mtime_ns} {manifest.st_size}"
