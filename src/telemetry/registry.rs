//! A registry of instruments. Each is a family of series in the registry of prometheus_client,
//! which observable OTLP instruments read at export.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Meter};
use prometheus_client::metrics::counter::Counter as PrometheusCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge as PrometheusGauge;
use prometheus_client::registry::{Metric, Registry, Unit};

/// The label of a series and its value; empty if the instrument has a single series.
type Labels = Vec<(&'static str, &'static str)>;

/// The specification of an instrument: name, description, unit, and the values of its label.
pub(super) struct InstrumentSpec<'a> {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    label: &'static str,
    values: &'a [&'static str],
    later: &'a [&'static str],
}

impl<'a> InstrumentSpec<'a> {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, help, unit: None, label: "", values: &[], later: &[] }
    }

    pub(super) fn unit(self, unit: Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// One series for each value of a label.
    pub(super) fn by(self, label: &'static str, values: &'a [&'static str]) -> Self {
        Self { label, values, ..self }
    }

    /// Values of the label whose series begin when they are first set.
    pub(super) fn later(self, later: &'a [&'static str]) -> Self {
        Self { later, ..self }
    }

    fn series(&self) -> Vec<Labels> {
        match self.values {
            [] => vec![Vec::new()],
            values => values.iter().map(|value| vec![(self.label, *value)]).collect(),
        }
    }

    /// Those that begin when they are first set.
    fn later_series(&self) -> Vec<Labels> {
        self.later.iter().map(|value| vec![(self.label, *value)]).collect()
    }

    /// Name and unit in OTLP.
    fn otlp_name_and_unit(&self) -> (String, String) {
        let unit = match &self.unit {
            None => String::new(),
            Some(Unit::Seconds) => "s".to_owned(),
            Some(Unit::Bytes) => "By".to_owned(),
            Some(other) => other.as_str().to_owned(),
        };
        (format!("lsmi_etl.{}", self.name), unit)
    }
}

/// A monotonic counter.
#[derive(Debug)]
pub(super) struct Counter(Series<PrometheusCounter<f64, AtomicU64>>);

impl Counter {
    /// Adds to the series of a label value; `""` for a single series.
    pub(super) fn add(&self, value: &'static str, more: f64) {
        self.0.family.get_or_create(&self.0.labels(value)).inc_by(more);
    }
}

/// A gauge.
#[derive(Debug)]
pub(super) struct Gauge(Series<PrometheusGauge<f64, AtomicU64>>);

impl Gauge {
    /// Sets the series of a label value; `""` for a single series.
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

/// Creates and registers instruments.
pub(super) struct InstrumentRegistry<'a> {
    pub(super) registry: Registry,
    meter: Option<&'a Meter>,
}

impl<'a> InstrumentRegistry<'a> {
    /// A registry whose series have these labels; the meter, if any, exports them to a collector.
    pub(super) fn new(labels: &[(&'static str, String)], meter: Option<&'a Meter>) -> Self {
        let labels = labels.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Owned(value.clone())));
        Self { registry: Registry::with_prefix_and_labels("lsmi_etl", labels), meter }
    }

    pub(super) fn counter(&mut self, spec: InstrumentSpec<'_>) -> Counter {
        let family = Family::<Labels, PrometheusCounter<f64, AtomicU64>>::default();
        spec.series().iter().for_each(|series| drop(family.get_or_create(series)));
        self.register(&spec, family.clone());
        if let Some(meter) = self.meter {
            let (name, unit) = spec.otlp_name_and_unit();
            let observe = observer(&spec, family.clone(), PrometheusCounter::get);
            let instrument = meter.f64_observable_counter(name).with_unit(unit).with_description(spec.help);
            instrument.with_callback(observe).build();
        }
        Counter(Series { label: spec.label, family })
    }

    pub(super) fn gauge(&mut self, spec: InstrumentSpec<'_>) -> Gauge {
        let family = Family::<Labels, PrometheusGauge<f64, AtomicU64>>::default();
        self.register(&spec, family.clone());
        if let Some(meter) = self.meter {
            let (name, unit) = spec.otlp_name_and_unit();
            let observe = observer(&spec, family.clone(), PrometheusGauge::get);
            let instrument = meter.f64_observable_gauge(name).with_unit(unit).with_description(spec.help);
            instrument.with_callback(observe).build();
        }
        Gauge(Series { label: spec.label, family })
    }

    fn register(&mut self, spec: &InstrumentSpec<'_>, family: impl Metric) {
        match spec.unit.clone() {
            Some(unit) => self.registry.register_with_unit(spec.name, spec.help, unit, family),
            None => self.registry.register(spec.name, spec.help, family),
        }
    }
}

/// The callback that reports every series of a family to the OTLP exporter.
fn observer<M: Send + Sync + 'static>(
    spec: &InstrumentSpec<'_>,
    family: Family<Labels, M>,
    value: impl Fn(&M) -> f64 + Send + Sync + 'static,
) -> impl Fn(&dyn AsyncInstrument<f64>) + Send + Sync + 'static {
    let attributes = |labels: Labels| {
        let attributes =
            labels.iter().map(|(label, value)| KeyValue::new(*label, *value)).collect::<Vec<_>>();
        (labels, attributes)
    };
    let series: Vec<_> = spec.series().into_iter().chain(spec.later_series()).map(attributes).collect();
    move |observer| {
        for (labels, attributes) in &series {
            if let Some(known) = family.get(labels) {
                observer.observe(value(&known), attributes);
            }
        }
    }
}
