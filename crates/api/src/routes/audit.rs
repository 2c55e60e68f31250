//! The audit log: who read or wrote about whom, why and from where.

use crate::caller::Caller;
use crate::problem::Problem;
use crate::request_parts::{Filter, page};
use crate::state::State;
use crate::view::Person;
use actix_web::{get, web};
use gridwork_domain::id::{HouseholdId, ResidentId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_registry::{AuditFilter, AuditView, Subject};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Which audit rows.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditQuery {
    /// Only those about this resident, or about a household of theirs as a whole.
    #[param(value_type = Option<String>)]
    resident: Option<ResidentId>,
    /// Only those about this household or any of its residents.
    #[param(value_type = Option<String>)]
    household: Option<HouseholdId>,
    /// Only what this member of staff did, at a desk or with a phone.
    #[param(value_type = Option<String>)]
    staff: Option<StaffId>,
    /// Only from this instant on: milliseconds since 1970-01-01 UTC.
    from: Option<i64>,
    /// Only before this instant.
    until: Option<i64>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A page of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPage {
    /// The latest first.
    items: Vec<AuditBody>,
    /// What to send as `after` for the next page; null on the last.
    #[schema(required = true)]
    next: Option<String>,
}

/// A row of the audit log, sealed into its chain.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRow)]
pub(crate) struct AuditBody {
    /// Its place in the chain, counted from 1.
    position: u64,
    /// Its hash in the chain: 64 hexadecimal digits.
    hash: String,
    /// Its id.
    id: String,
    /// When: milliseconds since 1970-01-01 UTC.
    at_ms: i64,
    /// Who; null when the installation was set up, or for what the registry did by itself.
    #[schema(required = true)]
    by: Option<Person>,
    /// With which device; null at a desk.
    #[schema(required = true)]
    device: Option<String>,
    /// What: `read`, `edit`, `sync` (a phone's changes), `pull` (what a phone was sent), `import`, `read-audit`, or what was
    /// administered.
    #[schema(example = "read")]
    action: String,
    /// What it was done to, if that is no person: the change of an edit, a member of staff, an area.
    #[schema(required = true, pattern = "^[A-Za-z0-9_-]{1,64}$")]
    subject: Option<String>,
    /// Whom it is about, as far as they are in your areas.
    persons: Vec<AuditPerson>,
    /// Names of fields or their containers, and counts; never a value.
    #[schema(value_type = Object)]
    detail: serde_json::Value,
    /// Why, in the words of whoever did it.
    #[schema(required = true, example = "回访")]
    reason: Option<String>,
    /// From which address; after `for`, whom a proxy says to have asked for.
    #[schema(required = true, example = "10.0.0.5")]
    source: Option<String>,
    /// The id of the request, under which the server's log has it.
    #[schema(required = true)]
    request: Option<String>,
}

/// Whom a row of the audit log is about.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditPerson {
    /// The grid in which the household was then.
    grid: String,
    /// The household.
    household: String,
    /// The resident; null for the household as a whole.
    #[schema(required = true)]
    resident: Option<String>,
}

/// Read the audit log
///
/// For auditors and data protection officers, within their areas: who read or wrote about a person, and what a member of
/// staff did, the latest first. A row appears within a second, sealed into the chain that `gridwork audit verify` walks.
/// Reading the log is noted in it.
#[utoipa::path(
    operation_id = "listAudit",
    tag = "audit",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read_audit"))),
    params(AuditQuery),
    responses((status = 200, description = "A page of the audit log.", body = AuditPage))
)]
#[get("/v1/audit")]
pub(crate) async fn list(
    caller: Caller,
    query: Filter<AuditQuery>,
    state: web::Data<State>,
) -> Result<web::Json<AuditPage>, Problem> {
    let AuditQuery { resident, household, staff, from, until, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let [from, until] = [from, until].map(|ms| ms.map(Instant::from_ms));
    let filter = AuditFilter { resident, household, staff, from, until };
    let oversight = state.registry.oversight(caller.precinct(), caller.reach()).await?;
    let found = state.registry.audit(oversight, filter.clone(), after, limit).await?;
    state.registry.note_audit_read(caller.staff, &filter, found.items.len(), caller.now).await?;
    let next = found.next.map(|cursor| cursor.to_string());
    Ok(web::Json(AuditPage { items: found.items.into_iter().map(Into::into).collect(), next }))
}

impl From<AuditView> for AuditBody {
    fn from(view: AuditView) -> Self {
        let head = view.head.to_string();
        Self {
            position: view.head.position,
            hash: head.split_once(':').map(|(_, hash)| hash.to_owned()).unwrap_or_default(),
            id: view.id,
            at_ms: view.at.ms(),
            by: view.by.map(Into::into),
            device: view.device.map(|device| device.to_string()),
            action: view.action,
            subject: view.subject,
            persons: view.persons.into_iter().map(Into::into).collect(),
            detail: serde_json::from_str(&view.detail).unwrap_or(serde_json::Value::String(view.detail)),
            reason: view.reason,
            source: view.source,
            request: view.request,
        }
    }
}

impl From<Subject> for AuditPerson {
    fn from(subject: Subject) -> Self {
        Self {
            grid: subject.scope.to_string(),
            household: subject.household.to_string(),
            resident: subject.resident.map(|resident| resident.to_string()),
        }
    }
}
