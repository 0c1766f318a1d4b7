"""Airflow assets of annotated files: their URIs and the extra data of their events."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from airflow.sdk import Asset, AssetAlias

if TYPE_CHECKING:
    from airflow.sdk import Context


def is_known(path: Any, cwd: str | None) -> bool:
    """Whether a path is known before the task runs, that is, not templated."""
    texts = [path] if cwd is None else [path, cwd]
    return all(isinstance(text, str) and "{{" not in text and "{%" not in text for text in texts)


def uri(path: str, cwd: str | None) -> str:
    """The asset URI of a path relative to a folder; ``key=value`` folders stay readable."""
    if "://" in path:
        return path
    return f"file://{quote(os.path.abspath(os.path.join(cwd or '', path)), safe='/=')}"


def told(outlets: Sequence[Any], context: Context, summary: Mapping[str, Any], output: str, cwd: str | None) -> None:
    """Adds rows, bad rows and means of an annotation to the events of the outlets. An alias gets
    the output as its asset."""
    columns = summary.get("columns", {})
    extra = {
        "rows": summary.get("rows"),
        "bad_rows": summary.get("bad_rows"),
        "means_nats": {name: column.get("mean") for name, column in columns.items()},
        "bundle_sha256": summary.get("bundle_sha256"),
    }
    for outlet in outlets:
        event = context["outlet_events"][outlet]
        if isinstance(outlet, AssetAlias):
            event.add(Asset(uri=uri(output, cwd)), extra=extra)
        elif isinstance(outlet, Asset):
            event.extra.update(extra)
