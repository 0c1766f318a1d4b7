"""The manifest of a bundle, and the figures of its fit.

Generated from the JSON Schemas of the program by ``pipelines/wheel/classes_of_schemas.py``.
"""

# ruff: noqa: UP007, UP045

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Optional, Union

__all__ = [
    "Agreement",
    "CalibrationBin",
    "ClassifierFigures",
    "DensityCandidate",
    "DensityFigures",
    "Estimates",
    "Figures",
    "FilterFile",
    "FitWarning",
    "Label",
    "LabelFreeCheck",
    "Manifest",
    "MeanEstimate",
    "Modality",
    "ModelFile",
    "PowerPoint",
    "Training",
    "TrainingRowsFiles",
]


@dataclass(frozen=True)
class Label:
    """The label."""

    #: The classes in the order of the classifiers' outputs.
    classes: list[Union[bool, int, str]]
    #: p(y) of each class over the training rows; sums to one.
    prior: list[float]
    #: The label column that is read unless another is named.
    column: Optional[str] = None


@dataclass(frozen=True)
class Modality:
    """One modality."""

    #: Length of every embedding.
    dim: int
    #: The embedding column that is read unless another is named.
    column: Optional[str] = None
    #: Mean of h over the training rows, in nats; needed for centred units.
    mean_h_nats: Optional[float] = None
    #: The convention of h, which decides how much of the information is redundant.
    units: Literal["raw", "centred"] = "raw"


@dataclass(frozen=True)
class ModelFile:
    """An ONNX file beside the manifest, by the modalities that it reads and the rows that it was fitted on."""

    #: Its name, without a folder.
    file: str
    #: What it computes.
    kind: Literal["density", "classifier"]
    #: Indices of the modalities that it reads, ascending from 0.
    modalities: list[int]
    #: SHA-256 of its bytes, in lower-case hexadecimal.
    sha256: str
    #: The fold whose rows it has not seen, from 0; absent for a main model, fitted on all rows.
    fold: Optional[int] = None
    #: Mean of h over the training rows, in nats, of a density of several modalities; needed for centred units.
    mean_h_nats: Optional[float] = None
    #: Output kind of a classifier; absent for a density.
    output: Optional[Literal["log_prob", "logits"]] = None


@dataclass(frozen=True)
class CalibrationBin:
    """Rows of similar confidence: one bin of a classifier's calibration curve."""

    #: Share of rows whose label it is.
    accuracy: float
    #: Mean probability of the most probable class.
    confidence: float
    #: Rows.
    rows: int


@dataclass(frozen=True)
class ClassifierFigures:
    """Accuracy and calibration of a classifier."""

    #: Share of rows whose most probable class is their label.
    accuracy: float
    #: Weights of regression and network in the stack; 0 for an absent part.
    betas: list[float]
    #: Expected calibration error over 15 equal bins of the top class's probability.
    calibration_error: float
    #: Mean −ln p(y|x) in nats.
    cross_entropy_nats: float
    #: Epochs until the network's held-out loss was least.
    epochs: int
    #: L2 strength of the logistic regression; 0 without one.
    l2: float
    #: Weight decay of the network; 0 without one.
    weight_decay: float
    #: The calibration curve: ten bins of equally many rows, by the top class's probability, ascending.
    calibration: list[CalibrationBin] = field(default_factory=list)
    #: R, the discriminant analysis's centres of a class; absent without one.
    centres: Optional[int] = None
    #: Weight of the discriminant analysis in the stack; absent without one.
    discriminant_beta: Optional[float] = None
    #: Units of each hidden layer of the network; absent without one.
    hidden_units: Optional[int] = None
    #: Mean −ln p(y|x) in nats of the trained rows under the main model: its difference to `cross_entropy_nats` is the
    #: optimism of in-sample values.
    in_sample_nats: Optional[float] = None
    #: Standard error of `cross_entropy_nats`, over rows.
    standard_error_nats: Optional[float] = None


@dataclass(frozen=True)
class DensityCandidate:
    """A candidate of the search for a density."""

    #: Number of Gaussians.
    components: int
    #: Mean held-out −ln p(x) in nats.
    mean_nats: float
    #: Its standard error, over rows.
    standard_error_nats: float
    #: Factors of the shared covariance, 0 where it is diagonal; absent where it is no factor analysis's.
    factors: Optional[int] = None
    #: Strength of the shrinkage in rows' worth; absent for one shared covariance.
    shrinkage_rows: Optional[float] = None


@dataclass(frozen=True)
class DensityFigures:
    """Goodness of fit of a density."""

    #: Number of Gaussians.
    components: int
    #: Iterations or epochs until the held-out −ln p was least.
    iterations: int
    #: Mean −ln p(x) in nats, in the units of x.
    mean_nats: float
    #: What the choice was made from.
    candidates: list[DensityCandidate] = field(default_factory=list)
    #: Factors of the shared covariance, 0 where it is diagonal; absent where it is no factor analysis's.
    factors: Optional[int] = None
    #: Mean −ln p(x) in nats of the trained rows under the main model: the difference to `mean_nats` is the optimism of
    #: in-sample values.
    in_sample_nats: Optional[float] = None
    #: The scales at which each of them is repeated, ascending, fitted out of fold; none where they are Gaussians.
    scales: list[float] = field(default_factory=list)
    #: Strength of the shrinkage towards the pooled covariance, in rows' worth; absent where all components share one
    #: covariance, and for gradient descent.
    shrinkage_rows: Optional[float] = None
    #: Standard error of `mean_nats`, over rows.
    standard_error_nats: Optional[float] = None


@dataclass(frozen=True)
class MeanEstimate:
    """A mean with its standard errors, in nats."""

    #: Both together.
    error_nats: float
    #: Mean over the rows.
    mean_nats: float
    #: Standard error that comes of the models: the spread of the folds' means beyond that of their rows. A lower bound:
    #: the folds' models share most of their rows, and a bias of all is not in it.
    models_error_nats: float
    #: Standard error that comes of the rows, for these models: a bootstrap over groups of rows.
    rows_error_nats: float


@dataclass(frozen=True)
class Estimates:
    """Means over the training rows, out of fold."""

    #: Groups of related rows, which the bootstrap draws whole; as many as rows where none are related.
    groups: int
    #: R, redundancy.
    r: MeanEstimate
    #: Rows of the means.
    rows: int
    #: S, synergy.
    s: MeanEstimate
    #: U1, uniqueness of x1.
    u1: MeanEstimate
    #: U2, uniqueness of x2.
    u2: MeanEstimate
    #: I12, the information of both modalities.
    i12: Optional[MeanEstimate] = None
    #: I123, the information of all modalities.
    i_123: Optional[MeanEstimate] = None
    #: I1234, the information of all modalities.
    i_1234: Optional[MeanEstimate] = None
    #: What R would be in other units.
    redundancy_by_shift: dict[str, Any] = field(default_factory=dict)
    #: Which i r equals.
    redundancy_shares: dict[str, Any] = field(default_factory=dict)
    #: U3, uniqueness of x3.
    u3: Optional[MeanEstimate] = None
    #: U4, uniqueness of x4.
    u4: Optional[MeanEstimate] = None


@dataclass(frozen=True)
class Agreement:
    """Two values of the same rows: how far one is from the other."""

    #: Mean of the one minus the other.
    mean_difference_nats: float
    #: Root of the mean square of their differences.
    rmse_nats: float
    #: Pearson's correlation; absent where one of them is constant.
    correlation: Optional[float] = None


@dataclass(frozen=True)
class LabelFreeCheck:
    """The expectations over the label, as of `annotate --label-free`, beside the values of the rows' own labels, out of
    fold.
    """

    #: Mean entropy of the label given all modalities: the less it is, the nearer expectation and value.
    mean_entropy_nats: float
    #: R, redundancy.
    r: Agreement
    #: Rows.
    rows: int
    #: S, synergy.
    s: Agreement
    #: U1, uniqueness of x1.
    u1: Agreement
    #: U2, uniqueness of x2.
    u2: Agreement
    #: U3, uniqueness of x3.
    u3: Optional[Agreement] = None
    #: U4, uniqueness of x4.
    u4: Optional[Agreement] = None


@dataclass(frozen=True)
class PowerPoint:
    """Means of a fit on a part of the rows, on the same held-out rows as those of the whole fit."""

    #: R, redundancy.
    r_nats: float
    #: S, synergy.
    s_nats: float
    #: Rows that were trained on.
    trained_rows: int
    #: U1, uniqueness of x1.
    u1_nats: float
    #: U2, uniqueness of x2.
    u2_nats: float
    #: I12, the information of both modalities.
    i12_nats: Optional[float] = None
    #: I1234, the information of all modalities.
    i_1234_nats: Optional[float] = None
    #: I123, the information of all modalities.
    i_123_nats: Optional[float] = None
    #: The rows' r beside that of the whole fit; absent for the whole fit.
    r_agreement: Optional[Agreement] = None
    #: The rows' s, likewise.
    s_agreement: Optional[Agreement] = None
    #: U3, uniqueness of x3.
    u3_nats: Optional[float] = None
    #: U4, uniqueness of x4.
    u4_nats: Optional[float] = None


@dataclass(frozen=True)
class Figures:
    """Validation figures of a fit. With cross-fitting, each row's figures are those of the models that have not seen
    it; otherwise, all are on rows used neither for training nor for selection.
    """

    #: The classifiers of all sets of modalities, by size: of x1, of x2 and of both for two.
    classifiers: list[ClassifierFigures]
    #: The densities of all sets of modalities but the full one, by size: of x1 and x2 for two.
    densities: list[DensityFigures]
    #: Test rows, for the figures.
    measured_rows: int
    #: Rows for training and model selection.
    trained_rows: int
    #: Means with their errors; absent where there was one split.
    estimates: Optional[Estimates] = None
    #: Number of folds of the cross-fitting; absent where there was one split.
    folds: Optional[int] = None
    #: Expectations over the label beside the values of the labels; of `--label-free-check`.
    label_free: Optional[LabelFreeCheck] = None
    #: Fits on a quarter and on half of the rows, then the whole fit; of `--power-curve`.
    power_curve: list[PowerPoint] = field(default_factory=list)


@dataclass(frozen=True)
class FitWarning:
    """What is off about training rows or trained models."""

    #: A short name that does not change.
    code: str
    #: A plain sentence.
    text: str


@dataclass(frozen=True)
class Training:
    """The training run behind a bundle."""

    #: Method of the density fit: "em" or "sgd".
    density_fit: str
    #: Rows in the training data.
    rows_seen: int
    #: Rows of the sample: training, selection and test.
    rows_used: int
    #: Seed of all random streams of the fit.
    seed: int
    #: Figures on test rows.
    validation: Figures
    #: What is off about the rows or the models.
    warnings: list[FitWarning] = field(default_factory=list)


@dataclass(frozen=True)
class FilterFile:
    """A filter beside the manifest."""

    #: Its name, without a folder.
    file: str
    #: The fold, from 0.
    fold: int
    #: Distinct rows in it.
    rows: int
    #: SHA-256 of its bytes, in lower-case hexadecimal.
    sha256: str


@dataclass(frozen=True)
class TrainingRowsFiles:
    """The rows that the models were trained on, as one filter of row hashes for each fold. A row that the filter of a
    fold knows is evaluated by the models that have not seen that fold.
    """

    #: The filters, one for each fold.
    filters: list[FilterFile]
    #: The hash of a row.
    hash: Literal["xxh3_64_of_embeddings", "xxh3_64_of_key"]
    #: The columns whose values are hashed, in this order; absent where the embeddings are.
    key: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Manifest:
    """The manifest of a bundle. A file of format 1 is read into the same shape."""

    #: The program that wrote the bundle, as "name version".
    created_by: str
    #: Version of the file's format; readers reject newer versions.
    format_version: int
    #: The label.
    label: Label
    #: The modalities x1, x2, …: two to four.
    modalities: list[Modality]
    #: The ONNX files: the main models, and as many for each fold. Two modalities have five.
    models: list[ModelFile]
    #: How the models were fitted; absent for models packed from elsewhere.
    training: Optional[Training] = None
    #: The rows that the models were trained on; present exactly where there are folds.
    training_rows: Optional[TrainingRowsFiles] = None
