//! The registry's figures as metrics of Prometheus: named, typed and with their units in the name.
//!
//! The registry counts, and does not know Prometheus; here its numbers are written down as they are at a scrape.
//!
//! **Invariant:** each name is written once, and its labels are the words that stand here.

use super::Watched;
use gridwork_registry::{Figures, LAG_BOUNDS_S, Lags};
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// A value with the labels that tell it from others of its name.
type Value<'l> = (&'l [(&'l str, &'l str)], f64);

/// All metrics of the registry. What had to be read from the database is left out if that failed.
#[expect(clippy::cast_precision_loss, reason = "a count of 2^53 is beyond everything")]
pub(super) fn families(figures: &Figures, watched: Option<&Watched>) -> Vec<MetricFamily> {
    let alone = |name, help, value: u64| counter(name, help, &[(&[], value as f64)]);
    let level = |name, help, value: u64| gauge(name, help, &[(&[], value as f64)]);
    let mut all = vec![
        alone("gridwork_sync_exchanges_total", "Exchanges with phones that were answered.", figures.exchanges),
        counter(
            "gridwork_sync_changes_total",
            "Changes that phones pushed, by outcome; what is pushed again counts again.",
            &[
                (&[("outcome", "merged")], figures.merged as f64),
                (&[("outcome", "known")], figures.known as f64),
                (&[("outcome", "held")], figures.held as f64),
                (&[("outcome", "quarantined")], figures.quarantined as f64),
            ],
        ),
        lags(&figures.lags),
        alone("gridwork_edits_total", "Edits merged at desks and by imports.", figures.edits),
        alone("gridwork_released_changes_total", "Changes merged because staff released them.", figures.released),
        alone("gridwork_feed_rows_total", "Rows committed to the feeds of grids.", figures.feed_rows),
        alone(
            "gridwork_documents_unreadable_total",
            "Times that a document was found unreadable: an alarm if it is not 0.",
            figures.unreadable,
        ),
        alone("gridwork_database_commits_total", "Transactions committed; one may hold many jobs.", figures.commits),
        alone("gridwork_database_jobs_total", "Jobs that the writers ran.", figures.jobs),
        alone(
            "gridwork_database_attempts_again_total",
            "Further attempts at jobs that were in each other's way.",
            figures.attempts_again,
        ),
        alone("gridwork_overloads_total", "Requests refused because the registry was overloaded.", figures.overloaded),
        level("gridwork_database_largest_group_jobs", "Jobs in the largest commit so far.", figures.largest_group),
        level("gridwork_writer_queue_jobs", "Jobs that wait for a writer or are with one.", figures.writer_queue),
        level("gridwork_waiting_reads", "Requests that read, or wait for a connection to.", figures.waiting_reads),
        level("gridwork_waiting_hashes", "Requests that hash a password, or wait to.", figures.waiting_hashes),
        gauge(
            "gridwork_database_connections",
            "Connections to the database, by pool: those in use, and all.",
            &[
                (&[("pool", "readers"), ("state", "busy")], figures.busy_readers as f64),
                (&[("pool", "readers"), ("state", "all")], figures.readers as f64),
                (&[("pool", "writers"), ("state", "busy")], figures.busy_writers as f64),
                (&[("pool", "writers"), ("state", "all")], figures.writers as f64),
            ],
        ),
        counter(
            "gridwork_area_cache_reads_total",
            "Times that the areas were asked for, by whether they were in memory.",
            &[
                (&[("result", "hit")], figures.area_cache_hits as f64),
                (&[("result", "miss")], figures.area_cache_misses as f64),
            ],
        ),
        alone("gridwork_audit_rows_sealed_total", "Audit rows that this node sealed.", figures.audit_sealed),
        level(
            "gridwork_database_answers",
            "1 if the database answered this scrape in time, else 0.",
            u64::from(watched.is_some()),
        ),
    ];
    if let Some(Watched { backlog, audit_lag_ms }) = watched {
        let (held, quarantined) = (backlog.held, backlog.quarantined);
        all.push(gauge(
            "gridwork_audit_lag_seconds",
            "Age of the oldest audit row that is not sealed; over 1 for long, the sealer does not keep up.",
            &[(&[], seconds(*audit_lag_ms))],
        ));
        all.push(gauge(
            "gridwork_waiting_changes",
            "Changes that wait for others, or were refused and wait for a decision; 10000 stands for all beyond.",
            &[(&[("state", "held")], held.count as f64), (&[("state", "quarantined")], quarantined.count as f64)],
        ));
        all.push(gauge(
            "gridwork_waiting_changes_oldest_age_seconds",
            "For how long the first of the changes that wait has waited; 0 if there is none.",
            &[
                (&[("state", "held")], seconds(held.oldest_ms)),
                (&[("state", "quarantined")], seconds(quarantined.oldest_ms)),
            ],
        ));
    }
    all
}

fn counter(name: &str, help: &str, values: &[Value<'_>]) -> MetricFamily {
    family(name, help, MetricType::COUNTER, values, |metric, value| {
        let mut counter = Counter::default();
        counter.set_value(value);
        metric.set_counter(counter);
    })
}

fn gauge(name: &str, help: &str, values: &[Value<'_>]) -> MetricFamily {
    family(name, help, MetricType::GAUGE, values, |metric, value| {
        let mut gauge = Gauge::default();
        gauge.set_value(value);
        metric.set_gauge(gauge);
    })
}

fn family(
    name: &str,
    help: &str,
    kind: MetricType,
    values: &[Value<'_>],
    set: impl Fn(&mut Metric, f64),
) -> MetricFamily {
    let metrics = values.iter().map(|(labels, value)| {
        let labels = labels.iter().map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        let mut metric = Metric::from_label(labels.collect());
        set(&mut metric, *value);
        metric
    });
    named(name, help, kind, metrics.collect())
}

fn named(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn lags(lags: &Lags) -> MetricFamily {
    let mut below = 0;
    let buckets = LAG_BOUNDS_S.iter().zip(lags.counts).map(|(bound, count)| {
        below += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(f64::from(*bound));
        bucket.set_cumulative_count(below);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(lags.counts.iter().sum());
    histogram.set_sample_sum(seconds(lags.sum_ms));
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    let help =
        "Seconds from when a phone made a change, by its clock, until the registry had it; a clock ahead counts 0.";
    named("gridwork_sync_lag_seconds", help, MetricType::HISTOGRAM, vec![metric])
}

#[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are beyond everything")]
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1_000.0
}
