"""The summaries of inspect, split, fit, annotate and report.

Generated from the JSON Schemas of the program by ``pipelines/wheel/classes_of_schemas.py``.
"""

# ruff: noqa: UP007, UP045

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Optional, Union

from lsmi_etl.manifest import Figures, FitWarning

__all__ = [
    "Adjustment",
    "BadFile",
    "ClassRows",
    "ClusterUse",
    "CodecBytes",
    "ColumnSummary",
    "ColumnType",
    "EmbeddingColumn",
    "FateCounts",
    "FileDifference",
    "FitOutlook",
    "FitSummary",
    "InspectSummary",
    "LabelColumn",
    "Means",
    "ModalityColumn",
    "NearDuplicates",
    "Norms",
    "PartSummary",
    "ReportSummary",
    "SampleSize",
    "SplitSummary",
    "StratumRows",
    "Summary",
    "Totals",
]


@dataclass(frozen=True)
class CodecBytes:
    """Compressed size of the column chunks of a codec."""

    #: Compressed bytes.
    bytes: int
    #: The codec's name, such as SNAPPY.
    codec: str


@dataclass(frozen=True)
class ColumnType:
    """A column and its Arrow type."""

    #: The name.
    column: str
    #: The type in Arrow.
    type: str


@dataclass(frozen=True)
class FileDifference:
    """A file whose columns differ from those of the first."""

    #: The file.
    file: str
    #: What it lacks, has more, or has of another type.
    what: str


@dataclass(frozen=True)
class Norms:
    """Euclidean norms of vectors."""

    #: The largest.
    max: float
    #: Their mean.
    mean: float
    #: The smallest.
    min: float


@dataclass(frozen=True)
class EmbeddingColumn:
    """An embedding column, by the sample."""

    #: The name.
    column: str
    #: Dimensions that have one value in all rows.
    constant_dims: int
    #: Values of an embedding; 0 where the first file has none.
    dim: int
    #: Rows with NaN, an infinity or a null among their values.
    non_finite_rows: int
    #: Rows that are null, or whose file lacks the column.
    null_rows: int
    #: Dimensions that vary and equal an earlier one in all rows.
    repeated_dims: int
    #: The type in Arrow.
    type: str
    #: Rows of another number of values.
    wrong_length_rows: int
    #: Euclidean norms; null without a row.
    norms: Optional[Norms] = None


@dataclass(frozen=True)
class ModalityColumn:
    """An embedding column that a fit would take."""

    #: The column.
    column: str
    #: Values of an embedding.
    dim: int


@dataclass(frozen=True)
class FitOutlook:
    """The columns that a fit would take, and what it would say."""

    #: Number of classes.
    classes: int
    #: Rows with a label.
    labelled_rows: int
    #: What a fit would warn of.
    warnings: list[FitWarning]
    #: The modalities; empty where they are not clear.
    x: list[ModalityColumn]
    #: The label, where it is clear.
    label: Optional[str] = None
    #: The error with which a fit would end before it trains.
    obstacle: Optional[str] = None


@dataclass(frozen=True)
class ClassRows:
    """The rows of a class."""

    #: Its rows.
    rows: int
    #: The label of the class.
    value: Union[bool, int, str]


@dataclass(frozen=True)
class LabelColumn:
    """The label's column."""

    #: The label of the class.s in ascending order.
    classes: list[ClassRows]
    #: The column, or the folders' name.
    column: str
    #: Rows without a label.
    rows_without: int


@dataclass(frozen=True)
class NearDuplicates:
    """Rows of the sample that are closer to another than 1 % of the usual distance, in every modality; with fewer than
    16 values in all, identical rows only.
    """

    #: Rows that were compared.
    compared_rows: int
    #: Rows among them that equal another.
    identical_rows: int
    #: Rows that have a near duplicate.
    rows: int
    #: Rows among them whose near duplicate is in another file.
    rows_across_files: int


@dataclass(frozen=True)
class SampleSize:
    """The size of a sample."""

    #: The places in the data that they are read from, at equal distances.
    places: int
    #: Its rows.
    rows: int
    #: Whether these are all rows.
    whole: bool


@dataclass(frozen=True)
class InspectSummary:
    """What a dataset holds."""

    #: Size of all files.
    bytes: int
    #: The codecs of the column chunks, by size.
    codecs: list[CodecBytes]
    #: The columns of the first file.
    columns: list[ColumnType]
    #: Files whose columns differ from those of the first, at most ten.
    differences: list[FileDifference]
    #: Embedding columns.
    embeddings: list[EmbeddingColumn]
    #: Number of files.
    files: int
    #: What a fit would take.
    fit: FitOutlook
    #: Row groups of all files.
    row_groups: int
    #: Rows of all files.
    rows: int
    #: The rows whose embeddings were read.
    sample: SampleSize
    #: The label, counted in all rows.
    label: Optional[LabelColumn] = None
    #: Rows of the sample that are nearly another; null where there is nothing to compare.
    near_duplicates: Optional[NearDuplicates] = None


@dataclass(frozen=True)
class PartSummary:
    """A part."""

    #: Size of the file.
    bytes: int
    #: Its file.
    file: str
    #: train, test or validation.
    part: str
    #: Its rows.
    rows: int
    #: Its share of all rows.
    share: float


@dataclass(frozen=True)
class StratumRows:
    """The rows of a value."""

    #: Rows of the test part.
    test: int
    #: Rows of the training part.
    train: int
    #: Rows of the validation part.
    validation: int
    #: The value as text; null of rows without one.
    value: Optional[str] = None


@dataclass(frozen=True)
class SplitSummary:
    """The parts of a dataset."""

    #: The parts: train, test and perhaps validation.
    parts: list[PartSummary]
    #: Rows of all parts.
    rows: int
    #: The seed of the choice.
    seed: int
    #: The rows of each value of the strata's column; empty without one.
    strata: list[StratumRows]
    #: The column of the strata.
    by: Optional[str] = None
    #: The column of the groups.
    group: Optional[str] = None
    #: Number of groups; null without a column of groups.
    groups: Optional[int] = None


@dataclass(frozen=True)
class FitSummary:
    """The summary of a fit; its JSON Schema is in `schemas/`."""

    #: Rows among them that could not be trained on.
    bad_rows: int
    #: The folder of the bundle as given.
    bundle: str
    #: SHA-256 of the bundle's manifest.
    bundle_sha256: str
    #: Rows in the training data.
    rows: int
    #: Wall-clock seconds.
    seconds: float
    #: What is off about the rows or the models.
    warnings: list[FitWarning]
    #: Figures on rows that the models have not seen.
    validation: Optional[Figures] = None


@dataclass(frozen=True)
class Means:
    """Means over good rows, in nats."""

    #: Redundancy.
    r: float
    #: Synergy.
    s: float
    #: Uniqueness of x1.
    u1: float
    #: Uniqueness of x2.
    u2: float


@dataclass(frozen=True)
class Adjustment:
    """The shift of `--adjust dataset`: added to r and s, taken from u1 and u2."""

    #: The means as written.
    after: Means
    #: The means as computed.
    before: Means
    #: The constant, in nats.
    shift_nats: float


@dataclass(frozen=True)
class ClusterUse:
    """What a run used of a cluster."""

    #: Attempts at its files: as many as there are files, and one more for each that was begun again.
    attempts: int
    #: Executors that annotated its files.
    executors: int


@dataclass(frozen=True)
class ColumnSummary:
    """Summary statistics of a column; null where undefined for its count."""

    #: Samples.
    count: int
    #: Largest value.
    max: Optional[float] = None
    #: Arithmetic mean.
    mean: Optional[float] = None
    #: Smallest value.
    min: Optional[float] = None
    #: Standard error of the mean; null below two samples.
    std_error: Optional[float] = None
    #: Unbiased variance; null below two samples.
    variance: Optional[float] = None


@dataclass(frozen=True)
class FateCounts:
    """Rows by fate."""

    #: Rows that were computed.
    good: int
    #: Rows for which the models gave NaN or an infinity.
    non_finite_result: int
    #: Rows whose embedding x1 holds NaN, an infinity or a null element.
    non_finite_x1: int
    #: Rows whose embedding x2 holds NaN, an infinity or a null element.
    non_finite_x2: int
    #: Rows whose label is null.
    null_label: int
    #: Rows whose embedding x1 is null.
    null_x1: int
    #: Rows whose embedding x2 is null.
    null_x2: int
    #: Rows whose label is none of the bundle's classes.
    unknown_label: int
    #: Rows whose embedding x1 has another length than the bundle's.
    wrong_length_x1: int
    #: Rows whose embedding x2 has another length than the bundle's.
    wrong_length_x2: int
    #: Rows whose embedding x3 holds NaN, an infinity or a null element.
    non_finite_x3: Optional[int] = None
    #: Rows whose embedding x4 holds NaN, an infinity or a null element.
    non_finite_x4: Optional[int] = None
    #: Rows whose embedding x3 is null.
    null_x3: Optional[int] = None
    #: Rows whose embedding x4 is null.
    null_x4: Optional[int] = None
    #: Rows whose embedding x3 has another length than the bundle's.
    wrong_length_x3: Optional[int] = None
    #: Rows whose embedding x4 has another length than the bundle's.
    wrong_length_x4: Optional[int] = None


@dataclass(frozen=True)
class Summary:
    """The summary of an annotated file; its JSON Schema is in `schemas/`."""

    #: Rows without values.
    bad_rows: int
    #: SHA-256 of the bundle's manifest.
    bundle_sha256: str
    #: Moments of every computed column over good rows, in nats (prior_y, p_y1 and so on: probability).
    columns: dict[str, ColumnSummary]
    #: Row groups of which this run computed rows.
    computed_row_groups: int
    #: "NAME (VERSION) on DEVICE".
    engine: str
    #: Rows by fate.
    fates: FateCounts
    #: The input as it was given.
    input: str
    #: The output as it was given.
    output: str
    #: Size of the output.
    output_bytes: int
    #: Row groups that an earlier, unfinished run had computed whole.
    resumed_row_groups: int
    #: Rows that an earlier, unfinished run had computed.
    resumed_rows: int
    #: Rows in the file.
    rows: int
    #: Rows computed by this run a second.
    rows_per_second: float
    #: Wall-clock seconds.
    seconds: float
    #: Whether the output was there already, made by the same work: nothing was done, and counts and moments are those
    #: of its footer.
    skipped: bool
    #: The shift of the whole dataset, with `--adjust dataset`.
    adjustment: Optional[Adjustment] = None
    #: The use of a cluster, with `--cluster`.
    cluster: Optional[ClusterUse] = None
    #: What is off where the models do not describe the rows: mean information below zero, or far below that of the
    #: validation rows of the fit; mean h of a modality far from theirs.
    distribution_shift: Optional[str] = None
    #: Moments of what rows are compared with the validation rows by beside the columns, over good rows, in nats: h of
    #: each modality, and of more than two modalities i of each and of all, which r, u1 … and s do not give.
    information: dict[str, ColumnSummary] = field(default_factory=dict)
    #: Peak resident memory of the process so far, where the system reports it.
    peak_memory_bytes: Optional[int] = None
    #: Good rows that lack a modality and have values of the others, with `--on-missing-modality reduce`.
    reduced_rows: Optional[int] = None
    #: Good rows that the models were trained on, evaluated by models that have not seen them; absent where the bundle
    #: has no folds.
    trained_rows: Optional[int] = None
    #: The first distinct labels that are none of the bundle's classes, at most six; absent where there are none.
    unknown_labels: list[str] = field(default_factory=list)
    #: How the old columns reached the output; nothing where it was there already.
    written: Optional[Literal["spliced", "re-encoded"]] = None


@dataclass(frozen=True)
class BadFile:
    """An input that could not be annotated."""

    #: The fault and its remedy.
    error: str
    #: Its path.
    input: str
    #: Column of the fault, where it is in one.
    column: Optional[str] = None
    #: Zero-based row group of the fault, where it is in one.
    row_group: Optional[int] = None


@dataclass(frozen=True)
class Totals:
    """The summaries of several files in one; fields are those of `Summary`."""

    #: Rows without values.
    bad_rows: int
    #: SHA-256 of the bundle's manifest.
    bundle_sha256: str
    #: Moments of every computed column over the good rows of all files, in nats (prior_y, p_y1 and so on: probability).
    columns: dict[str, ColumnSummary]
    #: "NAME (VERSION) on DEVICE".
    engine: str
    #: Rows by fate.
    fates: FateCounts
    #: Files of this run.
    files: int
    #: The folder or glob as it was given.
    input: str
    #: Size of all inputs.
    input_bytes: int
    #: The folder as it was given.
    output: str
    #: Size of all outputs.
    output_bytes: int
    #: Rows whose values an earlier run had computed.
    resumed_rows: int
    #: Rows in all files.
    rows: int
    #: Rows a second.
    rows_per_second: float
    #: Wall-clock seconds.
    seconds: float
    #: Files whose output was there already, made of the same input by the same bundle. Counts and moments of their rows
    #: are those of its footer.
    skipped_files: int
    #: The shift of all files, with `--adjust dataset`.
    adjustment: Optional[Adjustment] = None
    #: Files that could not be annotated, with their faults. Their rows are counted nowhere.
    bad_files: list[BadFile] = field(default_factory=list)
    #: The use of a cluster, with `--cluster`.
    cluster: Optional[ClusterUse] = None
    #: What is off where the models do not describe the rows: mean information below zero, or far below that of the
    #: validation rows of the fit; mean h of a modality far from theirs.
    distribution_shift: Optional[str] = None
    #: Moments of h of each modality, and of more than two i of each and of all, as in `Summary`.
    information: dict[str, ColumnSummary] = field(default_factory=dict)
    #: Peak resident memory of the process so far, where the system reports it.
    peak_memory_bytes: Optional[int] = None
    #: Good rows that lack a modality and have values of the others, with `--on-missing-modality reduce`.
    reduced_rows: Optional[int] = None
    #: Good rows that the models were trained on, evaluated by models that have not seen them; absent where the bundle
    #: has no folds.
    trained_rows: Optional[int] = None
    #: The first distinct labels that are none of the bundle's classes, at most six; absent where there are none.
    unknown_labels: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class ReportSummary:
    """The summary of a report."""

    #: Rows with values.
    computed_rows: int
    #: Pictures written as separate files.
    pictures: int
    #: Rows with values that lack a modality.
    reduced_rows: int
    #: Rows in the annotated files.
    rows: int
    #: Wall-clock seconds.
    seconds: float
    #: Codes of the warnings.
    warnings: list[str]
    #: The file of the page or the numbers; null for stdout, and where only pictures are written.
    output: Optional[str] = None
