//! Who comes with what credential, and what that gives: looked at anew with every request, in one read transaction.
//!
//! **Invariant:** nothing about who may come in is remembered between requests, so that a session that was ended, or an
//! office, gives nothing from then on, on whichever node the next request arrives.

use crate::area_tree::{Grant, grants_of};
use crate::database::StoreError;
use crate::registry::Registry;
use crate::session::is_live;
use gridwork_domain::id::{SessionId, StaffId};
use gridwork_domain::instant::Instant;

/// With what somebody comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access token, which was found to be of this installation: it names a session and whose it is.
    Session(SessionId, StaffId),
}

/// Somebody who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub staff: StaffId,
    /// In which session.
    pub session: SessionId,
    /// What the offices give that they hold now.
    pub grants: Vec<Grant>,
}

impl Registry {
    /// Who comes with a credential; `None` if it is good for nothing, or for nothing any more.
    ///
    /// # Errors
    /// As the store says.
    pub async fn admit(&self, credential: Credential, now: Instant) -> Result<Option<Admitted>, StoreError> {
        let areas = self.areas.clone();
        self.database
            .read(move |connection| {
                let Credential::Session(session, staff) = credential;
                if !is_live(connection, session, staff, now)? {
                    return Ok(None);
                }
                let tree = areas.tree(connection)?;
                let grants = grants_of(connection, &tree, staff, now)?;
                Ok(Some(Admitted { staff, session, grants }))
            })
            .await
    }
}
