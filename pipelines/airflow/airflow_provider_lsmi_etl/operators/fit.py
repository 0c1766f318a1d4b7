"""The operator of ``lsmi-etl fit``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .base import LsmiOperator, repeated, typed


class LsmiFitOperator(LsmiOperator):
    """Trains a bundle on a Parquet file: ``lsmi-etl fit``.

    Returns the bundle's path, hash and validation figures.

    :param train: Parquet file to train on (templated)
    :param bundle: folder to write the bundle to (templated)
    :param x1_column: embedding column of the first modality [default: detected]
    :param x2_column: embedding column of the second modality
    :param x_columns: embedding columns of all modalities, in place of ``x1_column`` and ``x2_column`` (templated);
        a name with a comma stands in double quotes, as on the command line
    :param label_column: label column
    :param folds: number of folds: rows that were trained on are later evaluated by models that have not
        seen them; 1 trains one set of models
    :param group: column whose equal values stay in one fold, such as a patient (templated)
    :param key: column or columns by whose values the training rows are known again, instead of by their
        embeddings (templated)
    :param units: ``raw`` or ``centred``
    :param density_fit: ``em`` or ``sgd``
    :param max_rows: maximum number of rows to train on
    :param seed: random seed
    :param overwrite: replace an existing bundle
    :param options: further command-line arguments (templated)
    """

    template_fields: Sequence[str] = (
        "train",
        "bundle",
        "x1_column",
        "x2_column",
        "x_columns",
        "label_column",
        "group",
        "key",
        "options",
        *LsmiOperator.template_fields,
    )

    def __init__(
        self,
        *,
        train: str,
        bundle: str,
        x1_column: str | None = None,
        x2_column: str | None = None,
        x_columns: Sequence[str] = (),
        label_column: str | None = None,
        folds: int | None = None,
        group: str | None = None,
        key: str | Sequence[str] = (),
        units: str | None = None,
        density_fit: str | None = None,
        max_rows: int | None = None,
        seed: int | None = None,
        overwrite: bool = False,
        options: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.train = train
        self.bundle = bundle
        self.x1_column = x1_column
        self.x2_column = x2_column
        self.x_columns = x_columns
        self.label_column = label_column
        self.folds = folds
        self.group = group
        self.key = key
        self.units = units
        self.density_fit = density_fit
        self.max_rows = max_rows
        self.seed = seed
        self.overwrite = overwrite
        self.options = options

    def command_arguments(self) -> list[str]:
        flags = {
            "bundle": self.bundle,
            "x1": self.x1_column,
            "x2": self.x2_column,
            "label": self.label_column,
            "folds": self.folds,
            "group": self.group,
            "units": self.units,
            "density-fit": self.density_fit,
            "max-rows": self.max_rows,
            "seed": self.seed,
            "overwrite": self.overwrite,
        }
        columns = [self.key] if isinstance(self.key, str) else self.key
        named = [*typed(flags), *repeated("x", self.x_columns), *repeated("key", columns)]
        return ["fit", self.train, "--json", *named, *map(str, self.options)]
