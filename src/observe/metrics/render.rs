//! The numbers as Prometheus reads them: text format 0.0.4.

use std::collections::HashMap;
use std::fmt::Write;

use opentelemetry::KeyValue;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::reader::MetricReader;

use super::{Description, Kind, catalogue, provider};

/// Every metric of the catalogue, also those of which nothing was counted yet: then only what they mean.
pub fn text() -> String {
    let mut metrics = ResourceMetrics::default();
    // Fails only while the process ends.
    let _ = provider().scrape.collect(&mut metrics);
    let scopes = metrics.scope_metrics();
    let found: HashMap<&str, &AggregatedMetrics> = scopes
        .flat_map(ScopeMetrics::metrics)
        .map(|metric| (metric.name(), metric.data()))
        .collect();
    let mut text = String::with_capacity(32 * 1024);
    for description in catalogue::all() {
        write_head(&mut text, description);
        if let Some(AggregatedMetrics::F64(data)) = found.get(description.name) {
            write_samples(&mut text, &description.prometheus_name(), data);
        }
    }
    text
}

fn write_head(text: &mut String, description: Description) {
    let name = description.prometheus_name();
    let kind = match description.kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram(_) => "histogram",
    };
    let help = description.help.replace('\\', r"\\").replace('\n', " ");
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn write_samples(text: &mut String, name: &str, data: &MetricData<f64>) {
    match data {
        MetricData::Sum(sum) => {
            for point in sum.data_points() {
                let labels = labels(point.attributes(), None);
                let _ = writeln!(text, "{name}{labels} {}", point.value());
            }
        }
        MetricData::Gauge(gauge) => {
            for point in gauge.data_points() {
                let labels = labels(point.attributes(), None);
                let _ = writeln!(text, "{name}{labels} {}", point.value());
            }
        }
        MetricData::Histogram(histogram) => {
            for point in histogram.data_points() {
                write_histogram(text, name, point);
            }
        }
        // None is made here.
        MetricData::ExponentialHistogram(_) => {}
    }
}

fn write_histogram(text: &mut String, name: &str, point: &HistogramDataPoint<f64>) {
    let bounds = point.bounds().map(|bound| bound.to_string());
    let bounds = bounds.chain(["+Inf".to_owned()]);
    let mut below = 0;
    for (bound, count) in bounds.zip(point.bucket_counts()) {
        below += count;
        let labels = labels(point.attributes(), Some(&bound));
        let _ = writeln!(text, "{name}_bucket{labels} {below}");
    }
    let labels = labels(point.attributes(), None);
    let _ = writeln!(text, "{name}_sum{labels} {}", point.sum());
    let _ = writeln!(text, "{name}_count{labels} {}", point.count());
}

fn labels<'a>(attributes: impl Iterator<Item = &'a KeyValue>, bound: Option<&str>) -> String {
    let mut pairs: Vec<String> = attributes
        .map(|attribute| {
            let name = attribute.key.as_str().replace('.', "_");
            format!("{name}=\"{}\"", escape(&attribute.value.as_str()))
        })
        .collect();
    pairs.sort_unstable();
    pairs.extend(bound.map(|bound| format!("le=\"{bound}\"")));
    if pairs.is_empty() {
        return String::new();
    }
    format!("{{{}}}", pairs.join(","))
}

fn escape(value: &str) -> String {
    value
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace('\n', r"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let pairs = [
            KeyValue::new("a.b", "say \"x\"\n"),
            KeyValue::new("c", "\\"),
        ];
        assert_eq!(
            labels(pairs.iter(), Some("0.5")),
            r#"{a_b="say \"x\"\n",c="\\",le="0.5"}"#
        );
        assert_eq!(labels([].iter(), None), "");
    }

    #[test]
    fn every_metric_is_told_even_before_it_is_counted() {
        let text = text();
        for description in catalogue::all() {
            let name = description.prometheus_name();
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        }
    }

    #[test]
    fn histograms_add_up_from_bucket_to_bucket() {
        use super::catalogue::GAS_USED;
        for gas in [10_000.0, 90_000.0, 9_000_000.0] {
            GAS_USED.note(gas, ["test:histogram"]);
        }
        let text = text();
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("test:histogram"))
            .collect();
        assert_eq!(
            lines.first(),
            Some(&"x402_gas_used_bucket{network=\"test:histogram\",le=\"25000\"} 1")
        );
        for line in [
            "x402_gas_used_bucket{network=\"test:histogram\",le=\"100000\"} 2",
            "x402_gas_used_bucket{network=\"test:histogram\",le=\"+Inf\"} 3",
            "x402_gas_used_sum{network=\"test:histogram\"} 9100000",
            "x402_gas_used_count{network=\"test:histogram\"} 3",
        ] {
            assert!(lines.contains(&line), "{line} is not in {lines:#?}");
        }
    }
}
