//! The one exchange of a phone with the registry.

use crate::clock;
use crate::compression::Coding;
use crate::device_caller::DeviceCaller;
use crate::gate::{Held, Slot};
use crate::limits::SMALLEST_BLOCKING_BODY_BYTES;
use crate::problem::Problem;
use crate::proof::Proof;
use crate::state::State;
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, post};
use gridwork_domain::id::DeviceId;
use gridwork_sync::message::MEDIA_TYPE;
use gridwork_sync::self_report::{self, SelfReport, Unsent};
use std::borrow::Cow;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use utoipa::openapi::schema::Type;
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

/// The header in which a device says which sealing key it has: the key's id.
const KNOWN_SEALING_KEY: &str = "gridwork-sealing-key-id";
/// The header that brings a device the sealing key that it lacks.
const SEALING_KEY: &str = "gridwork-sealing-key";

/// Exchange changes
///
/// A phone posts the changes that it made and the cursors of the scopes that it follows, and is answered with a verdict
/// for each change, what is new to it, and new cursors. Whatever is repeated or lost on the way, the registry comes to the
/// same. The messages are CBOR (RFC 8949), their schema (RFC 8610) is `openapi/sync.cddl`.
///
/// The request carries the device's token and is signed by the device's key (RFC 9421); the digest covers the body as
/// transferred. A proof is good once, for five minutes by the server's clock; a stale one is answered 401 with
/// `server_time_ms`, by which the device corrects its clock and tries once more.
#[utoipa::path(
    operation_id = "exchange",
    tag = "devices",
    security(("device" = [])),
    extensions(("x-gridwork-permission" = json!("exchange"))),
    params(
        Proof,
        (
            "Gridwork-Sealing-Key-Id" = Option<String>,
            Header,
            description = "The id of the sealing key that the device has; another one comes with the answer."
        ),
        ("Content-Encoding" = Option<String>, Header, description = "`zstd`, `gzip` or `identity`."),
        ("Accept-Encoding" = Option<String>, Header, description = "An answer comes in `zstd` or `gzip` if asked for."),
        ("Gridwork-App" = Option<String>, Header, description = "The app and its version: 1 to 64 of A-Z, a-z, 0-9 and -_./+. \
         What cannot be read is passed over.", example = "gridwork-phone/0.1.0"),
        ("Gridwork-Unsent" = Option<String>, Header, description = "How many edits the phone has and does not hand in with \
         this request, and since when by its clock, milliseconds since 1970 UTC. What cannot be read is passed over.",
         example = "12; since=1772415000000")
    ),
    request_body(content = SyncRequest, content_type = "application/cbor", description = "`request` of the CDDL."),
    responses(
        (
            status = 200,
            description = "`answer` of the CDDL.",
            body = SyncAnswer,
            content_type = "application/cbor",
            headers(("Gridwork-Sealing-Key" = Option<String>, description = "The sealing key, if the device has another."))
        ),
        (status = 429, description = "The device has too many exchanges under way.")
    )
)]
#[post("/v1/sync")]
pub(crate) async fn exchange(
    caller: DeviceCaller,
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let DeviceCaller { device, proof, body, slot } = caller;
    let turn = state.exchanges.enter().await?;
    let message = body.message().await?;
    let now = clock::now();
    proof.check_age(now)?;
    let said = what_it_says(&request, &state);
    let answer = state.registry.exchange_with(&device, proof.nonce(), message, said, now).await?;
    let coding = Coding::for_answer(&request);
    let bytes = answer.to_bytes();
    let (coding, bytes) = if coding == Coding::Identity || bytes.len() < SMALLEST_BLOCKING_BODY_BYTES {
        coding.pack(bytes)
    } else {
        tokio::task::spawn_blocking(move || coding.pack(bytes)).await.map_err(Problem::internal)?
    };
    drop(turn);
    // The exchange is done; if there is no room to hold its answer, the phone asks again and is told what is known.
    let held = state.sync_memory.take(bytes.len())?;
    let mut response = HttpResponse::Ok();
    let key = state.registry.sealing_key();
    let known = request.headers().get(KNOWN_SEALING_KEY).and_then(|id| id.to_str().ok());
    if let Some(key) = key.filter(|key| known != Some(key.id().to_string().as_str())) {
        response.insert_header((SEALING_KEY, key.to_string()));
    }
    response.insert_header((header::CONTENT_TYPE, MEDIA_TYPE)).insert_header((header::VARY, "accept-encoding"));
    if let Some(name) = coding.name() {
        response.insert_header((header::CONTENT_ENCODING, name));
    }
    Ok(response.body(AnswerBody { bytes: bytes.into(), _held: held, _slot: slot }))
}

/// What the device says of itself. What cannot be read is passed over, and counted.
fn what_it_says(request: &HttpRequest, state: &State) -> SelfReport {
    let one = |name: &str| {
        let mut values = request.headers().get_all(name);
        let value = values.next()?;
        Some(value.to_str().ok().filter(|_| values.next().is_none()))
    };
    let app = one(self_report::APP).map(|text| text.and_then(self_report::parse_app));
    let unsent = one(self_report::UNSENT).map(|text| text.and_then(Unsent::parse));
    for malformed in [app == Some(None), unsent == Some(None)] {
        if malformed {
            state.metrics.count_malformed_report();
        }
    }
    SelfReport { app: app.flatten().map(str::to_owned), unsent: unsent.flatten() }
}

/// An answer that counts against the memory of sync bodies, and as one of its device's exchanges, until it is sent.
struct AnswerBody {
    bytes: Bytes,
    _held: Held,
    _slot: Slot<DeviceId>,
}

impl MessageBody for AnswerBody {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.bytes.len() as u64)
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then_some(Ok(bytes)))
    }
}

macro_rules! messages {
    ($($(#[$doc:meta])* $name:ident $description:literal)+) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let object = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)));
                object.description(Some($description)).into()
            }
        }
    )+};
}

messages! {
    /// What a phone posts.
    SyncRequest "CBOR: `request` in `openapi/sync.cddl`."
    /// What a phone is answered.
    SyncAnswer "CBOR: `answer` in `openapi/sync.cddl`."
}
