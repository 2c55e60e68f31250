//! The member of staff who asks, and what that person may do.
//!
//! What an operation needs stands beside its handler, in the OpenAPI document (`x-gridwork-permission`), and the guard reads
//! it there: a [`Caller`] has it, or the handler never runs. It does not know devices: those are [`crate::device_caller`]'s.
//!
//! **Invariant:** what a caller may do is what the assignments that hold at this moment give, in a session that goes on:
//! read anew at each request.

use crate::problem::{Kind, Problem, Sentence};
use crate::rate::Whose;
use crate::state::State;
use crate::{bearer, clock, openapi};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{FromRequest, HttpMessage, HttpRequest};
use futures_util::future::LocalBoxFuture;
use gridwork_domain::fields::Kind as FieldKind;
use gridwork_domain::id::{BreakGlassId, HouseholdId, ScopeId, SessionId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::permission::{Operation, Within};
use gridwork_domain::schema::{CITIZEN_NUMBER, Field, RESIDENTS, SCHEMA_1};
use gridwork_domain::sight::{Manner, Sight};
use gridwork_domain::staff::Role;
use gridwork_registry::{Admitted, Attempt, BrokenGlass, Credential, Grant, KEY_PREFIX, Means, Precinct, Reach};
use tokio::sync::oneshot;

/// A member of staff who is signed in.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) staff: StaffId,
    /// When the request came.
    pub(crate) now: Instant,
    by: Means,
    needs: Operation,
    /// The claim on the idempotency key of this request, if it came with one.
    pub(crate) attempt: Option<Attempt>,
    grants: Vec<Grant>,
    /// What the caller reads beyond the own areas in an emergency.
    broken: Vec<BrokenGlass>,
}

/// With what a request comes.
///
/// # Errors
/// A problem if it comes with nothing, or with a token that does not hold.
pub(crate) fn credential(state: &State, request: &HttpRequest) -> Result<Credential, Problem> {
    let token = bearer::token(request.headers())?;
    if token.starts_with(KEY_PREFIX) {
        return Ok(Credential::Key(token.to_owned()));
    }
    let (staff, session) = state
        .tokens
        .verify(token)
        .map_err(|error| Problem::new(Kind::Unauthenticated, Sentence::TokenInvalid).because(error))?;
    Ok(Credential::Session(session, staff))
}

impl Caller {
    /// Whoever comes with a credential, if they may do at this moment what is needed; an operation that does not say what it
    /// needs is nobody's.
    ///
    /// # Errors
    /// A problem that says why not.
    pub(crate) async fn admit(
        state: &State,
        credential: Credential,
        needs: Result<Operation, Problem>,
        attempt: Option<Attempt>,
        now: Instant,
    ) -> Result<Self, Problem> {
        let admitted = state.registry.admit(credential, now).await?;
        let ended = || Problem::new(Kind::Unauthenticated, Sentence::SessionEnded);
        let Admitted { staff, by, grants, broken } = admitted.ok_or_else(ended)?;
        tracing::Span::current().record("caller", tracing::field::display(staff));
        let caller = Self { staff, now, by, needs: needs?, attempt, grants, broken };
        if matches!(caller.by, Means::Session(_, false)) && state.administrators_need_second_factor {
            caller.must_be_no_administrator()?;
        }
        caller.must_have_key_for(caller.needs)?;
        caller.must_anywhere(caller.needs)?;
        Ok(caller)
    }

    /// Whether the caller may do what this request needs in that grid.
    pub(crate) fn may_in(&self, grid: ScopeId) -> bool {
        self.grants.iter().any(|grant| grant.gives(self.needs, grid))
    }

    /// The grids in which the caller may do what this request needs; what only reads, also beyond the own areas in an
    /// emergency.
    pub(crate) fn reach(&self) -> Reach {
        match self.needs {
            Operation::Read | Operation::Reveal => self.with_broken(self.own_reach()),
            _ => self.own_reach(),
        }
    }

    /// The same without what an emergency gives: for what takes all that there is.
    pub(crate) fn own_reach(&self) -> Reach {
        Reach::of(&self.grants, self.needs)
    }

    /// The grids in which the caller may read.
    ///
    /// # Errors
    /// A problem if no role of the caller permits reading anywhere, or if the key is not for reading.
    pub(crate) fn reading(&self) -> Result<Reach, Problem> {
        self.must_have_key_for(Operation::Read)?;
        self.must_anywhere(Operation::Read)?;
        Ok(self.with_broken(Reach::of(&self.grants, Operation::Read)))
    }

    fn with_broken(&self, own: Reach) -> Reach {
        if self.broken.is_empty() {
            return own;
        }
        let grids = self.broken.iter().flat_map(|broken| broken.grids.iter().copied());
        let households = self.broken.iter().filter_map(|broken| broken.household);
        own.scopes().chain(grids).collect::<Reach>().with_households(households)
    }

    /// How the caller sees a household in a grid.
    pub(crate) fn sight(&self, grid: ScopeId, household: HouseholdId) -> Sight {
        let own = self.sight_by(Operation::Read, grid);
        let sight = match self.broken_for(grid, household).is_empty() {
            true => own,
            false => Sight::of(Operation::BreakGlass, self.breaking()),
        };
        if matches!(self.by, Means::Key(_)) { sight.through_masks() } else { sight }
    }

    /// How the caller sees a household in a grid for a reason that the audit log keeps.
    pub(crate) fn sight_with_reason(&self, grid: ScopeId, household: HouseholdId) -> Sight {
        match self.broken_for(grid, household).is_empty() {
            true => self.sight_by(Operation::Reveal, grid),
            false => Sight::of(Operation::Reveal, self.breaking()),
        }
    }

    /// Whether somewhere that the caller reads a phone is shown masked, or not at all.
    pub(crate) fn sees_phones_masked(&self) -> bool {
        let phones: Vec<&Field> = SCHEMA_1.containers.iter().flat_map(|container| container.fields).collect();
        let masks = |sight: Sight| {
            phones.iter().any(|field| field.kind == FieldKind::Phone && sight.manner(field) != Manner::Full)
        };
        // By offices, not grid by grid: of those that hold in a grid, the one that sees most counts.
        let reading = self.grants.iter().filter(|grant| grant.role.may(Operation::Read));
        let (masked, full): (Vec<&Grant>, Vec<&Grant>) =
            reading.partition(|grant| masks(Sight::of(Operation::Read, [grant.role])));
        let in_full = |grid: &ScopeId| full.iter().any(|grant| grant.gives(Operation::Read, *grid));
        matches!(self.by, Means::Key(_))
            || masked.iter().flat_map(|grant| grant.grids.iter()).any(|grid| !in_full(grid))
            || !self.broken.is_empty() && masks(Sight::of(Operation::BreakGlass, self.breaking()))
    }

    /// All that decides how the caller sees, spelled: the offices that hold, and what a key is for.
    pub(crate) fn rights(&self) -> String {
        let mut rights: Vec<String> =
            self.grants.iter().map(|grant| format!("{}:{}", grant.role.word(), grant.area.id)).collect();
        if let Means::Key(scopes) = &self.by {
            rights.extend(scopes.iter().map(|scope| format!("key:{}", scope.word())));
        }
        rights.sort_unstable();
        rights.dedup();
        rights.join(" ")
    }

    /// Whether the caller may know that a resident of a household has a citizen number.
    pub(crate) fn knows_number(&self, grid: ScopeId, household: HouseholdId) -> bool {
        let number = SCHEMA_1.container(RESIDENTS).and_then(|container| container.field(CITIZEN_NUMBER));
        number.is_some_and(|field| self.sight(grid, household).manner(field) != Manner::Withheld)
    }

    /// The break-glass entries under which the caller reads a household in a grid: none of what lies in the own areas.
    pub(crate) fn broken_for(&self, grid: ScopeId, household: HouseholdId) -> Vec<BreakGlassId> {
        if self.grants.iter().any(|grant| grant.gives(Operation::Read, grid)) {
            return Vec::new();
        }
        self.broken.iter().filter(|broken| broken.covers(grid, household)).map(|broken| broken.id).collect()
    }

    fn sight_by(&self, operation: Operation, grid: ScopeId) -> Sight {
        let there = self.grants.iter().filter(|grant| grant.gives(operation, grid));
        Sight::of(operation, there.map(|grant| grant.role))
    }

    /// The roles under which the glass can be broken.
    fn breaking(&self) -> impl Iterator<Item = Role> + '_ {
        self.grants.iter().map(|grant| grant.role).filter(|role| role.may(Operation::BreakGlass))
    }

    /// The grids in which the caller may read: none if no role of theirs permits it, or the key is not for it.
    pub(crate) fn may_read(&self) -> Reach {
        self.reading().unwrap_or_default()
    }

    /// The areas in which the caller may do what this request needs, each with all within it.
    pub(crate) fn precinct(&self) -> Precinct {
        self.grants.iter().filter(|grant| grant.role.may(self.needs)).map(|grant| grant.area.id).collect()
    }

    /// The session of this request.
    ///
    /// # Errors
    /// A problem for a machine client: it has none.
    pub(crate) fn session(&self) -> Result<SessionId, Problem> {
        match &self.by {
            Means::Session(session, _) => Ok(*session),
            Means::Key(_) => Err(Problem::new(Kind::Forbidden, Sentence::KeyIsNoSession)),
        }
    }

    /// Refuses an administrator in a session without a second factor everything but setting one up.
    fn must_be_no_administrator(&self) -> Result<(), Problem> {
        let administers = self.grants.iter().any(|grant| grant.role.may(Operation::Administer));
        if administers && self.needs != Operation::SetUpSecondFactor {
            return Err(Problem::new(Kind::SecondFactorNeeded, Sentence::SecondFactor));
        }
        Ok(())
    }

    /// Refuses a key that is not for this.
    fn must_have_key_for(&self, operation: Operation) -> Result<(), Problem> {
        match &self.by {
            Means::Key(scopes) if !scopes.contains(&operation) => {
                Err(Problem::new(Kind::Forbidden, Sentence::KeyNotFor(operation.word())))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a caller none of whose roles permits this anywhere.
    fn must_anywhere(&self, operation: Operation) -> Result<(), Problem> {
        let without_office = operation.permission().within == Within::Self_;
        if without_office || self.grants.iter().any(|grant| grant.role.may(operation)) {
            Ok(())
        } else {
            Err(Problem::new(Kind::Forbidden, Sentence::NoOffice))
        }
    }
}

/// What a body waits for before it is read: that its sender was let in. Whoever was not is refused meanwhile.
pub(crate) struct Admission(Option<oneshot::Receiver<()>>);

impl Admission {
    /// That of a request; of one that asks for no caller, nothing to wait for.
    pub(crate) fn of(request: &HttpRequest) -> Self {
        request.extensions_mut().remove().unwrap_or(Self(None))
    }

    /// Waits.
    pub(crate) async fn wait(self) {
        if let Some(let_in) = self.0 {
            // An error is a caller who was not let in, whose request is answered with that.
            let _ = let_in.await;
        }
    }
}

/// Marks a request that was counted.
struct Counted;

impl FromRequest for Caller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    /// The token is checked at the first poll, before anything of a body is read.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let now = clock::now();
        let came = State::of(request).map(|state| {
            let (stranger, credential) = (state.rates.stranger(request), credential(&state, request));
            (state, stranger, credential)
        });
        let has_token = request.headers().contains_key(AUTHORIZATION);
        let needs = request.match_pattern().and_then(|pattern| openapi::permission(request.method(), &pattern));
        let needs = needs
            .ok_or_else(|| Problem::internal(format!("{} does not say which permission it needs", request.path())));
        let (let_in, admission) = oneshot::channel();
        request.extensions_mut().insert(Admission(Some(admission)));
        let attempt = request.extensions().get::<Attempt>().copied();
        // A request with an idempotency key lets its caller in twice, and is counted once.
        let is_new = request.extensions_mut().insert(Counted).is_none();
        Box::pin(async move {
            let (state, stranger, credential) = came?;
            let admitted = async {
                let credential = credential?;
                // Whoever signed in is known by the token alone; what comes with a key is a key once the registry says so.
                if let (true, Credential::Session(session, _)) = (is_new, &credential) {
                    state.rates.count(Whose::Session(*session), now).await?;
                }
                let caller = Self::admit(&state, credential, needs, attempt, now).await?;
                if let (true, Means::Key(_)) = (is_new, &caller.by) {
                    state.rates.count(Whose::Keys(caller.staff), now).await?;
                }
                Ok::<_, Problem>(caller)
            };
            let caller = match admitted.await {
                Err(problem) if has_token && problem.status() == StatusCode::UNAUTHORIZED => {
                    return Err(state.rates.refuse(stranger, problem, now).await);
                }
                admitted => admitted?,
            };
            // There may be no body that waits.
            let _ = let_in.send(());
            Ok(caller)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwork_domain::area::Area;
    use gridwork_domain::division_code::DivisionCode;
    use gridwork_domain::id::AreaId;

    fn with(offices: &[(Role, &[u8])]) -> Caller {
        let grant = |(role, grids): &(Role, &[u8])| Grant {
            role: *role,
            area: Area {
                id: AreaId::from_bytes([0; 16]),
                parent: None,
                code: DivisionCode::parse("210404").expect("a code"),
                name: "望花区".to_owned(),
                aliases: Vec::new(),
                valid_from: "2020-01-01".to_owned(),
                valid_until: None,
                successor: None,
            },
            grids: grids.iter().map(|grid| ScopeId::from(AreaId::from_bytes([*grid; 16]))).collect(),
        };
        Caller {
            staff: StaffId::from_bytes([1; 16]),
            now: clock::now(),
            by: Means::Session(SessionId::from_bytes([2; 16]), false),
            needs: Operation::Read,
            attempt: None,
            grants: offices.iter().map(grant).collect(),
            broken: Vec::new(),
        }
    }

    #[test]
    fn a_phone_is_masked_where_no_office_shows_it_in_full() {
        let (agent, leader) = (Role::CallAgent, Role::GridLeader);
        for (offices, masked) in [
            (&[] as &[(Role, &[u8])], false),
            (&[(leader, &[1, 2])], false),
            (&[(agent, &[1, 2])], true),
            (&[(agent, &[])], false),
            (&[(agent, &[1, 2]), (leader, &[1])], true),
            (&[(agent, &[1, 2]), (leader, &[1]), (Role::CommunityWorker, &[2, 3])], false),
            (&[(Role::Auditor, &[1])], false),
        ] {
            assert_eq!(with(offices).sees_phones_masked(), masked, "{offices:?}");
        }
    }
}
