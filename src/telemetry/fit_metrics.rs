//! Metrics of a fit: numbers of rows, and the validation figures of its models.

use std::path::Path;
use std::sync::LazyLock;

use opentelemetry::metrics::Meter;
use prometheus_client::registry::Unit;

use crate::error::Result;
use crate::fit::FitReport;
use crate::interaction::Subset;
use crate::interaction::lattice::Lattice;

use super::last_run::LastRun;
use super::registry::{Gauge, InstrumentRegistry, InstrumentSpec};
use super::textfile;

/// Fits, and sets the metrics if a file for Prometheus is named or metrics are exported. The file
/// is written on success and on failure.
///
/// # Errors
/// Those of the fit; [`Error::CannotCreate`](crate::Error::CannotCreate) of the file, before the
/// fit where possible.
pub(super) fn metered_fit(
    textfile: Option<&Path>,
    meter: Option<&Meter>,
    fit: impl FnOnce() -> Result<FitReport>,
) -> Result<FitReport> {
    if textfile.is_none() && meter.is_none() {
        return fit();
    }
    let labels = textfile.map(textfile::labels).unwrap_or_default();
    let mut registry = InstrumentRegistry::new(&labels, meter);
    let instruments = FitInstruments::new(&mut registry);
    LastRun::new(registry).around(textfile, || fit().inspect(|fitted| instruments.set(fitted)))
}

/// The sets of modalities, and the labels of their models: "1", "1 and 2".
static SETS: LazyLock<Vec<(Subset, String)>> = LazyLock::new(|| {
    let named = |set: Subset| (set, set.listed(|index| (index + 1).to_string()));
    Subset::all(Lattice::MODALITIES).into_iter().map(named).collect()
});

/// The labels of the sets of so many modalities, in order.
fn labels(modalities: usize) -> impl Iterator<Item = &'static str> {
    let is_of_them = move |set: Subset| set.members().all(|index| index < modalities);
    SETS.iter().filter(move |(set, _)| is_of_them(*set)).map(|(_, label)| label.as_str())
}

/// The gauges of a fit, unset until the fit has succeeded.
struct FitInstruments {
    rows: Gauge,
    density_nats: Gauge,
    cross_entropy_nats: Gauge,
    accuracy: Gauge,
    calibration_error: Gauge,
}

impl FitInstruments {
    fn new(to: &mut InstrumentRegistry<'_>) -> Self {
        let spec = InstrumentSpec::new;
        let nats = || Unit::Other("nats".to_owned());
        let sets: Vec<&str> = labels(Lattice::MODALITIES).collect();
        Self {
            rows: to.gauge(
                spec(
                    "fit_rows",
                    "Rows trained on, rows evaluated by models that have not seen them, and bad rows",
                )
                .by("use", &["trained", "held_out", "bad"]),
            ),
            density_nats: to.gauge(
                spec("fit_density", "Mean -ln p of a modality on rows that the model has not seen")
                    .unit(nats())
                    .by("modality", &sets),
            ),
            cross_entropy_nats: to.gauge(
                spec("fit_cross_entropy", "Mean -ln p of the label on rows that the model has not seen")
                    .unit(nats())
                    .by("classifier", &sets),
            ),
            accuracy: to.gauge(
                spec(
                    "fit_accuracy",
                    "Share of rows that the model has not seen whose label has the highest probability",
                )
                .by("classifier", &sets),
            ),
            calibration_error: to.gauge(
                spec(
                    "fit_calibration_error",
                    "Expected calibration error on rows that the model has not seen",
                )
                .by("classifier", &sets),
            ),
        }
    }

    fn set(&self, fitted: &FitReport) {
        self.rows.set("bad", fitted.fates.bad() as f64);
        let Some(training) = &fitted.bundle.manifest().training else { return };
        let figures = &training.validation;
        self.rows.set("trained", figures.trained_rows as f64);
        self.rows.set("held_out", figures.measured_rows as f64);
        for (modality, density) in labels(figures.modalities()).zip(&figures.densities) {
            self.density_nats.set(modality, density.mean_nats);
        }
        for (classifier, figures) in labels(figures.modalities()).zip(&figures.classifiers) {
            self.cross_entropy_nats.set(classifier, figures.cross_entropy_nats);
            self.accuracy.set(classifier, figures.accuracy);
            self.calibration_error.set(classifier, figures.calibration_error);
        }
    }
}
