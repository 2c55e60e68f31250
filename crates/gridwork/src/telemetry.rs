//! What the server tells those who run it: the log and, if a collector is named, traces in OpenTelemetry's OTLP over HTTP.
//!
//! Collector, headers, sampling and batches are set as OpenTelemetry says, by `OTEL_*` in the environment
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>). Metrics are not sent: they are scraped.
//!
//! **Invariant:** a collector that is slow or gone delays no request: spans that cannot be sent are dropped. Spans hold what
//! the log holds: no path, no query, nothing about a resident.

use opentelemetry::trace::TracerProvider;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use std::error::Error;
use std::future::{Future, ready};
use std::io::{self, IsTerminal};
use std::pin::Pin;
use std::time::Duration;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

/// Settings that name a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// How long a collector may take for a batch. The next one waits in memory, as many spans as `OTEL_BSP_MAX_QUEUE_SIZE` says.
const BATCH_WITHIN: Duration = Duration::from_secs(10);

/// How long the last spans may take when the server ends.
const LAST_WITHIN: Duration = Duration::from_secs(5);

/// What a collector answers is not read beyond this.
const LARGEST_ANSWER: u64 = 64 * 1024;

/// Traces that are sent as long as this lives; the last of them when it is dropped.
pub(crate) struct Telemetry(Option<SdkTracerProvider>);

impl Telemetry {
    /// Begins the log, on a terminal in lines for people, elsewhere in JSON; `RUST_LOG` says how much. Sends traces if a
    /// collector is named.
    ///
    /// # Errors
    /// The collector's address is none.
    pub(crate) fn start() -> Result<Self, Box<dyn Error>> {
        let provider = if ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
            Some(provider().map_err(|error| format!("{} names no collector: {error}", ENDPOINTS[1]))?)
        } else {
            None
        };
        // What the exporter itself does is not traced.
        let traces = provider.as_ref().map(|provider| {
            tracing_opentelemetry::layer().with_tracer(provider.tracer("gridwork")).with_filter(LevelFilter::INFO)
        });
        let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
        let log = tracing_subscriber::fmt::layer().with_writer(io::stderr);
        let log = if io::stderr().is_terminal() { log.boxed() } else { log.json().boxed() };
        tracing_subscriber::registry().with(traces).with(log.with_filter(filter)).init();
        Ok(Self(provider))
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(provider) = self.0.take()
            && let Err(error) = provider.shutdown_with_timeout(LAST_WITHIN)
        {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

fn provider() -> Result<SdkTracerProvider, Box<dyn Error>> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(BATCH_WITHIN));
    let exporter =
        SpanExporter::builder().with_http().with_http_client(Collector(agent.build().new_agent())).build()?;
    // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say otherwise.
    let named = std::env::var_os("OTEL_SERVICE_NAME").is_some();
    let resource = Resource::builder();
    let resource = if named { resource } else { resource.with_service_name("gridwork") };
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
}

/// The way to the collector, from a thread of the exporter's own.
#[derive(Debug)]
struct Collector(ureq::Agent);

impl HttpClient for Collector {
    fn send_bytes<'c, 'a>(
        &'c self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'a>>
    where
        'c: 'a,
        Self: 'a,
    {
        Box::pin(ready(self.send(request)))
    }
}

impl Collector {
    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, mut body) = self.0.run(request.map(|bytes| bytes.to_vec()))?.into_parts();
        let body = body.with_config().limit(LARGEST_ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}
