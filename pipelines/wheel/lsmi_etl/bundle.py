"""Bundles: the models of a dataset with their manifest."""

from __future__ import annotations

import os

from lsmi_etl._command import Location, command_line, complete, locations
from lsmi_etl._decoding import decoded
from lsmi_etl.errors import Usage
from lsmi_etl.manifest import Figures, FitWarning, Manifest, Modality

__all__ = ["Bundle"]


class Bundle:
    """A bundle of models, opened and checked. It can be given wherever a path of a bundle can.

    >>> bundle = Bundle.open("lsmi-bundle")
    >>> [modality.dim for modality in bundle.modalities]
    [512, 768]
    >>> bundle.figures.estimates.r.mean_nats
    0.4213
    """

    def __init__(self, path: str, sha256: str | None = None, manifest: Manifest | None = None) -> None:
        if sha256 is None or manifest is None:
            raise Usage("a Bundle is made by Bundle.open(path)")
        #: Its folder or URL, as given.
        self.path = path
        #: SHA-256 of its manifest, which annotated files name.
        self.sha256 = sha256
        #: All that its ``bundle.json`` says.
        self.manifest = manifest

    @classmethod
    def open(cls, path: Location) -> Bundle:
        """Opens a bundle in a folder or under a URL, and compares its files with their hashes.

        Raises :class:`lsmi_etl.errors.BadBundle` where it is damaged, :class:`lsmi_etl.errors.NoInput` where
        there is none.
        """
        found = locations(path, "the bundle")
        if found is None or len(found) != 1:
            raise Usage("Bundle.open takes one folder or URL")
        run = complete(command_line(["bundle", "inspect", "--json"], {}, found, {}), is_shown=False)
        inspection = run.json
        return cls(found[0], inspection["bundle_sha256"], decoded(Manifest, inspection["manifest"]))

    @property
    def modalities(self) -> list[Modality]:
        """The modalities x1, x2, …: each with its default column, its dimension and units."""
        return self.manifest.modalities

    @property
    def dimensions(self) -> list[int]:
        """The length of every modality's embeddings."""
        return [modality.dim for modality in self.modalities]

    @property
    def label(self) -> str | None:
        """The label column that is read unless another is named."""
        return self.manifest.label.column

    @property
    def classes(self) -> list[bool | int | str]:
        """The classes of the label, in the order of the classifiers' outputs."""
        return self.manifest.label.classes

    @property
    def prior(self) -> list[float]:
        """p(y) of each class."""
        return self.manifest.label.prior

    @property
    def folds(self) -> int:
        """The number of folds whose models evaluate rows that they were not trained on; 0 without any."""
        filters = self.manifest.training_rows
        return len(filters.filters) if filters is not None else 0

    @property
    def figures(self) -> Figures | None:
        """Figures of the fit on rows that the models have not seen; ``None`` of models from elsewhere."""
        training = self.manifest.training
        return training.validation if training is not None else None

    @property
    def warnings(self) -> list[FitWarning]:
        """What the fit found to be off about the rows or the models."""
        training = self.manifest.training
        return training.warnings if training is not None else []

    def __fspath__(self) -> str:
        return self.path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and self.sha256 == other.sha256

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        columns = ", ".join(
            f"{modality.column or f'x{index}'}[{modality.dim}]"
            for index, modality in enumerate(self.modalities, start=1)
        )
        return f"Bundle({os.fspath(self)!r}: {columns} -> {self.label or 'y'}, {len(self.classes)} classes)"
