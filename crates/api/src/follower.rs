//! Whoever follows changes: a member of staff at a desk, or a phone.
//!
//! A phone comes with its token and the proof of its key over an empty body, as at every other of its requests; by the
//! proof's headers it is known for one. It does not know what changes.
//!
//! **Invariant:** a [`Follower`] was let in, and is told at each check whether that still holds and how far it reaches.

use crate::caller::{Caller, credential};
use crate::device_caller::prove;
use crate::gate::Slot;
use crate::problem::Problem;
use crate::proof::Proof;
use crate::state::State;
use crate::{bearer, clock};
use actix_web::dev::Payload;
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use gridwork_domain::id::{DeviceId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::permission::Operation;
use gridwork_registry::{Credential, Reach};
use gridwork_sync::proof::SIGNATURE_INPUT;
use std::sync::Arc;

/// Whoever follows.
pub(crate) struct Follower {
    /// When the request came.
    pub(crate) now: Instant,
    /// The grids of which they are told.
    pub(crate) reach: Reach,
    who: Who,
    /// One of the streams that they may have open.
    _place: Place,
}

enum Who {
    Staff(Credential),
    Device(DeviceId),
}

enum Place {
    Staff(#[expect(dead_code, reason = "it is given back when dropped")] Slot<StaffId>),
    Device(#[expect(dead_code, reason = "it is given back when dropped")] Slot<DeviceId>),
}

impl Follower {
    /// How far they reach now; `None` if they may not go on, or if that cannot be found out.
    pub(crate) async fn check(&self, state: &State) -> Option<Reach> {
        let checked = match &self.who {
            Who::Staff(credential) => {
                let caller = Caller::admit(state, credential.clone(), Ok(Operation::Read), None, clock::now()).await;
                caller.map(|caller| Some(caller.reach()))
            }
            Who::Device(device) => state.registry.device_reach(*device, clock::now()).await.map_err(Problem::from),
        };
        checked.inspect_err(|problem| tracing::info!(%problem, "a stream of events ends")).ok()?
    }

    async fn device(state: Data<State>, request: HttpRequest, now: Instant) -> Result<Self, Problem> {
        let token = bearer::token(request.headers())?;
        let proof = Arc::new(Proof::of(&request, now)?);
        let device = prove(&state, state.rates.stranger(&request), token, &proof, now).await?;
        proof.clone().verify_body(Bytes::new()).await?;
        let place = Place::Device(state.streams_of_device.take(device.id)?);
        let reach = state.registry.begin_to_follow(&device, proof.nonce(), now).await?;
        Ok(Self { now, reach, who: Who::Device(device.id), _place: place })
    }
}

impl FromRequest for Follower {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (now, state) = (clock::now(), State::of(request));
        if request.headers().contains_key(SIGNATURE_INPUT) {
            let request = request.clone();
            return Box::pin(async move { Self::device(state?, request, now).await });
        }
        let caller = Caller::from_request(request, payload);
        let credential = State::of(request).and_then(|state| credential(&state, request));
        Box::pin(async move {
            let caller = caller.await?;
            let place = Place::Staff(state?.streams_of.take(caller.staff)?);
            Ok(Self { now: caller.now, reach: caller.reach(), who: Who::Staff(credential?), _place: place })
        })
    }
}
