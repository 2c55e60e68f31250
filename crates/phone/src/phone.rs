//! A phone: one person's replica on one disk.

use crate::dump::Dump;
use crate::identity::{Grid, Identity};
use crate::store::{Store, StoreError};
use crate::surroundings::Surroundings;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::fields::Value;
use gridwork_domain::id::{EditId, HouseholdId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::SCHEMA_1;
use gridwork_sync::document::ChangeHash;
use gridwork_sync::replica::{
    self, Effect, Event, KnownFact, KnownHousehold, Owner, Pending, Replica, Status, Summary,
};
use std::path::Path;

/// A phone with its store open. All calls block; one phone belongs to one thread at a time.
pub struct Phone {
    // The store is dropped first: it is closed whatever the surroundings do.
    pub(crate) store: Store,
    pub(crate) replica: Replica,
    /// Whether the replica may hold what was never saved, and is to be read again before anything else.
    pub(crate) stale: bool,
    pub(crate) identity: Identity,
    pub(crate) grids: Vec<Grid>,
    pub(crate) surroundings: Surroundings,
    pub(crate) wake_at: Option<Instant>,
}

/// Why a store is not opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// No enrolment has been finished in this folder.
    #[error("there is no enrolled phone in this folder: enrol it first")]
    NotEnrolled,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an edit is not saved.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotSaved {
    /// There is no room on the disk.
    #[error("not saved: the disk is full")]
    Full,
    /// The edit does not fit; nothing is wrong with the phone.
    #[error("not saved: {0}")]
    Refused(#[source] replica::NotSaved),
    /// The store failed. Recording the same edit again is safe: it is kept once.
    #[error("not saved")]
    Store(#[source] StoreError),
}

/// The server's key is not on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the phone has no key yet to seal citizen numbers with: sync once, then record it")]
pub struct NoSealingKey;

impl From<StoreError> for NotSaved {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            other => Self::Store(other),
        }
    }
}

impl Phone {
    /// Opens the phone in this folder.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(folder: &Path) -> Result<Self, OpenError> {
        Self::open_with(folder, Surroundings::default())
    }

    /// Opens the phone in this folder with another clock, network or reserve than the usual ones.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_with(folder: &Path, surroundings: Surroundings) -> Result<Self, OpenError> {
        if !folder.join("store.sqlite").exists() {
            return Err(OpenError::NotEnrolled);
        }
        Self::of_store(Store::open(folder, surroundings.reserve_bytes)?, surroundings)
    }

    pub(crate) fn of_store(mut store: Store, surroundings: Surroundings) -> Result<Self, OpenError> {
        let identity = store.identity()?.ok_or(OpenError::NotEnrolled)?;
        let (owner, _) = identity.enrolled.clone().ok_or(OpenError::NotEnrolled)?;
        let grids = store.grids()?;
        let replica = Replica::new(&SCHEMA_1, owner, store.rows()?);
        Ok(Self { store, replica, stale: false, identity, grids, surroundings, wake_at: None })
    }

    /// The server that the phone talks to.
    pub fn server(&self) -> &str {
        &self.identity.server
    }

    /// Talks to another address from now on: `http://host:port` or `https://host`, without a path.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn set_server(&mut self, url: &str) -> Result<(), StoreError> {
        let changed = Identity { server: url.trim_end_matches('/').to_owned(), ..self.identity.clone() };
        self.store.save_identity(&changed, &[])?;
        self.identity = changed;
        Ok(())
    }

    /// Whose phone it is.
    pub fn owner(&self) -> &Owner {
        self.replica.owner()
    }

    /// The grids for which it is enrolled, by code.
    pub fn grids(&self) -> &[Grid] {
        &self.grids
    }

    /// The device's clock, right or wrong.
    pub fn now(&self) -> Instant {
        (self.surroundings.clock)()
    }

    /// Ten random bytes, for the id of something new.
    pub fn random(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.surroundings.entropy.fill(&mut bytes);
        bytes
    }

    /// Seals a citizen number, for the field `citizen_number` of a resident: from here on only the registry can read it, and
    /// the phone shows that there is one. The number itself is kept nowhere.
    ///
    /// # Errors
    /// [`NoSealingKey`] if the server has not told its key yet.
    pub fn seal(&mut self, number: &CitizenNumber) -> Result<Value, NoSealingKey> {
        let key = self.identity.sealing_key.ok_or(NoSealingKey)?;
        let mut random = [0; 32];
        self.surroundings.entropy.fill(&mut random);
        Ok(Value::Text(key.seal(number, random).to_string()))
    }

    /// An edit made now.
    pub fn edit(&mut self, household: HouseholdId, action: Action) -> Edit {
        let (at, random) = (self.now(), self.random());
        Edit { id: EditId::new(at, random), at, household, action }
    }

    /// Saves an edit. When this returns, it is on the disk.
    ///
    /// `seen` are the heads of the household that the person saw when filling in the form; `None` says that it was as it
    /// stands. Facts need none. `home` is the grid in which a new household begins; by default the phone's first.
    /// Saving the same edit again saves it once.
    ///
    /// # Errors
    /// [`NotSaved`]; then everything is as it was before.
    pub fn record(&mut self, edit: Edit, seen: Option<&[ChangeHash]>, home: Option<ScopeId>) -> Result<(), NotSaved> {
        self.refresh()?;
        if !self.store.hold_reserve() {
            return Err(NotSaved::Full);
        }
        let first = self.grids.first().map(|grid| grid.scope);
        let home = home.or(first).unwrap_or_else(|| self.owner().staff.into());
        let event = Event::Record { edit: Box::new(edit), seen: seen.map(<[ChangeHash]>::to_vec), home };
        for effect in self.handle(event) {
            match effect {
                Effect::Save(rows) => self.save(&rows)?,
                Effect::NotSaved(_, reason) => return Err(NotSaved::Refused(reason)),
                _ => {}
            }
        }
        Ok(())
    }

    /// All households, in the order of their ids.
    pub fn households(&self) -> Vec<Summary> {
        self.replica.households()
    }

    /// One household; `None` if it is not on the phone or cannot be read.
    pub fn household(&self, id: HouseholdId) -> Option<KnownHousehold> {
        self.replica.household(id)
    }

    /// Visits and notes of a household, newest first, with their corrections.
    pub fn visits(&self, household: HouseholdId) -> Vec<KnownFact> {
        self.replica.visits(household)
    }

    /// Households of which a name, a telephone number or the address contains this text.
    pub fn search(&self, text: &str) -> Vec<Summary> {
        self.replica.search(text)
    }

    /// Edits that the registry does not have yet, and those that it refused.
    pub fn outbox(&self) -> impl Iterator<Item = &Pending> {
        self.replica.outbox()
    }

    /// How the phone stands.
    pub fn status(&self) -> Status {
        self.replica.status()
    }

    /// Whether there is no room for new work: what was recorded before is still handed in.
    pub fn is_full(&self) -> bool {
        !self.store.hold_reserve()
    }

    /// All records, in a form that is the same on every phone that holds the same.
    pub fn dump(&self) -> Dump {
        Dump::of(&self.replica)
    }

    pub(crate) fn handle(&mut self, event: Event) -> Vec<Effect> {
        let now = self.now();
        self.replica.handle(now, self.surroundings.entropy.as_mut(), event)
    }

    /// Saves rows; if that fails, the replica is made again from what is on the disk.
    pub(crate) fn save(&mut self, rows: &[replica::Row]) -> Result<(), StoreError> {
        let saved = self.store.save(rows);
        if saved.is_err() {
            self.stale = true;
            // If the disk cannot even be read, the next call tries again before it does anything.
            let _ = self.refresh();
        }
        saved
    }

    /// Makes the replica again from the disk if it may differ from it.
    pub(crate) fn refresh(&mut self) -> Result<(), StoreError> {
        if self.stale {
            let owner = self.replica.owner().clone();
            self.replica = Replica::new(&SCHEMA_1, owner.clone(), []);
            self.replica = Replica::new(&SCHEMA_1, owner, self.store.rows()?);
            self.stale = false;
        }
        Ok(())
    }
}
