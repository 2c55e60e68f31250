//! Why a change was refused: the step, a word for programs, and a sentence for people.

use super::scan::{ScanError, Scanned};
use crate::document::ChangeHash;

/// What a change was refused for. Each code belongs to one step of the guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// Step 1: the raw bytes.
    Scan(ScanError),
    /// Step 2: the decoder refuses them, or panics.
    Undecodable,
    /// Step 2: another encoding of the same change.
    NotCanonical,
    /// Step 3: an epoch that the document does not have.
    Epoch,
    /// Step 3: who hands it in may not write here.
    NotEntitled,
    /// Step 3: the facts of a household that lives in another scope.
    WrongHome,
    /// Step 3: the genesis actor writes nothing but genesis.
    GenesisActor,
    /// Step 3: the actor belongs to another device or person.
    ActorNotOwned,
    /// Step 3: the actor has used this sequence number for another change.
    SequenceUsed,
    /// Step 3: dependencies that do not strictly ascend.
    DependenciesOrder,
    /// Step 3: no dependency, in a document that begins with a genesis.
    NoDependency,
    /// Step 3: the actor's own previous change is not among the dependencies.
    PreviousLeftOut,
    /// Step 3: it depends on a change that was refused.
    DependsOnQuarantined,
    /// Step 3: operations that are not numbered after all that it depends on.
    StartOp,
    /// Step 4: an operation that the grammar does not have.
    Operation,
    /// Step 4: an object that is not there, or that nobody writes into.
    Object,
    /// Step 4: a key that the object does not have.
    Key,
    /// Step 4: a value of another type, too long, or not in canonical form.
    Value,
    /// Step 4: predecessors other than the values visible at the change's own dependencies.
    Predecessors,
    /// Step 4: two writes to one key in one change.
    Twice,
    /// Step 4: a record that exists already; the edit is made again as puts of its fields.
    Exists,
    /// Step 4: bytes that are no fact of this document.
    Fact,
    /// Step 4: a fact of another year than its document, or of a year that is not kept.
    Year,
    /// Step 4: a correction of a fact that is not in the document.
    NothingToCorrect,
    /// Step 5: other bytes under the id of a fact that is known.
    FactForged,
    /// Step 5: it does not apply, save, load or read.
    Trial,
    /// Step 5: the document would grow beyond its bound.
    DocumentFull,
}

impl Code {
    /// The step of the guard that refuses with this code.
    pub const fn step(&self) -> u8 {
        match self {
            Self::Scan(_) => 1,
            Self::Undecodable | Self::NotCanonical => 2,
            Self::Epoch
            | Self::NotEntitled
            | Self::WrongHome
            | Self::GenesisActor
            | Self::ActorNotOwned
            | Self::SequenceUsed
            | Self::DependenciesOrder
            | Self::NoDependency
            | Self::PreviousLeftOut
            | Self::DependsOnQuarantined
            | Self::StartOp => 3,
            Self::Operation
            | Self::Object
            | Self::Key
            | Self::Value
            | Self::Predecessors
            | Self::Twice
            | Self::Exists
            | Self::Fact
            | Self::Year
            | Self::NothingToCorrect => 4,
            Self::FactForged | Self::Trial | Self::DocumentFull => 5,
        }
    }

    /// The word that devices and staff are told. It never changes.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Scan(error) => error.code(),
            Self::Undecodable => "undecodable",
            Self::NotCanonical => "not-canonical",
            Self::Epoch => "epoch",
            Self::NotEntitled => "not-entitled",
            Self::WrongHome => "wrong-home",
            Self::GenesisActor => "genesis-actor",
            Self::ActorNotOwned => "actor-not-owned",
            Self::SequenceUsed => "sequence-used",
            Self::DependenciesOrder => "dependencies-order",
            Self::NoDependency => "no-dependency",
            Self::PreviousLeftOut => "previous-left-out",
            Self::DependsOnQuarantined => "depends-on-quarantined",
            Self::StartOp => "start-op",
            Self::Operation => "operation",
            Self::Object => "object",
            Self::Key => "key",
            Self::Value => "value",
            Self::Predecessors => "predecessors",
            Self::Twice => "twice",
            Self::Exists => "exists",
            Self::Fact => "fact",
            Self::Year => "year",
            Self::NothingToCorrect => "nothing-to-correct",
            Self::FactForged => "fact-forged",
            Self::Trial => "trial",
            Self::DocumentFull => "document-full",
        }
    }
}

/// A change that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {} refused the change ({}): {detail}", .code.step(), .code.word())]
pub struct Refusal {
    /// What for.
    pub code: Code,
    /// A sentence for people.
    pub detail: String,
    /// The change's hash, if the scan got so far; else the bytes are all that is known.
    pub hash: Option<ChangeHash>,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), hash: None }
    }

    pub(crate) fn about(self, scanned: &Scanned) -> Self {
        Self { hash: Some(ChangeHash(scanned.hash)), ..self }
    }
}
