//! The central registry: change log, feed, projection and queries, on Diesel.
//!
//! The log of changes is the truth; rows that can be queried are its projection, written in the same transaction. It
//! knows neither HTTP nor who is signed in: callers say who they are and get what that person may have.
//!
//! **Invariants:** one writer; what was answered is durable; each position of a scope's feed is exactly one change, and
//! positions appear only in order; [`verify()`] can rebuild every projected row from the log.

mod administration;
mod admission;
mod answer_view;
mod api_key;
mod area_change;
mod area_tree;
mod audit;
mod backlog;
mod break_glass;
mod database;
mod decision;
mod device;
mod editing;
mod enrolment;
mod entitlement;
mod entropy;
mod exchange;
mod feed_lock;
mod figures;
mod held;
mod household_merge;
mod idempotency;
mod judge_view;
mod label;
mod lag;
mod ledger;
mod log;
mod merge;
mod news;
mod nonce;
mod origin;
mod personnel;
mod precinct;
mod progress;
mod projection;
mod query;
mod refused;
mod registry;
mod reveal;
mod sealing;
mod second_factor;
mod session;
mod settings;
mod sign_in;
mod snapshot;
mod tables;
#[cfg(test)]
mod tests;
mod verify;
mod watcher;
mod yardstick;

pub use administration::{AdministerError, Administration, SHORTEST_PASSWORD};
pub use admission::{Admitted, Credential, Means};
pub use api_key::{ApiKeyError, ApiKeyView, KEY_PREFIX, LONGEST_KEY_MS, NewApiKey};
pub use area_change::AreaChange;
pub use area_tree::{Grant, Reach};
pub use audit::{
    AuditFilter, AuditFinding, AuditReport, AuditView, Head, NotAHead, Oversight, Sealer, Showing, Subject, audit_head,
    verify_audit,
};
pub use backlog::{Backlog, MOST_COUNTED, Waiters};
pub use break_glass::{BreakGlassError, BreakGlassView, BrokenGlass, Place, Review, Verdict};
pub use database::{StoreError, TemporaryDatabase};
pub use decision::{Decided, DecisionError, Released};
pub use device::DeviceView;
pub use editing::{EditError, Edited, Import, ImportError, Imported};
pub use enrolment::{EnrolError, Enrolled, EnrolmentCode};
pub use exchange::ExchangeError;
pub use figures::Figures;
pub use household_merge::{MergeError, MergeHouseholds, MergedHouseholds};
pub use idempotency::{Attempt, Attempted, KEPT_MS, Keep, KeptAnswer, LARGEST_KEPT_ANSWER, Viewer};
pub use lag::{LAG_BOUNDS_S, Lags};
pub use news::Moved;
pub use nonce::Nonce;
pub use origin::Origin;
pub use precinct::Precinct;
pub use query::{
    AreaDetail, AreaFilter, AreaOffice, AreaView, ConflictView, Cursor, DismissError, DuplicateKind, DuplicateView,
    DwellingView, FactView, FindError, HouseholdFilter, HouseholdSummary, HouseholdView, KeptDetail, KeptState,
    KeptView, Lookalike, MOST_ROWS, Merging, NotACursor, OfficeView, Page, Pair, Person, ReadError, ResidentFilter,
    ResidentView, SearchFilter, SearchHit, StaffView, VisitView, WatchedDevice,
};
pub use registry::Registry;
pub use reveal::{MOST_REVEALED, RevealError, Revealing};
pub use second_factor::{NewSecret, SecondFactorError};
pub use session::{Begun, Refreshed, SessionView};
pub use settings::{OpenError, Settings};
pub use sign_in::{SignIn, SignedIn};
pub use verify::{Difference, VerifyError, VerifyReport, verify};
pub use watcher::Watcher;
pub use yardstick::Yardstick;
