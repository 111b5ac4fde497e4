//! Traces, and the export of traces and metrics by OTLP. Off unless an endpoint is configured, and then nothing of this costs anything.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use axum::http::HeaderMap;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, TraceContextExt, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HeaderExtractor, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::PeriodicReader;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::{Level, Span, info_span, warn};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Layer, Registry};

use super::metrics;
use super::repeats::Repeats;
use crate::config::{Otlp, Sampling};
use crate::protocol::Network;
use crate::secret::Secret;
use crate::store::Verdict;

/// Most payments whose request's span is remembered for the lane that sends them.
const REMEMBERED: usize = 4096;
/// What the last export may take when the process ends.
const FAREWELL: Duration = Duration::from_secs(5);
/// Largest answer of a collector that is read, bytes.
const ANSWER_LIMIT: u64 = 64 * 1024;

static IS_ON: AtomicBool = AtomicBool::new(false);
static SPANS: Mutex<Option<HashMap<String, SpanContext>>> = Mutex::new(None);
static REPEATS: Repeats = Repeats::new();

/// What is exported, until it is stopped.
#[derive(Debug, Default)]
pub struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    exports_metrics: bool,
}

impl Telemetry {
    /// Starts what is configured; `None` exports nothing. Must be called inside the runtime, before anything is counted.
    ///
    /// # Errors
    /// An endpoint that the exporter does not take.
    pub fn start(otlp: Option<&Otlp>) -> anyhow::Result<Self> {
        let Some(otlp) = otlp else {
            return Ok(Self::default());
        };
        // The exporter's client is the first that this process builds.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let resource = resource(otlp);
        let client = Client::new(otlp.timeout)?;
        let tracer = match &otlp.traces {
            Some(url) => Some(tracer(otlp, url, client.clone(), resource.clone())?),
            None => None,
        };
        if let Some(url) = &otlp.metrics {
            let exporter = MetricExporter::builder()
                .with_http()
                .with_http_client(client)
                .with_headers(headers(otlp))
                .with_protocol(Protocol::HttpBinary)
                .with_endpoint(url.expose())
                .with_timeout(otlp.timeout)
                .build()
                .context("exporting metrics (OTEL_EXPORTER_OTLP_ENDPOINT)")?;
            let reader = PeriodicReader::builder(exporter)
                .with_interval(otlp.metric_interval)
                .build();
            metrics::start(resource, |builder| builder.with_reader(reader));
        }
        IS_ON.store(tracer.is_some(), Ordering::Relaxed);
        Ok(Self {
            tracer,
            exports_metrics: otlp.metrics.is_some(),
        })
    }

    /// The layer that turns our spans into traces, whatever the log's filter says.
    pub(super) fn layer(&self) -> Option<Box<dyn Layer<Registry> + Send + Sync>> {
        let tracer = self.tracer.as_ref()?.tracer("x402-facilitator");
        let ours = Targets::new().with_target(env!("CARGO_CRATE_NAME"), Level::INFO);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Some(layer.with_filter(ours).boxed())
    }

    /// Exports what is left, as far as that is quick.
    pub async fn stop(self) {
        if self.tracer.is_none() && !self.exports_metrics {
            return;
        }
        // The exporters wait with their thread, which must not be one of the runtime's workers.
        let flushing = spawn_blocking(move || {
            if self.exports_metrics {
                metrics::stop();
            }
            if let Some(tracer) = self.tracer {
                let _ = tracer.shutdown();
            }
        });
        let _ = timeout(FAREWELL, flushing).await;
    }
}

fn tracer(
    otlp: &Otlp,
    url: &Secret,
    client: Client,
    resource: Resource,
) -> anyhow::Result<SdkTracerProvider> {
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_headers(headers(otlp))
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url.expose())
        .with_timeout(otlp.timeout)
        .build()
        .context("exporting traces (OTEL_EXPORTER_OTLP_ENDPOINT)")?;
    let sampler = match otlp.sampling {
        Sampling::Always => Sampler::AlwaysOn,
        Sampling::Never => Sampler::AlwaysOff,
        Sampling::Ratio(ratio) => Sampler::TraceIdRatioBased(ratio),
    };
    let sampler = if otlp.follows_parent {
        Sampler::ParentBased(Box::new(sampler))
    } else {
        sampler
    };
    Ok(SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(sampler)
        .with_batch_exporter(exporter)
        .build())
}

fn resource(otlp: &Otlp) -> Resource {
    let given = otlp.resource.iter();
    let given = given.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    Resource::builder_empty()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attributes(given)
        .with_service_name(otlp.service_name.clone())
        .build()
}

fn headers(otlp: &Otlp) -> HashMap<String, String> {
    let headers = otlp.headers.iter();
    headers
        .map(|(name, value)| (name.clone(), value.expose().to_owned()))
        .collect()
}

/// Makes a request's span part of the trace that its caller began, and names it as traces do.
pub fn adopt(span: &Span, headers: &HeaderMap, method: &str, route: &str) {
    if !IS_ON.load(Ordering::Relaxed) {
        return;
    }
    let parent = TraceContextPropagator::new().extract(&HeaderExtractor(headers));
    // Fails only for a span that is under way already.
    let _ = span.set_parent(parent);
    span.record("otel.name", format!("{method} {route}"));
    span.record("otel.kind", "server");
    let context = span.context();
    let id = context.span().span_context().trace_id();
    span.record("trace_id", id.to_string());
}

/// Notes in which span a payment was enqueued: some lane will send it, in a task of its own.
pub(super) fn remember(settlement_id: &str) {
    if !IS_ON.load(Ordering::Relaxed) {
        return;
    }
    let context = Span::current().context();
    let mut guard = SPANS.lock().unwrap_or_else(PoisonError::into_inner);
    let spans = guard.get_or_insert_default();
    if spans.len() >= REMEMBERED {
        // Only traces become less complete.
        spans.clear();
    }
    let context = context.span().span_context().clone();
    spans.insert(settlement_id.to_owned(), context);
}

/// A payment came to its end.
pub(super) fn forget(settlement_id: &str, verdict: &Verdict) {
    let goes_on = matches!(verdict, Verdict::Requeue { .. });
    if goes_on || !IS_ON.load(Ordering::Relaxed) {
        return;
    }
    let mut guard = SPANS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(spans) = guard.as_mut() {
        spans.remove(settlement_id);
    }
}

/// The span in which a lane signs, stores and sends: a child of the first payment's request, with links to the others'.
pub fn sending<'a>(
    network: &Network,
    signer: &str,
    settlement_ids: impl Iterator<Item = &'a str>,
) -> Span {
    if !IS_ON.load(Ordering::Relaxed) {
        return Span::none();
    }
    let span = info_span!(parent: None, "send");
    let guard = SPANS.lock().unwrap_or_else(PoisonError::into_inner);
    let spans = settlement_ids.filter_map(|id| guard.as_ref()?.get(id));
    for (index, context) in spans.enumerate() {
        if index == 0 {
            let parent = Context::new().with_remote_span_context(context.clone());
            let _ = span.set_parent(parent);
        } else {
            span.add_link(context.clone());
        }
    }
    span.set_attribute("payment.network", network.to_string());
    span.set_attribute("lane.signer", signer.to_owned());
    span
}

/// Carries exports with the client and the TLS that everything else goes by.
#[derive(Clone)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

impl Client {
    fn new(timeout: Duration) -> anyhow::Result<Self> {
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .context("building the exporter's client")?;
        Ok(Self {
            client,
            runtime: Handle::current(),
        })
    }

    async fn send(self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let request = reqwest::Request::try_from(request)?;
        // The URL may carry a key.
        let response = self.client.execute(request).await;
        let response = response.map_err(reqwest::Error::without_url)?;
        let mut answer = Response::builder().status(response.status());
        if let Some(headers) = answer.headers_mut() {
            headers.clone_from(response.headers());
        }
        let is_small = response.content_length().is_some_and(|n| n <= ANSWER_LIMIT);
        // Only throttling is read from an answer, and that is in its head.
        let body = if is_small {
            response
                .bytes()
                .await
                .map_err(reqwest::Error::without_url)?
        } else {
            Bytes::new()
        };
        Ok(answer.body(body)?)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

#[async_trait]
impl HttpClient for Client {
    /// Exporters wait on threads of their own, outside the runtime that sockets need: the work is done inside, and waited for.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.runtime.spawn(self.clone().send(request)).await?;
        let trouble = match &sent {
            Ok(answer) if answer.status().is_success() => None,
            Ok(answer) => Some(format!("HTTP {}", answer.status().as_u16())),
            Err(cause) => Some(cause.to_string()),
        };
        if let Some(cause) = trouble
            && let Some(left_out) = REPEATS.say("not_exported", &[&cause])
        {
            warn!(
                event = "not_exported",
                cause, left_out, "traces or metrics could not be exported"
            );
        }
        sent
    }
}
