//! What is counted. One table (`catalogue`) names every metric and its labels; instruments, `/metrics`, OTLP and the documentation go by it.
//!
//! The numbers live in the OpenTelemetry SDK. It is read in two ways: by `/metrics`, as Prometheus text, and by the OTLP exporter where one is
//! configured. Labels come from closed sets (see `labels`): no stranger can make a new series.

pub mod catalogue;
pub(super) mod process;
mod render;

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    InstrumentKind, ManualReader, MeterProviderBuilder, Pipeline, SdkMeterProvider, Temporality,
};

pub use render::text;

/// How a metric's numbers add up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Counter,
    Gauge,
    /// Upper bounds of the buckets.
    Histogram(&'static [f64]),
}

/// What is known of a metric before anything is counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Description {
    /// As OpenTelemetry calls it; Prometheus has `_` for its dots.
    pub name: &'static str,
    pub kind: Kind,
    /// Unit as OpenTelemetry wants it; empty where the name says it.
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

/// A metric with `N` labels.
pub struct Metric<const N: usize> {
    description: Description,
    instrument: OnceLock<Instrument>,
}

enum Instrument {
    Counter(Counter<f64>),
    Gauge(Gauge<f64>),
    Histogram(Histogram<f64>),
}

impl<const N: usize> Metric<N> {
    const fn of(description: Description) -> Self {
        Self {
            description,
            instrument: OnceLock::new(),
        }
    }

    pub const fn description(&self) -> Description {
        self.description
    }

    /// Adds to a counter, sets a gauge, or records in a histogram.
    pub(super) fn note(&self, value: f64, labels: [&str; N]) {
        let names = self.description.labels.iter();
        let attributes = names.zip(labels);
        let attributes: Vec<KeyValue> = attributes
            .map(|(name, value)| KeyValue::new(*name, value.to_owned()))
            .collect();
        match self.instrument.get_or_init(|| self.build()) {
            Instrument::Counter(counter) => counter.add(value, &attributes),
            Instrument::Gauge(gauge) => gauge.record(value, &attributes),
            Instrument::Histogram(histogram) => histogram.record(value, &attributes),
        }
    }

    /// One more of what a counter counts.
    pub(super) fn count(&self, labels: [&str; N]) {
        self.note(1.0, labels);
    }

    /// A duration, in seconds.
    pub(super) fn took(&self, duration: Duration, labels: [&str; N]) {
        self.note(duration.as_secs_f64(), labels);
    }

    fn build(&self) -> Instrument {
        let Description {
            name,
            kind,
            unit,
            help,
            ..
        } = self.description;
        let meter = meter();
        match kind {
            Kind::Counter => {
                let counter = meter.f64_counter(name).with_unit(unit);
                Instrument::Counter(counter.with_description(help).build())
            }
            Kind::Gauge => {
                let gauge = meter.f64_gauge(name).with_unit(unit);
                Instrument::Gauge(gauge.with_description(help).build())
            }
            Kind::Histogram(bounds) => {
                let histogram = meter.f64_histogram(name).with_unit(unit);
                let histogram = histogram.with_boundaries(bounds.to_vec());
                Instrument::Histogram(histogram.with_description(help).build())
            }
        }
    }
}

impl Description {
    const fn new(
        kind: Kind,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            unit: "",
            labels,
            help,
        }
    }

    const fn in_seconds(mut self) -> Self {
        self.unit = "s";
        self
    }

    /// The name on `/metrics`.
    pub fn prometheus_name(&self) -> String {
        let name = self.name.replace('.', "_");
        if self.unit == "s" && !name.ends_with("_seconds") {
            return format!("{name}_seconds");
        }
        name
    }
}

/// Where the numbers are.
struct Provider {
    meters: SdkMeterProvider,
    scrape: Scrape,
}

static PROVIDER: OnceLock<Provider> = OnceLock::new();

/// Decides what else reads the numbers, before the first one is noted. Later calls change nothing: one process has one set of numbers.
pub(super) fn start(
    resource: Resource,
    with: impl FnOnce(MeterProviderBuilder) -> MeterProviderBuilder,
) {
    PROVIDER.get_or_init(|| Provider::new(resource, with));
}

fn provider() -> &'static Provider {
    PROVIDER.get_or_init(|| Provider::new(Resource::builder_empty().build(), |builder| builder))
}

fn meter() -> Meter {
    provider().meters.meter("x402-facilitator")
}

/// Sends what was counted since the last export, where there is an exporter. Blocks.
pub(super) fn stop() {
    if let Some(provider) = PROVIDER.get() {
        let _ = provider.meters.force_flush();
    }
}

impl Provider {
    fn new(
        resource: Resource,
        with: impl FnOnce(MeterProviderBuilder) -> MeterProviderBuilder,
    ) -> Self {
        let scrape = Scrape(Arc::new(ManualReader::default()));
        let builder = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(scrape.clone());
        Self {
            meters: with(builder).build(),
            scrape,
        }
    }
}

/// The reader behind `/metrics`: one half belongs to the provider, the other to us.
#[derive(Clone)]
struct Scrape(Arc<ManualReader>);

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scrape")
    }
}

impl MetricReader for Scrape {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
