//! How an instrument is kept and who reads it: a family of series in Prometheus' registry,
//! which OTLP's metrics observe when they are to be sent.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use prometheus_client::metrics::counter::Counter as Grows;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as Is;
use prometheus_client::registry::{Metric, Registry, Unit};

/// A series' label and its value; none where an instrument is one series.
type Labels = Vec<(&'static str, &'static str)>;

/// What is said of an instrument, and the values that its label may take.
pub(super) struct About<'a> {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    label: &'static str,
    values: &'a [&'static str],
}

impl<'a> About<'a> {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, label: "", values: &[] }
    }

    pub(super) fn unit(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// A series for each value of a label.
    pub(super) fn by(self, label: &'static str, values: &'a [&'static str]) -> Self {
        Self { label, values, ..self }
    }

    fn series(&self) -> Vec<Labels> {
        match self.values {
            [] => vec![Vec::new()],
            values => values.iter().map(|value| vec![(self.label, *value)]).collect(),
        }
    }

    /// Name and unit in OTLP.
    fn observed(&self) -> (String, String) {
        let unit = match &self.unit {
            None => String::new(),
            Some(Unit::Seconds) => "s".to_owned(),
            Some(Unit::Bytes) => "By".to_owned(),
            Some(other) => other.as_str().to_owned(),
        };
        (format!("lsmi_etl.{}", self.name), unit)
    }
}

/// Something that only grows.
#[derive(Debug)]
pub(super) struct Counter(Series<Grows<f64, AtomicU64>>);

impl Counter {
    /// Adds to the series of a label's value, or to the only one (`""`).
    pub(super) fn add(&self, value: &'static str, more: f64) {
        self.0.family.get_or_create(&self.0.labels(value)).inc_by(more);
    }
}

/// Something that is what it is now.
#[derive(Debug)]
pub(super) struct Gauge(Series<Is<f64, AtomicU64>>);

impl Gauge {
    /// Sets the series of a label's value, or the only one (`""`).
    pub(super) fn set(&self, value: &'static str, to: f64) {
        self.0.family.get_or_create(&self.0.labels(value)).set(to);
    }
}

#[derive(Debug)]
struct Series<M> {
    label: &'static str,
    family: Family<Labels, M>,
}

impl<M> Series<M> {
    fn labels(&self, value: &'static str) -> Labels {
        if value.is_empty() { Vec::new() } else { vec![(self.label, value)] }
    }
}

/// Where instruments are known.
pub(super) struct Registered<'a> {
    pub(super) registry: Registry,
    meter: Option<&'a Meter>,
}

impl<'a> Registered<'a> {
    /// A registry whose series bear these labels, and what a collector is told through.
    pub(super) fn new(labels: &[(&'static str, String)], meter: Option<&'a Meter>) -> Self {
        let labels = labels.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Owned(value.clone())));
        Self { registry: Registry::with_prefix_and_labels("lsmi_etl", labels), meter }
    }

    pub(super) fn counter(&mut self, about: About<'_>) -> Counter {
        let family = Family::<Labels, Grows<f64, AtomicU64>>::default();
        about.series().iter().for_each(|series| drop(family.get_or_create(series)));
        self.register(&about, family.clone());
        if let Some(meter) = self.meter {
            let (name, unit) = about.observed();
            let observe = observer(&about, family.clone(), Grows::get);
            let instrument = meter.f64_observable_counter(name).with_unit(unit).with_description(about.help);
            instrument.with_callback(observe).build();
        }
        Counter(Series { label: about.label, family })
    }

    pub(super) fn gauge(&mut self, about: About<'_>) -> Gauge {
        let family = Family::<Labels, Is<f64, AtomicU64>>::default();
        self.register(&about, family.clone());
        if let Some(meter) = self.meter {
            let (name, unit) = about.observed();
            let observe = observer(&about, family.clone(), Is::get);
            let instrument = meter.f64_observable_gauge(name).with_unit(unit).with_description(about.help);
            instrument.with_callback(observe).build();
        }
        Gauge(Series { label: about.label, family })
    }

    fn register(&mut self, about: &About<'_>, family: impl Metric) {
        match about.unit.clone() {
            Some(unit) => self.registry.register_with_unit(about.name, about.help, unit, family),
            None => self.registry.register(about.name, about.help, family),
        }
    }
}

/// Tells every series of a family that is known.
fn observer<M: Send + Sync + 'static>(
    about: &About<'_>,
    family: Family<Labels, M>,
    value: impl Fn(&M) -> f64 + Send + Sync + 'static,
) -> impl Fn(&dyn AsyncInstrument<f64>) + Send + Sync + 'static {
    let attributes = |labels: Labels| {
        let attributes =
            labels.iter().map(|(label, value)| KeyValue::new(*label, *value)).collect::<Vec<_>>();
        (labels, attributes)
    };
    let series: Vec<_> = about.series().into_iter().map(attributes).collect();
    move |observer| {
        for (labels, attributes) in &series {
            if let Some(known) = family.get(labels) {
                observer.observe(value(&known), attributes);
            }
        }
    }
}
