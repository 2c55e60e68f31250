//! Metrics in the text format of Prometheus: requests by route, streams, limits, and the figures of the registry.
//!
//! **Invariant:** labels are of small closed sets: the pattern of a route, never a path; a known method, never what was
//! sent. So nobody can fill the memory by inventing addresses, and no id or name reaches the metrics.

mod registry;

use actix_web::http::{Method, StatusCode};
use gridwork_registry::{Backlog, Figures};
use prometheus::core::Collector;
use prometheus::{Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, TextEncoder};
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
    event_streams: IntGauge,
    malformed_reports: IntCounter,
    /// What is counted where requests are held back.
    pub(crate) rates: RateCounters,
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
        let refused = Opts::new(
            "gridwork_rate_limited_total",
            "Requests refused because there were too many in a while, by whether a caller or an address was counted.",
        );
        let refused = IntCounterVec::new(refused, &["counted"])?;
        let redis = Opts::new(
            "gridwork_rate_redis_requests_total",
            "Times that Redis was asked to count a request, by whether it answered in time.",
        );
        let redis = IntCounterVec::new(redis, &["result"])?;
        let metrics = Self {
            all: prometheus::Registry::new(),
            requests: IntCounterVec::new(requests, &["route", "method", "status"])?,
            durations: HistogramVec::new(durations.buckets(DURATIONS_S.to_vec()), &["route", "method"])?,
            under_way: IntGauge::new("gridwork_http_requests_under_way", "Requests that are being answered.")?,
            event_streams: IntGauge::new("gridwork_event_streams", "Streams of events that are open.")?,
            malformed_reports: IntCounter::new(
                "gridwork_device_reports_malformed_total",
                "Headers in which a phone says something of itself that cannot be read.",
            )?,
            // Told apart here once, so that each is there from the first scrape on.
            rates: RateCounters {
                refused: ["caller", "address"].map(|counted| refused.with_label_values(&[counted])),
                redis: ["answered", "failed"].map(|result| redis.with_label_values(&[result])),
            },
        };
        let collectors: [Box<dyn Collector>; 7] = [
            Box::new(metrics.requests.clone()),
            Box::new(metrics.durations.clone()),
            Box::new(metrics.under_way.clone()),
            Box::new(metrics.event_streams.clone()),
            Box::new(refused),
            Box::new(redis),
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

    /// Counts a stream of events as open until the guard is dropped.
    pub(crate) fn open_stream(&self) -> UnderWay {
        self.event_streams.inc();
        UnderWay(self.event_streams.clone())
    }

    /// Counts a header in which a phone says something of itself that cannot be read.
    pub(crate) fn count_malformed_report(&self) {
        self.malformed_reports.inc();
    }

    /// The text that a Prometheus server scrapes, without what had to be read from the database if it was not.
    ///
    /// # Errors
    /// If the library cannot write it.
    pub(crate) fn text(&self, figures: &Figures, watched: Option<&Watched>) -> Result<Vec<u8>, prometheus::Error> {
        let mut families = self.all.gather();
        families.extend(registry::families(figures, watched));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(text)
    }
}

/// What is read from the database at a scrape.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Watched {
    /// Changes that wait.
    pub(crate) backlog: Backlog,
    /// For how long the oldest audit row has been waiting to be sealed.
    pub(crate) audit_lag_ms: u64,
}

/// What is counted where requests are held back.
#[derive(Clone)]
pub(crate) struct RateCounters {
    /// Requests refused to those who are signed in, and to addresses of those who are not.
    pub(crate) refused: [IntCounter; 2],
    /// Times that Redis counted a request, and that it did not in time.
    pub(crate) redis: [IntCounter; 2],
}

/// What is being answered: a request, or a stream of events.
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
    use gridwork_registry::{LAG_BOUNDS_S, Lags};

    #[test]
    fn a_request_is_counted_by_pattern_and_known_method() {
        let metrics = Metrics::new().expect("names that differ");
        let invented = Method::from_bytes(b"BREW").expect("a method");
        metrics.answered("/v1/households/{id}", &Method::GET, StatusCode::OK, Duration::from_millis(3));
        metrics.answered(NO_ROUTE, &invented, StatusCode::NOT_FOUND, Duration::from_millis(1));
        let under_way = metrics.begin();
        let text = metrics.text(&Figures { merged: 7, ..Figures::default() }, None).expect("text");
        drop(under_way);
        let text = String::from_utf8(text).expect("text");
        for line in [
            r#"gridwork_http_requests_total{method="GET",route="/v1/households/{id}",status="200"} 1"#,
            r#"gridwork_http_requests_total{method="other",route="none",status="404"} 1"#,
            r#"gridwork_http_request_duration_seconds_count{method="GET",route="/v1/households/{id}"} 1"#,
            r#"gridwork_http_requests_under_way 1"#,
            r#"gridwork_sync_changes_total{outcome="merged"} 7"#,
            "gridwork_database_answers 0",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("BREW"));
    }

    #[test]
    fn lags_are_a_histogram_with_cumulative_buckets() {
        let mut lags = Lags { sum_ms: 93_600_500, ..Lags::default() };
        (lags.counts[0], lags.counts[6], lags.counts[LAG_BOUNDS_S.len()]) = (2, 1, 1);
        let metrics = Metrics::new().expect("names that differ");
        let text = metrics.text(&Figures { lags, ..Figures::default() }, Some(&Watched::default())).expect("text");
        let text = String::from_utf8(text).expect("text");
        for line in [
            "# TYPE gridwork_sync_lag_seconds histogram",
            r#"gridwork_sync_lag_seconds_bucket{le="60"} 2"#,
            r#"gridwork_sync_lag_seconds_bucket{le="86400"} 3"#,
            r#"gridwork_sync_lag_seconds_bucket{le="2592000"} 3"#,
            r#"gridwork_sync_lag_seconds_bucket{le="+Inf"} 4"#,
            "gridwork_sync_lag_seconds_sum 93600.5",
            "gridwork_sync_lag_seconds_count 4",
            r#"gridwork_waiting_changes{state="held"} 0"#,
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line} is not in\n{text}");
        }
    }
}
