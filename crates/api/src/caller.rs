//! The member of staff who asks, and what that person may do.
//!
//! It does not know devices: those are [`crate::device_caller`]'s.
//!
//! **Invariant:** what a caller may do is what the assignments that hold at this moment give, read anew at each request.

use crate::problem::{Kind, Problem};
use crate::state::State;
use crate::{bearer, clock};
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use gridwork_domain::id::{ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::Operation;
use gridwork_registry::{Grant, Reach};

/// A member of staff who is signed in.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) staff: StaffId,
    /// When the request came.
    pub(crate) now: Instant,
    grants: Vec<Grant>,
}

impl Caller {
    /// Whether the caller may do this in that grid.
    pub(crate) fn may(&self, operation: Operation, grid: ScopeId) -> bool {
        self.grants.iter().any(|grant| grant.gives(operation, grid))
    }

    /// The grids in which the caller may read.
    ///
    /// # Errors
    /// A problem if no role of the caller permits reading anywhere.
    pub(crate) fn reading(&self) -> Result<Reach, Problem> {
        self.must_anywhere(Operation::Read)?;
        Ok(Reach::of(&self.grants, Operation::Read))
    }

    /// The grids in which the caller may change and register households.
    ///
    /// # Errors
    /// A problem if no role of the caller permits that anywhere.
    pub(crate) fn editing(&self) -> Result<Reach, Problem> {
        self.must_anywhere(Operation::EditHousehold)?;
        Ok(Reach::of(&self.grants, Operation::EditHousehold))
    }

    /// Refuses a caller none of whose roles permits this anywhere.
    ///
    /// # Errors
    /// A problem that says so.
    pub(crate) fn must_anywhere(&self, operation: Operation) -> Result<(), Problem> {
        if self.grants.iter().any(|grant| grant.role.may(operation)) {
            Ok(())
        } else {
            Err(Problem::new(Kind::Forbidden, "no assignment that you hold today permits this"))
        }
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    /// The token is checked at the first poll, before anything of a body is read.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let now = clock::now();
        let signed_in = State::of(request).and_then(|state| {
            let staff = state.tokens.verify(bearer::token(request.headers())?);
            let staff = staff.map_err(|error| Problem::new(Kind::Unauthenticated, error.to_string()))?;
            Ok((state, staff))
        });
        Box::pin(async move {
            let (state, staff) = signed_in?;
            tracing::Span::current().record("caller", tracing::field::display(staff));
            let grants = state.registry.grants(staff, now).await?;
            Ok(Self { staff, now, grants })
        })
    }
}
