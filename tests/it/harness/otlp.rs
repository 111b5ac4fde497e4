//! A collector of traces and metrics: takes what is exported, and can be asked for it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{HeaderMap, Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(30);

/// One export as it came.
#[derive(Debug, Clone)]
pub(crate) struct Export {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

type Exports = Arc<watch::Sender<Vec<Export>>>;

pub(crate) struct Collector {
    url: String,
    exports: Exports,
    _server: JoinSet<()>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let exports = Exports::default();
        let mut server = JoinSet::new();
        server.spawn(accept(listener, Arc::clone(&exports)));
        Self {
            url,
            exports,
            _server: server,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn exports(&self) -> Vec<Export> {
        self.exports.borrow().clone()
    }

    /// Waits until what came makes `find` find something.
    pub(crate) async fn wait<T>(&self, mut find: impl FnMut(&[Export]) -> Option<T>) -> T {
        let mut exports = self.exports.subscribe();
        let waiting = async {
            loop {
                if let Some(found) = find(&exports.borrow_and_update()) {
                    return found;
                }
                exports.changed().await.expect("we hold the sender");
            }
        };
        timeout(PATIENCE, waiting).await.expect("it is exported")
    }
}

async fn accept(listener: TcpListener, exports: Exports) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("connections come in");
        let exports = Arc::clone(&exports);
        connections.spawn(async move {
            let service = service_fn(|request| take(&exports, request));
            let _ended = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn take(
    exports: &Exports,
    request: Request<Incoming>,
) -> Result<Response<Empty<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    // A client that left in the middle exported nothing.
    if let Ok(body) = body.collect().await {
        let export = Export {
            path: parts.uri.path().to_owned(),
            headers: parts.headers,
            body: body.to_bytes(),
        };
        exports.send_modify(|exports| exports.push(export));
    }
    Ok(Response::new(Empty::new()))
}

/// Every span of these exports.
pub(crate) fn spans(exports: &[Export]) -> Vec<Span> {
    let traces = exports.iter().filter(|export| export.path == "/v1/traces");
    let read = |export: &Export| {
        ExportTraceServiceRequest::decode(export.body.clone()).expect("protobuf of a trace")
    };
    let resources = traces.flat_map(|export| read(export).resource_spans);
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// The names of every metric of these exports.
pub(crate) fn metrics(exports: &[Export]) -> Vec<String> {
    let exports = exports.iter().filter(|export| export.path == "/v1/metrics");
    let read = |export: &Export| {
        ExportMetricsServiceRequest::decode(export.body.clone()).expect("protobuf of metrics")
    };
    let resources = exports.flat_map(|export| read(export).resource_metrics);
    let scopes = resources.flat_map(|resource| resource.scope_metrics);
    let metrics = scopes.flat_map(|scope| scope.metrics);
    metrics.map(|metric| metric.name).collect()
}

/// What the first trace says of the process that made it.
pub(crate) fn resource(exports: &[Export]) -> Vec<KeyValue> {
    let export = exports.iter().find(|export| export.path == "/v1/traces");
    let export = export.expect("a trace was exported");
    let trace = ExportTraceServiceRequest::decode(export.body.clone()).expect("protobuf");
    let resource = trace.resource_spans[0].resource.clone();
    resource.expect("a trace has a resource").attributes
}

/// An attribute that is text, or nothing.
pub(crate) fn text<'a>(attributes: &'a [KeyValue], name: &str) -> &'a str {
    let attribute = attributes.iter().find(|attribute| attribute.key == name);
    let value = attribute.and_then(|attribute| attribute.value.as_ref());
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text,
        _ => "",
    }
}
