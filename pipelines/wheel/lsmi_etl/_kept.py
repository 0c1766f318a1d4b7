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

    ``sha256`` is that of the bundle: where another one has taken the place of the bundle, its models are loaded.
    """
    key = (os.fspath(bundle), repr(sorted(options.items())))
    with _lock:
        known, annotator = _kept.get(key, (None, None))
        if annotator is None or known != sha256:
            if annotator is not None:
                annotator.close()
            annotator = Annotator(bundle, **options)
            _kept[key] = (sha256, annotator)
        return annotator
