//! What operators see beside the log: the port of the metrics, and where traces and metrics are exported to by OTLP.

use std::time::Duration;

use url::Url;

use super::reader::Reader;
use super::value::{self, Parsed};
use super::{MetricsPort, Observe, Otlp, Sampling};
use crate::secret::Secret;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

pub(super) fn read(reader: &mut Reader<'_>) -> Observe {
    Observe {
        metrics: metrics(reader),
        otlp: otlp(reader),
    }
}

fn metrics(reader: &mut Reader<'_>) -> Option<MetricsPort> {
    let host = reader.value("METRICS_HOST", super::load::host);
    let port = reader.value("METRICS_PORT", port)?;
    let is_chosen = reader.environment.get("METRICS_PORT").is_some();
    Some(MetricsPort {
        host,
        port,
        is_chosen,
    })
}

fn port(text: &str) -> Parsed<Option<u16>> {
    if text == "off" {
        return Ok(None);
    }
    let port = value::whole(text, 0, u16::MAX).map(Some);
    port.map_err(|message| format!("{message}, or off"))
}

/// What is to be exported; `None` where nothing says where to.
fn otlp(reader: &mut Reader<'_>) -> Option<Otlp> {
    let base = reader.secret(ENDPOINT, endpoint);
    let traces = signal(reader, "TRACES", base.as_ref());
    let metrics = signal(reader, "METRICS", base.as_ref());
    let (sampling, follows_parent) = sampling(reader);
    let given = Otlp {
        traces,
        metrics,
        service_name: reader.value("OTEL_SERVICE_NAME", |text| Ok(text.to_owned())),
        resource: reader
            .optional("OTEL_RESOURCE_ATTRIBUTES", pairs)
            .unwrap_or_default(),
        headers: reader
            .secret("OTEL_EXPORTER_OTLP_HEADERS", headers)
            .unwrap_or_default(),
        timeout: milliseconds(reader, "OTEL_EXPORTER_OTLP_TIMEOUT", 60_000),
        metric_interval: milliseconds(reader, "OTEL_METRIC_EXPORT_INTERVAL", 3_600_000),
        sampling,
        follows_parent,
    };
    let is_on = given.traces.is_some() || given.metrics.is_some();
    let is_disabled = reader.value("OTEL_SDK_DISABLED", value::flag);
    let speaks = speaks(reader);
    (is_on && !is_disabled && speaks).then_some(given)
}

/// Where one signal goes: its own endpoint as it is, or below the common one.
fn signal(reader: &mut Reader<'_>, name: &str, base: Option<&Url>) -> Option<Secret> {
    let own = reader.secret(&format!("OTEL_EXPORTER_OTLP_{name}_ENDPOINT"), endpoint);
    let exporter = reader.value(&format!("OTEL_{name}_EXPORTER"), exporter);
    if !exporter {
        return None;
    }
    let url = own.or_else(|| {
        let mut url = base?.clone();
        let path = url.path().trim_end_matches('/');
        let path = format!("{path}/v1/{}", name.to_lowercase());
        url.set_path(&path);
        Some(url)
    });
    url.map(|url| Secret::new(url.as_str()))
}

/// Whether the exporter's protocol is one that is spoken here. Clusters set these variables for everybody: that is no reason not to start.
fn speaks(reader: &mut Reader<'_>) -> bool {
    match reader.environment.get("OTEL_EXPORTER_OTLP_PROTOCOL") {
        None | Some("http/protobuf") => true,
        Some(_) => {
            reader.note(
                "OTEL_EXPORTER_OTLP_PROTOCOL is not http/protobuf, the only one spoken here: traces and metrics are not exported.",
            );
            false
        }
    }
}

fn sampling(reader: &mut Reader<'_>) -> (Sampling, bool) {
    let ratio = reader.value("OTEL_TRACES_SAMPLER_ARG", ratio);
    let name = reader.value("OTEL_TRACES_SAMPLER", sampler);
    let (name, follows_parent) = match name.strip_prefix("parentbased_") {
        Some(name) => (name, true),
        None => (name.as_str(), false),
    };
    let sampling = match name {
        "always_off" => Sampling::Never,
        "traceidratio" => Sampling::Ratio(ratio),
        _ => Sampling::Always,
    };
    (sampling, follows_parent)
}

fn endpoint(text: &str) -> Parsed<Url> {
    let url = Url::parse(text).ok();
    url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
        .ok_or_else(|| "must be an http:// or https:// URL".to_owned())
}

fn exporter(text: &str) -> Parsed<bool> {
    match text {
        "otlp" => Ok(true),
        "none" => Ok(false),
        _ => Err(format!("must be otlp or none, not {}", value::quote(text))),
    }
}

fn sampler(text: &str) -> Parsed<String> {
    let name = text.strip_prefix("parentbased_").unwrap_or(text);
    if ["always_on", "always_off", "traceidratio"].contains(&name) {
        return Ok(text.to_owned());
    }
    let quoted = value::quote(text);
    Err(format!(
        "must be always_on, always_off or traceidratio, with or without parentbased_ before it, not {quoted}"
    ))
}

fn ratio(text: &str) -> Parsed<f64> {
    let ratio: Option<f64> = text.parse().ok();
    ratio
        .filter(|ratio| (0.0..=1.0).contains(ratio))
        .ok_or_else(|| format!("must be a number from 0 to 1, not {}", value::quote(text)))
}

/// `name=value,…`; the message does not quote the text, which may hold keys.
fn pairs(text: &str) -> Parsed<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let (name, value) = (name.trim(), decode(value.trim())?);
        (!name.is_empty()).then(|| (name.to_owned(), value))
    };
    let pairs = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let pairs: Option<Vec<_>> = pairs.map(pair).collect();
    pairs.ok_or_else(|| "must be of the form name=value,name=value".to_owned())
}

fn headers(text: &str) -> Parsed<Vec<(String, Secret)>> {
    let headers = pairs(text)?.into_iter();
    Ok(headers
        .map(|(name, value)| (name, Secret::new(value)))
        .collect())
}

/// Percent-encoding, as the specification has it for values.
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let digits = std::str::from_utf8(&digits).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
    }
    String::from_utf8(bytes).ok()
}

fn milliseconds(reader: &mut Reader<'_>, name: &str, most: u64) -> Duration {
    Duration::from_millis(reader.value(name, |text| value::whole(text, 1, most)))
}

#[cfg(test)]
mod tests;
