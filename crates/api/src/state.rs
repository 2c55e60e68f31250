//! What all workers share.

use crate::access_token::AccessTokens;
use crate::gate::{Each, Gate, Memory};
use crate::limits;
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem, Sentence};
use crate::rate::Rates;
use crate::settings::Settings;
use actix_web::{HttpRequest, web};
use gridwork_domain::id::{DeviceId, StaffId};
use gridwork_registry::Registry;
use tokio::sync::watch;

/// The registry, the tokens, the metrics, and the gates before what is scarce.
pub(crate) struct State {
    /// The registry.
    pub(crate) registry: Registry,
    /// Access tokens of staff.
    pub(crate) tokens: AccessTokens,
    /// Whether administrators need a second factor.
    pub(crate) administrators_need_second_factor: bool,
    /// Milliseconds for which somebody reads beyond the own areas in an emergency.
    pub(crate) break_glass_ms: i64,
    /// What is counted.
    pub(crate) metrics: Metrics,
    /// How often each caller asks.
    pub(crate) rates: Rates,
    /// Bytes of sync bodies and answers under way.
    pub(crate) sync_memory: Memory,
    /// Exchanges of each device.
    pub(crate) per_device: Each<DeviceId>,
    /// Before unpacking and judging.
    pub(crate) exchanges: Gate,
    /// Bytes of files to import.
    pub(crate) import_memory: Memory,
    /// Before reading and importing files.
    pub(crate) imports: Gate,
    /// Before writing spreadsheets.
    pub(crate) exports: Gate,
    /// Streams of events.
    pub(crate) streams: Gate,
    /// Streams of each member of staff.
    pub(crate) streams_of: Each<StaffId>,
    /// Streams of each device.
    pub(crate) streams_of_device: Each<DeviceId>,
    /// Whether the server is ending: then streams end, too.
    pub(crate) ending: watch::Sender<bool>,
    /// Before enrolment codes, which anybody may try.
    pub(crate) enrolments: Gate,
}

impl State {
    /// What the settings say.
    pub(crate) fn new(settings: &Settings, secret: &[u8], registry: Registry) -> Result<Self, prometheus::Error> {
        let metrics = Metrics::new()?;
        Ok(Self {
            registry,
            tokens: AccessTokens::new(secret),
            administrators_need_second_factor: settings.administrators_need_second_factor,
            break_glass_ms: i64::from(settings.break_glass_s) * 1_000,
            rates: Rates::new(settings, metrics.rates.clone()),
            metrics,
            sync_memory: Memory::new(settings.sync_memory_bytes),
            per_device: Each::new(limits::EXCHANGES_PER_DEVICE, Sentence::ManyExchanges),
            exchanges: Gate::new(settings.concurrent_exchanges, limits::WAITING_EXCHANGES, Kind::Unavailable),
            import_memory: Memory::new(limits::IMPORT_MEMORY_BYTES),
            imports: Gate::new(limits::CONCURRENT_IMPORTS, limits::WAITING_IMPORTS, Kind::Unavailable),
            exports: Gate::new(limits::CONCURRENT_EXPORTS, limits::WAITING_EXPORTS, Kind::Unavailable),
            streams: Gate::new(limits::MOST_STREAMS, 0, Kind::Unavailable),
            streams_of: Each::new(limits::STREAMS_PER_STAFF, Sentence::ManyStreams),
            streams_of_device: Each::new(limits::STREAMS_PER_DEVICE, Sentence::ManyStreamsOfDevice),
            ending: watch::Sender::new(false),
            enrolments: Gate::new(limits::CONCURRENT_ENROLMENTS, limits::WAITING_ENROLMENTS, Kind::TooMany),
        })
    }

    /// The state that the application was built with.
    ///
    /// # Errors
    /// A problem if it was built without one.
    pub(crate) fn of(request: &HttpRequest) -> Result<web::Data<Self>, Problem> {
        let state = request.app_data::<web::Data<Self>>();
        state.cloned().ok_or_else(|| Problem::internal("the application was built without its state"))
    }
}
