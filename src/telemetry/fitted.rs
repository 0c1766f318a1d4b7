//! The numbers of a fit: the rows it learned from, and how good its models are on rows held
//! out.

use std::path::Path;

use opentelemetry::metrics::Meter;
use prometheus_client::registry::Unit;

use crate::error::Result;
use crate::fit::Fitted;

use super::last_run::LastRun;
use super::series::{About, Gauge, Registered};
use super::textfile;

/// Fits, and tells the numbers where a file for Prometheus is named or a collector is told. The
/// file is written whatever the end.
///
/// # Errors
/// Those of the fit; [`Error::CannotCreate`](crate::Error::CannotCreate) of the file, before the
/// fit where it can be known then.
pub(super) fn metered_fit(
    textfile: Option<&Path>,
    meter: Option<&Meter>,
    fit: impl FnOnce() -> Result<Fitted>,
) -> Result<Fitted> {
    if textfile.is_none() && meter.is_none() {
        return fit();
    }
    let labels = textfile.map(textfile::labels).unwrap_or_default();
    let mut to = Registered::new(&labels, meter);
    let instruments = Instruments::new(&mut to);
    LastRun::new(to).around(textfile, || fit().inspect(|fitted| instruments.tell(fitted)))
}

const CLASSIFIERS: [&str; 3] = ["1", "2", "1 and 2"];
const MODALITIES: [&str; 2] = ["1", "2"];

/// Unknown until the fit has ended well.
struct Instruments {
    rows: Gauge,
    density_nats: Gauge,
    cross_entropy_nats: Gauge,
    accuracy: Gauge,
    calibration_error: Gauge,
}

impl Instruments {
    fn new(to: &mut Registered<'_>) -> Self {
        let about = About::new;
        let nats = || Unit::Other("nats".to_owned());
        Self {
            rows: to.gauge(
                about("fit_rows", "Rows that were learned from, held out, and of no use")
                    .by("use", &["trained", "held_out", "bad"]),
            ),
            density_nats: to.gauge(
                about("fit_density", "Mean -ln p of a modality on rows held out")
                    .unit(nats())
                    .by("modality", &MODALITIES),
            ),
            cross_entropy_nats: to.gauge(
                about("fit_cross_entropy", "Mean -ln p of the label on rows held out")
                    .unit(nats())
                    .by("classifier", &CLASSIFIERS),
            ),
            accuracy: to.gauge(
                about("fit_accuracy", "Share of the rows held out whose label is the most probable")
                    .by("classifier", &CLASSIFIERS),
            ),
            calibration_error: to.gauge(
                about("fit_calibration_error", "Expected calibration error on rows held out")
                    .by("classifier", &CLASSIFIERS),
            ),
        }
    }

    fn tell(&self, fitted: &Fitted) {
        self.rows.set("bad", fitted.fates.bad() as f64);
        let Some(training) = &fitted.bundle.manifest().training else { return };
        let figures = &training.validation;
        self.rows.set("trained", figures.trained_rows as f64);
        self.rows.set("held_out", figures.measured_rows as f64);
        for (modality, density) in MODALITIES.into_iter().zip(&figures.densities) {
            self.density_nats.set(modality, density.mean_nats);
        }
        for (classifier, is) in CLASSIFIERS.into_iter().zip(&figures.classifiers) {
            self.cross_entropy_nats.set(classifier, is.cross_entropy_nats);
            self.accuracy.set(classifier, is.accuracy);
            self.calibration_error.set(classifier, is.calibration_error);
        }
    }
}
