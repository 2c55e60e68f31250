//! The device that asks, with the body that it has proven to have sent.
//!
//! It does not know what the body says, and it uses up no nonce: the registry does, in the transaction of the exchange.
//!
//! **Invariant:** a [`DeviceCaller`] holds the device's token *and* its key signed this very request; its body counts
//! against the memory of sync bodies for as long as it lives.

use crate::compression::Coding;
use crate::gate::{Held, Slot};
use crate::limits::{LARGEST_SYNC_BODY_BYTES, LARGEST_SYNC_MESSAGE_BYTES, SMALLEST_BLOCKING_BODY_BYTES};
use crate::problem::{Kind, Problem, Sentence};
use crate::proof::Proof;
use crate::rate::Whose;
use crate::state::State;
use crate::{bearer, body, clock};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use gridwork_domain::id::DeviceId;
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Device;
use gridwork_sync::message::{MEDIA_TYPE, Request};
use std::sync::Arc;

/// A device that holds its token and its key.
#[derive(Debug)]
pub(crate) struct DeviceCaller {
    /// The device.
    pub(crate) device: Device,
    /// The proof, which held; its nonce is not used up yet.
    pub(crate) proof: Arc<Proof>,
    /// The body as transferred.
    pub(crate) body: SyncBody,
    /// One of the exchanges that the device may have under way.
    pub(crate) slot: Slot<DeviceId>,
}

/// A sync body as transferred.
#[derive(Debug)]
pub(crate) struct SyncBody {
    bytes: Bytes,
    coding: Coding,
    _held: Held,
}

impl SyncBody {
    /// Unpacks and reads the message.
    ///
    /// # Errors
    /// A problem for a body that is too large, badly packed, or no message.
    pub(crate) async fn message(self) -> Result<Request, Problem> {
        if self.bytes.len() < SMALLEST_BLOCKING_BODY_BYTES {
            return self.read();
        }
        tokio::task::spawn_blocking(move || self.read()).await.map_err(Problem::internal)?
    }

    fn read(&self) -> Result<Request, Problem> {
        let bytes = self.coding.unpack(&self.bytes, LARGEST_SYNC_MESSAGE_BYTES)?;
        Ok(Request::from_bytes(&bytes)?)
    }
}

impl FromRequest for DeviceCaller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let now = clock::now();
        let admitted = Admitted::of(request, now);
        let payload = payload.take();
        Box::pin(async move {
            let Admitted { state, stranger, token, proof, coding, length } = admitted?;
            let device = prove(&state, stranger, &token, &proof, now).await?;
            let slot = state.per_device.take(device.id)?;
            let held = state.sync_memory.take(length)?;
            let bytes = body::read(payload, length).await?;
            proof.clone().verify_body(bytes.clone()).await?;
            let body = SyncBody { bytes, coding, _held: held };
            Ok(Self { device, proof, body, slot })
        })
    }
}

/// The device of this token, if it was its key that signed and it does not ask too often; a token or signature that does not
/// hold counts as the stranger's who sent it.
///
/// # Errors
/// A problem that says why not. Nothing of the device's is taken before: a stolen token alone holds none of it.
pub(crate) async fn prove(
    state: &State,
    stranger: Whose,
    token: &str,
    proof: &Proof,
    now: Instant,
) -> Result<Device, Problem> {
    match proven(state, token, proof, now).await {
        Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
            Err(state.rates.refuse(stranger, problem, now).await)
        }
        proven => proven,
    }
}

async fn proven(state: &State, token: &str, proof: &Proof, now: Instant) -> Result<Device, Problem> {
    let device = state.registry.device_by_token(token, now).await?;
    let device = device
        .filter(|device| device.id.to_string() == proof.key_id())
        .ok_or_else(|| Problem::new(Kind::Unauthenticated, Sentence::DeviceToken))?;
    tracing::Span::current().record("caller", tracing::field::display(device.id));
    proof.verify_signature(&device.public_key)?;
    state.rates.count(Whose::Device(device.id), now).await?;
    Ok(device)
}

/// What the headers say, judged before anything is looked up or read.
struct Admitted {
    state: Data<State>,
    stranger: Whose,
    token: String,
    proof: Arc<Proof>,
    coding: Coding,
    length: usize,
}

impl Admitted {
    fn of(request: &HttpRequest, now: Instant) -> Result<Self, Problem> {
        let token = bearer::token(request.headers())?.to_owned();
        let proof = Arc::new(Proof::of(request, now)?);
        body::check_type(request, MEDIA_TYPE)?;
        let coding = Coding::of_request(request.headers())?;
        // A body that does not say its length may be as long as any.
        let length = body::length(request.headers(), LARGEST_SYNC_BODY_BYTES)?.unwrap_or(LARGEST_SYNC_BODY_BYTES);
        let state = State::of(request)?;
        Ok(Self { stranger: state.rates.stranger(request), state, token, proof, coding, length })
    }
}
