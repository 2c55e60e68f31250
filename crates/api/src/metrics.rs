//! Metrics in the text format of Prometheus: requests by route, and the figures of the registry.
//!
//! **Invariant:** labels are of small closed sets: the pattern of a route, never a path; a known method, never what was
//! sent. So nobody can fill the memory by inventing addresses, and no id or name reaches the metrics.

use actix_web::http::{Method, StatusCode};
use gridwork_registry::Figures;
use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, TextEncoder,
};
use std::time::Duration;

/// The route of requests that none matched.
pub(crate) const NO_ROUTE: &str = "none";

/// Media type of the metrics.
pub(crate) const MEDIA_TYPE: &str = prometheus::TEXT_FORMAT;

/// Upper bounds of the buckets of durations in seconds: an empty exchange takes half a millisecond, a sign-in 50.
const DURATIONS_S: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is counted.
pub(crate) struct Metrics {
    all: prometheus::Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    under_way: IntGauge,
    audit_lag: IntGauge,
    malformed_reports: IntCounter,
    registry: IntGaugeVec,
}

impl Metrics {
    /// Nothing counted yet.
    ///
    /// # Errors
    /// If two of them had one name.
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let requests = Opts::new("gridwork_http_requests_total", "Requests by route pattern, method and status.");
        let durations = HistogramOpts::new(
            "gridwork_http_request_duration_seconds",
            "Seconds until the head of the answer, by route pattern and method.",
        );
        let registry = Opts::new("gridwork_registry", "Figures of the registry since it was opened, by figure.");
        let metrics = Self {
            all: prometheus::Registry::new(),
            requests: IntCounterVec::new(requests, &["route", "method", "status"])?,
            durations: HistogramVec::new(durations.buckets(DURATIONS_S.to_vec()), &["route", "method"])?,
            under_way: IntGauge::new("gridwork_http_requests_under_way", "Requests that are being answered.")?,
            audit_lag: IntGauge::new(
                "gridwork_audit_lag_milliseconds",
                "Age of the oldest audit row that is not sealed; over 1000 for long, the sealer does not keep up.",
            )?,
            malformed_reports: IntCounter::new(
                "gridwork_device_reports_malformed_total",
                "Headers in which a phone says something of itself that cannot be read.",
            )?,
            registry: IntGaugeVec::new(registry, &["figure"])?,
        };
        let collectors: [Box<dyn Collector>; 6] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.under_way.clone()),
            Box::new(metrics.registry.clone()),
            Box::new(metrics.audit_lag.clone()),
            Box::new(metrics.malformed_reports.clone()),
        ];
        collectors.into_iter().try_for_each(|collector| metrics.all.register(collector))?;
        Ok(metrics)
    }

    /// Counts a request as under way until the guard is dropped, also if it is abandoned.
    pub(crate) fn begin(&self) -> UnderWay {
        self.under_way.inc();
        UnderWay(self.under_way.clone())
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        let method = label(method);
        self.requests.with_label_values(&[route, method, status.as_str()]).inc();
        self.durations.with_label_values(&[route, method]).observe(took.as_secs_f64());
    }

    /// Sets for how long the oldest audit row has been waiting to be sealed.
    pub(crate) fn note_audit_lag(&self, lag_ms: u64) {
        self.audit_lag.set(i64::try_from(lag_ms).unwrap_or(i64::MAX));
    }

    /// Counts a header in which a phone says something of itself that cannot be read.
    pub(crate) fn count_malformed_report(&self) {
        self.malformed_reports.inc();
    }

    /// The text that a Prometheus server scrapes.
    ///
    /// # Errors
    /// If the library cannot write it.
    pub(crate) fn text(&self, figures: &Figures) -> Result<Vec<u8>, prometheus::Error> {
        let figures = [
            ("writer_queue", figures.writer_queue),
            ("waiting_reads", figures.waiting_reads),
            ("waiting_hashes", figures.waiting_hashes),
            ("commits", figures.commits),
            ("jobs", figures.jobs),
            ("largest_group", figures.largest_group),
            ("overloaded", figures.overloaded),
            ("exchanges", figures.exchanges),
            ("merged", figures.merged),
            ("known", figures.known),
            ("held", figures.held),
            ("quarantined", figures.quarantined),
            ("unreadable", figures.unreadable),
            ("audit_sealed", figures.audit_sealed),
        ];
        for (figure, value) in figures {
            self.registry.with_label_values(&[figure]).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.all.gather(), &mut text)?;
        Ok(text)
    }
}

/// A request that is being answered.
pub(crate) struct UnderWay(IntGauge);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_pattern_and_known_method() {
        let metrics = Metrics::new().expect("names that differ");
        let invented = Method::from_bytes(b"BREW").expect("a method");
        metrics.answered("/v1/households/{id}", &Method::GET, StatusCode::OK, Duration::from_millis(3));
        metrics.answered(NO_ROUTE, &invented, StatusCode::NOT_FOUND, Duration::from_millis(1));
        let under_way = metrics.begin();
        let text = metrics.text(&Figures { merged: 7, ..Figures::default() }).expect("text");
        drop(under_way);
        let text = String::from_utf8(text).expect("text");
        for line in [
            r#"gridwork_http_requests_total{method="GET",route="/v1/households/{id}",status="200"} 1"#,
            r#"gridwork_http_requests_total{method="other",route="none",status="404"} 1"#,
            r#"gridwork_http_request_duration_seconds_count{method="GET",route="/v1/households/{id}"} 1"#,
            r#"gridwork_http_requests_under_way 1"#,
            r#"gridwork_registry{figure="merged"} 7"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("BREW"));
    }
}
