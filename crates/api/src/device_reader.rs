//! The device that reads what is about nobody: with its token, and a request that its key signed.
//!
//! Its nonce is not used up: whoever sends such a request again learns what they heard before, and changes nothing.
//!
//! **Invariant:** a [`DeviceReader`] holds the device's token *and* its key signed this very request, which has no body.

use crate::device_caller::prove;
use crate::gate::Slot;
use crate::problem::Problem;
use crate::proof::Proof;
use crate::state::State;
use crate::{bearer, clock};
use actix_web::HttpRequest;
use actix_web::web::Bytes;
use gridwork_domain::id::DeviceId;
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Device;
use gridwork_sync::proof;
use std::sync::Arc;

/// A device that holds its token and its key.
#[derive(Debug)]
pub(crate) struct DeviceReader {
    /// The device.
    pub(crate) device: Device,
    /// When the request came.
    pub(crate) now: Instant,
    _slot: Slot<DeviceId>,
}

impl DeviceReader {
    /// Whether a request is a device's.
    pub(crate) fn is_meant(request: &HttpRequest) -> bool {
        request.headers().contains_key(proof::SIGNATURE)
    }

    /// The device of a request.
    ///
    /// # Errors
    /// A problem if the token is not, or no longer, that of the device that signed.
    pub(crate) async fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let now = clock::now();
        let state = State::of(request)?;
        let token = bearer::token(request.headers())?.to_owned();
        let proof = Arc::new(Proof::of(request, now)?);
        let device = prove(&state, state.rates.stranger(request), &token, &proof, now).await?;
        let slot = state.per_device.take(device.id)?;
        proof.verify_body(Bytes::new()).await?;
        tracing::Span::current().record("caller", tracing::field::display(device.id));
        Ok(Self { device, now, _slot: slot })
    }
}
