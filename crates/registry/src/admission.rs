//! Who comes with what credential, and what that gives: looked at anew with every request, by few statements and no
//! transaction around them, as every request waits for it.
//!
//! **Invariant:** nothing about who may come in is remembered between requests, so that a session or key that was ended, an
//! office, or what an emergency gave, gives nothing from then on, on whichever node the next request arrives.

use crate::api_key::find_key;
use crate::area_tree::{Grant, areas_version, grants};
use crate::break_glass::{BrokenGlass, in_force};
use crate::database::StoreError;
use crate::entitlement::assignments_of;
use crate::registry::Registry;
use crate::session::find_assignments;
use gridwork_domain::id::{SessionId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::permission::Operation;

/// With what somebody comes.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access token, which was found to be of this installation: it names a session and whose it is.
    Session(SessionId, StaffId),
    /// The key of a machine client.
    Key(String),
}

/// Somebody who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub staff: StaffId,
    /// How.
    pub by: Means,
    /// What the offices give that they hold now.
    pub grants: Vec<Grant>,
    /// What they read beyond that in an emergency: nothing for a machine client, or without an office that permits it.
    pub broken: Vec<BrokenGlass>,
}

/// By what somebody came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// In this session, and whether a second factor was shown in it.
    Session(SessionId, bool),
    /// With a key for these operations.
    Key(Vec<Operation>),
}

impl Registry {
    /// Who comes with a credential; `None` if it is good for nothing, or for nothing any more.
    ///
    /// # Errors
    /// As the store says.
    pub async fn admit(&self, credential: Credential, now: Instant) -> Result<Option<Admitted>, StoreError> {
        let areas = self.areas.clone();
        self.database
            .look_up(move |connection| {
                let (staff, by, held, version) = match &credential {
                    Credential::Session(session, staff) => {
                        let found = find_assignments(connection, *session, *staff, now)?;
                        let Some((second_factor, held, version)) = found else { return Ok(None) };
                        (*staff, Means::Session(*session, second_factor), held, version)
                    }
                    Credential::Key(key) => {
                        let Some((staff, scopes)) = find_key(connection, key, now)? else { return Ok(None) };
                        let version = areas_version(connection)?;
                        (staff, Means::Key(scopes), assignments_of(connection, staff)?, version)
                    }
                };
                let tree = areas.tree_of(connection, version)?;
                let grants = grants(&tree, held, now);
                let may_break = grants.iter().any(|grant| grant.role.may(Operation::BreakGlass));
                let broken = match by {
                    Means::Session(..) if may_break => in_force(connection, &tree, staff, now)?,
                    _ => Vec::new(),
                };
                Ok(Some(Admitted { staff, by, grants, broken }))
            })
            .await
    }
}
