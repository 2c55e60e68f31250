//! Events: which documents change, as they change, as a stream of server-sent events (WHATWG HTML, 9.2).
//!
//! What moved comes from the registry's watcher, which reads it from the database; here it is held against the reader's
//! reach and written down. It does not know what changed in a document, and tells nothing of people but the household's id.
//!
//! **Invariant:** whoever goes on with the id of the last event that they read misses nothing: it is told again, or they
//! are told to read anew. A reader is told nothing from outside the reach that the last check found.

use crate::follower::Follower;
use crate::gate::Turn;
use crate::limits;
use crate::metrics::UnderWay;
use crate::problem::{Problem, Sentence};
use crate::request_parts::Filter;
use crate::state::State;
use actix_web::http::header::{self, HeaderName};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::stream::unfold;
use gridwork_domain::instant::Instant;
use gridwork_registry::{Moved, Reach};
use gridwork_sync::document::DocumentKind;
use serde::Deserialize;
use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant as Moment, sleep_until};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

/// Media type of server-sent events.
const MEDIA_TYPE: &str = "text/event-stream";
/// The header with which a reader goes on.
const LAST_EVENT_ID: &str = "last-event-id";
/// What a silent stream says: a comment, which readers skip.
const HEARTBEAT: &str = ": all is quiet\n\n";
/// News that are written down at once.
const MOST_AT_ONCE: usize = 64;

/// How long to listen.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventQuery {
    /// Seconds after which the stream ends: 0 for what there is right now, where nothing may stay open.
    #[param(minimum = 0, maximum = 3600, default = 3600)]
    seconds: Option<u32>,
}

/// A stream of events.
pub(crate) enum EventStream {}

impl ToSchema for EventStream {
    fn name() -> Cow<'static, str> {
        "EventStream".into()
    }
}

impl PartialSchema for EventStream {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new().schema_type(Type::String);
        object.description(Some("Server-sent events (WHATWG HTML, 9.2).")).into()
    }
}

/// Follow changes
///
/// A stream of server-sent events that tells which documents in your areas change, as they change; what changed in them is
/// read by the other operations. `moved` names a household by `grid`, `household` and `kind` (`household`, or `visits` if
/// its visits changed); `live` says that from here on nothing is missed; `reset` says that something was: read anew what
/// you show. A comment comes after 15 silent seconds.
///
/// The stream ends after an hour, with your session, and when the server stops. Go on with the id of the last event as
/// `Last-Event-ID`, as browsers do by themselves: what happened since is told, and some of what was told before, again.
///
/// A phone follows the grids of its member of staff with its device's token and the proof of its key (RFC 9421), as in
/// `exchange`, over an empty body and without a query.
#[utoipa::path(
    operation_id = "followChanges",
    tag = "events",
    security(("staff" = []), ("device" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(
        EventQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that you read.")
    ),
    responses(
        (status = 200, description = "The stream.", body = EventStream, content_type = "text/event-stream"),
        (status = 429, description = "You have too many streams open.")
    )
)]
#[get("/v1/events")]
pub(crate) async fn follow(
    follower: Follower,
    query: Filter<EventQuery>,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let seconds = query.0.seconds.unwrap_or(limits::LONGEST_STREAM_S);
    if seconds > limits::LONGEST_STREAM_S {
        return Err(Problem::field("seconds", Sentence::AtMost(limits::LONGEST_STREAM_S)));
    }
    let turn = state.streams.enter().await?;
    let open = state.metrics.open_stream();
    // In this order: what comes in while the past is read is told at least once.
    let news = state.registry.listen();
    let begin = begin(&state, &follower.reach, &request, follower.now).await?;
    let now = Moment::now();
    let stream = Stream {
        ending: state.ending.subscribe(),
        state,
        follower,
        news,
        begin: Some(begin),
        ends_at: now + Duration::from_secs(seconds.into()),
        check_at: now + CHECK_EVERY,
        beat_at: now + BEAT_EVERY,
        _turn: turn,
        _open: open,
    };
    let pieces = unfold(stream, async |mut stream| Some((Ok::<_, Infallible>(stream.next().await?), stream)));
    let mut response = HttpResponse::Ok();
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE));
    // Or nginx keeps events until it has a buffer full of them.
    response.insert_header((HeaderName::from_static("x-accel-buffering"), "no"));
    Ok(response.streaming(Box::pin(pieces)))
}

const CHECK_EVERY: Duration = Duration::from_secs(limits::CHECK_STREAM_S);
const BEAT_EVERY: Duration = Duration::from_secs(limits::HEARTBEAT_S);

/// A stream to one reader.
struct Stream {
    state: web::Data<State>,
    follower: Follower,
    news: broadcast::Receiver<Moved>,
    ending: watch::Receiver<bool>,
    begin: Option<Bytes>,
    ends_at: Moment,
    check_at: Moment,
    beat_at: Moment,
    _turn: Turn,
    _open: UnderWay,
}

impl Stream {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(begin) = self.begin.take() {
            return Some(begin);
        }
        loop {
            tokio::select! {
                biased;
                () = ended(&mut self.ending) => return None,
                () = sleep_until(self.ends_at) => return None,
                () = sleep_until(self.check_at) => self.check().await?,
                heard = self.news.recv() => {
                    let piece = self.write(heard)?;
                    if !piece.is_empty() {
                        self.beat_at = Moment::now() + BEAT_EVERY;
                        return Some(piece.into());
                    }
                }
                () = sleep_until(self.beat_at) => {
                    self.beat_at = Moment::now() + BEAT_EVERY;
                    return Some(Bytes::from_static(HEARTBEAT.as_bytes()));
                }
            }
        }
    }

    /// Looks whether the reader may go on, and how far they reach now. If not, or if that cannot be found out, the stream
    /// ends; whoever opens another is told why.
    async fn check(&mut self) -> Option<()> {
        self.follower.reach = self.follower.check(&self.state).await?;
        self.check_at = Moment::now() + CHECK_EVERY;
        Some(())
    }

    /// What was heard, and what else there is to hear by now, as far as it is within reach; `None` if there is nobody to
    /// listen to any more.
    fn write(&mut self, mut heard: Result<Moved, RecvError>) -> Option<String> {
        let mut piece = String::new();
        for _ in 0..MOST_AT_ONCE {
            match heard {
                Ok(moved) if self.follower.reach.contains(moved.scope) => write_moved(&mut piece, &moved, true),
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    self.news = self.news.resubscribe();
                    write_mark(&mut piece, "reset", self.state.registry.told_until());
                }
                Err(RecvError::Closed) => return None,
            }
            heard = match self.news.try_recv() {
                Ok(moved) => Ok(moved),
                Err(broadcast::error::TryRecvError::Lagged(missed)) => Err(RecvError::Lagged(missed)),
                Err(_) => break,
            };
        }
        Some(piece)
    }
}

/// Waits until the server ends, or is gone.
async fn ended(ending: &mut watch::Receiver<bool>) {
    drop(ending.wait_for(|ending| *ending).await);
}

/// What a stream begins with: what its reader missed since the id that they name.
async fn begin(state: &State, reach: &Reach, request: &HttpRequest, now: Instant) -> Result<Bytes, Problem> {
    let mut piece = format!("retry: {}\n\n", limits::REOPEN_STREAM_MS);
    let told_until = state.registry.told_until();
    if let Some(id) = request.headers().get(LAST_EVENT_ID) {
        // What is no id of ours says as little about what was read as one that is too old.
        let read_until = id.to_str().ok().and_then(instant_of);
        let missed = match read_until.filter(|until| until.ms() > now.ms() - limits::OLDEST_RESUMED_MS) {
            Some(until) => {
                let since = until.plus_ms(-limits::RESUMED_OVERLAP_MS);
                state.registry.moved_since(reach, since, limits::MOST_RESUMED).await?
            }
            None => None,
        };
        match missed {
            // Without ids: who is cut off amid them begins again where they began.
            Some(missed) => missed.iter().for_each(|moved| write_moved(&mut piece, moved, false)),
            None => write_mark(&mut piece, "reset", told_until),
        }
    }
    write_mark(&mut piece, "live", told_until);
    Ok(piece.into())
}

fn write_moved(piece: &mut String, moved: &Moved, with_id: bool) {
    let kind = match moved.document.kind() {
        DocumentKind::Household => "household",
        DocumentKind::Visits => "visits",
    };
    if with_id {
        let _ = writeln!(piece, "id: {}", id_of(moved.told_until)); // a text takes what is written
    }
    let (grid, household) = (moved.scope, moved.document.subject());
    let data = serde_json::json!({ "grid": grid, "household": household, "kind": kind });
    let _ = write!(piece, "event: moved\ndata: {data}\n\n");
}

fn write_mark(piece: &mut String, word: &str, told_until: Instant) {
    let _ = write!(piece, "id: {}\nevent: {word}\ndata: {{}}\n\n", id_of(told_until));
}

/// The id of an event: until when all was told before it.
fn id_of(told_until: Instant) -> String {
    format!("{:x}", told_until.ms())
}

fn instant_of(id: &str) -> Option<Instant> {
    let ms = i64::from_str_radix(id, 16).ok().filter(|ms| (0..1 << 52).contains(ms))?;
    Some(Instant::from_ms(ms))
}
