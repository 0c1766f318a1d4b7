"""Reports of annotated files, which show themselves in a notebook."""

from __future__ import annotations

import html
import os
from pathlib import Path
from typing import Any

from lsmi_etl._command import Location
from lsmi_etl.errors import IoError, OutputExists, Usage
from lsmi_etl.results import ReportSummary

__all__ = ["Report"]

#: Pixels of a report in a notebook, within which it scrolls.
HEIGHT = 900


class Report:
    """A report: one HTML page that needs no network, or the numbers behind it."""

    def __init__(self, summary: ReportSummary, page: str | None = None, numbers: dict[str, Any] | None = None) -> None:
        #: Rows, warnings, the file that was written.
        self.summary = summary
        self._page = page
        #: The numbers of all charts and tables, of ``format="json"``; their schema is
        #: ``schemas/report.schema.json``.
        self.numbers = numbers

    @property
    def page(self) -> str | None:
        """The HTML page; ``None`` of a report that is numbers only.

        Raises :class:`lsmi_etl.errors.IoError` where the file that was written is no longer there.
        """
        if self._page is None and self.numbers is None and self.summary.output is not None:
            try:
                self._page = Path(self.summary.output).read_text("utf-8")
            except (OSError, ValueError) as error:
                raise IoError(f"{self.summary.output}: cannot read the report: {error}; make it again") from None
        return self._page

    def save(self, path: Location, overwrite: bool = False) -> None:
        """Writes the page to a file, which appears when it is complete.

        Raises :class:`lsmi_etl.errors.OutputExists` where it exists, or cannot be created.
        """
        page = self.page
        if page is None:
            raise Usage("this report is numbers only; make one without format='json'")
        path = Path(path)
        staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            staged.write_text(page, "utf-8")
            if overwrite:
                os.replace(staged, path)
            else:
                os.link(staged, path)
        except FileExistsError:
            raise OutputExists(f"{path} exists; save with overwrite=True, or to another file") from None
        except OSError as error:
            raise OutputExists(f"{path}: cannot create the report: {error}") from None
        finally:
            staged.unlink(missing_ok=True)

    def _repr_html_(self) -> str | None:
        if self.page is None:
            return None
        # A frame keeps the page's styles from those of the notebook, and its sandbox the notebook from the page.
        return (
            f'<iframe srcdoc="{html.escape(self.page)}" sandbox="allow-scripts allow-popups" '
            f'style="width: 100%; height: {HEIGHT}px; border: 0"></iframe>'
        )

    def __repr__(self) -> str:
        where = f", {self.summary.output}" if self.summary.output else ""
        return f"Report({self.summary.rows} rows{where})"
