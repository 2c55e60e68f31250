//! Importing a roster 花名册: households and residents from a file, all of it or nothing.
//!
//! A file is in memory from the socket to the edits that are made of it, and on no disk: neither the body nor the table is
//! spooled, and citizen numbers are sealed before the first edit is written.
//!
//! **Invariant:** a file with a problem changes nothing; a file that was imported already adds nobody; what stands in a
//! file is in no log.

use crate::body;
use crate::caller::Caller;
use crate::edit;
use crate::gate::{Held, Turn, holding};
use crate::limits::MOST_FIELD_ERRORS;
use crate::problem::{FieldProblem, Kind, Problem, Sentence};
use crate::request_parts::Filter;
use crate::shown::showing;
use crate::state::State;
use crate::table_file::{self, TableFile};
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, post};
use gridwork_domain::division_code::{DivisionCode, DivisionLevel};
use gridwork_domain::id::{AreaId, ScopeId};
use gridwork_domain::language::Bilingual;
use gridwork_domain::schema::{DWELLING, RESIDENTS};
use gridwork_registry::{EditError, Import, Imported, Reach, Subject};
use gridwork_roster::{Finding, Language, Mapping, Registered, Roster, limits};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use utoipa::{IntoParams, ToSchema};

/// How a file is imported.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ImportQuery {
    /// Whether it is imported. Otherwise it is only tried: everything is checked and told, and nothing is changed.
    #[param(default = false)]
    apply: Option<bool>,
    /// The grid of households whose rows name none.
    #[param(value_type = Option<String>)]
    grid: Option<AreaId>,
    /// Which column is which, where its header does not say so: a JSON object from headers to `household`, `grid`, `head`,
    /// `address`, `building`, `unit`, `floor`, `door`, `name`, `relation`, `sex`, `birth_date`, `citizen_number`, `phone` and
    /// the other fields; null leaves a column out.
    #[param(example = "{\"居民名字\": \"name\"}", max_length = 2048)]
    mapping: Option<String>,
}

/// What a file says, or what was imported of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportReport)]
pub(crate) struct ImportReport {
    /// Whether it was imported; false if it was only tried.
    imported: bool,
    /// Households that are new.
    households: usize,
    /// Residents of new households.
    residents: usize,
    /// Households that are registered already; they are left as they are.
    already_registered: usize,
    /// Problems in all. With one, nothing is imported.
    problems_found: usize,
    /// The first 1,000 of them, by row and column.
    problems: Vec<FindingBody>,
    /// Warnings in all.
    warnings_found: usize,
    /// The first 1,000 of them, by row and column.
    warnings: Vec<FindingBody>,
}

/// Something in a file that is wrong or strange.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportFinding)]
pub(crate) struct FindingBody {
    /// The row, as the spreadsheet counts it.
    #[schema(example = 5)]
    row: u32,
    /// The column's letters; empty if it is about the whole row.
    #[schema(example = "C")]
    column: String,
    /// The column's header in the file.
    #[schema(example = "性别")]
    header: String,
    /// Which rule it breaks: stable, for programs.
    #[schema(example = "not_one_of")]
    code: &'static str,
    /// What is wrong, and what to do, in the language of `Accept-Language`.
    #[schema(example = "不认识：请填写 男 女")]
    message: String,
}

/// Import a roster
///
/// Households and residents from an XLSX or CSV file (UTF-8, GB18030 or UTF-16), a resident in each row, below a row of
/// headers in Chinese or English. Rows belong to one household if they have the same 户编号, or else the same address and
/// head. Without `apply` the file is only tried, and all problems are told by row and column, in Chinese or English. With
/// it, all of the file is imported, or nothing. Citizen numbers (身份证号) are checked and kept sealed. Households that are registered already are left as they are, so that the
/// same file twice adds nobody.
#[utoipa::path(
    operation_id = "importRoster",
    tag = "tables",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("edit_household"))),
    params(
        ImportQuery,
        ("Accept-Language" = Option<String>, Header, description = "The language of messages: `zh` or `en`.")
    ),
    request_body(
        content(
            (TableFile = "text/csv"),
            (TableFile = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        ),
        description = "The file, at most 16 MiB and 100,000 rows."
    ),
    responses(
        (
            status = 200,
            description = "What the file says, or what was imported of it.",
            body = ImportReport,
            headers(("Content-Language" = String, description = "The language of the messages."))
        ),
        (status = 409, description = "The same file is being imported by somebody else: try it again.")
    )
)]
#[post("/v1/imports")]
pub(crate) async fn import(
    caller: Caller,
    query: Filter<ImportQuery>,
    request: HttpRequest,
    payload: web::Payload,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let ImportQuery { apply, grid, mapping } = query.0;
    let language = table_file::language(&request);
    let reach = caller.reach();
    let home = grid.map(ScopeId::from);
    if home.is_some_and(|home| !reach.contains(home)) {
        return Err(Problem::field("grid", Sentence::NotYourGrid));
    }
    let mapping = mapping.map(|text| Mapping::parse(&text)).transpose();
    let mapping = mapping
        .map_err(|error| Problem::field("mapping", Bilingual::of(|language| error.message(language))))?
        .unwrap_or_default();
    table_file::check_type(&request)?;
    let length = body::length(request.headers(), limits::LARGEST_FILE_BYTES)?;
    let held = state.import_memory.take(length.unwrap_or(limits::LARGEST_FILE_BYTES))?;
    let file = body::read(payload.into_inner(), limits::LARGEST_FILE_BYTES).await?;
    let turn = state.imports.enter().await?;
    let read = Reading { caller: &caller, reach: &reach, home, mapping };
    let (roster, _guards) = read.roster(file, (held, turn), &state).await?;
    let apply = apply.unwrap_or(false);
    let report = ImportReport::new(&roster, apply, language);
    if apply {
        keep(&caller, roster, &report, &state).await?;
    }
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_LANGUAGE, language.tag())).json(report))
}

/// How a file is read.
struct Reading<'c> {
    caller: &'c Caller,
    reach: &'c Reach,
    home: Option<ScopeId>,
    mapping: Mapping,
}

impl Reading<'_> {
    /// What the file says, beside what the registry has.
    async fn roster(self, file: Bytes, guards: (Held, Turn), state: &State) -> Result<(Roster, (Held, Turn)), Problem> {
        let today = self.caller.now.date_in_shanghai().ok_or_else(|| Problem::internal("the clock shows no date"))?;
        let (mapping, home) = (self.mapping, self.home);
        let secret = state.registry.roster_secret()?;
        let read = move || gridwork_roster::read(&file, &mapping, today, &secret);
        let (read, mut guards) = holding(guards, read).await?;
        let mut roster =
            read.map_err(|error| Problem::new(Kind::Invalid, Bilingual::of(|language| error.message(language))))?;
        let areas = state.registry.areas(self.reach, None).await?.into_iter().map(|view| view.area);
        let grids = areas.filter(|area| area.code.level() == DivisionLevel::Grid);
        let grids: BTreeMap<DivisionCode, ScopeId> = grids.map(|area| (area.code, ScopeId::from(area.id))).collect();
        roster.settle(&grids, home);
        for grid in roster.homes() {
            let there = state.registry.dwellings(self.reach, grid).await?.into_iter();
            let there: Vec<Registered> =
                there.map(|one| Registered { id: one.household, dwelling: one.dwelling, names: one.names }).collect();
            let compare = move || {
                let told = roster.compare(grid, &there);
                (roster, told)
            };
            let ((compared, told), kept) = holding(guards, compare).await?;
            (roster, guards) = (compared, kept);
            let subject = |household| Subject { scope: grid, household, resident: None };
            let persons: BTreeSet<_> = told.iter().copied().map(subject).collect();
            let shown = showing(self.caller, &[RESIDENTS, DWELLING], &persons, told.len());
            state.registry.note_shown(self.caller.staff, persons, shown, self.caller.now).await?;
        }
        Ok((roster, guards))
    }
}

/// Registers everybody who is new, in one transaction.
async fn keep(caller: &Caller, roster: Roster, report: &ImportReport, state: &State) -> Result<(), Problem> {
    if roster.findings.problems_found > 0 {
        return Err(refused(&roster));
    }
    let (by, now, registry) = (caller.staff, caller.now, state.registry.clone());
    let (edits, ()) = holding((), move || roster.edits(now, |number| registry.seal_number(number))).await?;
    let edits = edits?.into_iter().map(|(home, edit)| Import { by, edit, home: Some(home) });
    let edits: Vec<Import> = edits.collect();
    if edits.is_empty() {
        return Ok(());
    }
    let answer = edit::json(StatusCode::OK, report);
    let answer = caller.keep(move |_: &Imported| answer.clone());
    match state.registry.import(edits, now, answer).await {
        Ok(_) => Ok(()),
        Err(error) => Err(match error.source {
            EditError::Exists => Problem::new(Kind::Conflict, Sentence::SameFile),
            other => other.into(),
        }),
    }
}

/// A file that was to be imported and has problems: nothing of it is kept.
fn refused(roster: &Roster) -> Problem {
    let field = |one: &Finding| FieldProblem {
        field: Bilingual::of(|language| one.place_in_words(language)),
        detail: Bilingual::of(|language| one.reason.message(language)),
    };
    Problem::fields(roster.findings.problems.iter().take(MOST_FIELD_ERRORS).map(field).collect())
}

impl ImportReport {
    fn new(roster: &Roster, imported: bool, language: Language) -> Self {
        let body = |finding: &Finding| FindingBody {
            row: finding.place.row,
            column: finding.place.column.clone(),
            header: finding.place.header.clone(),
            code: finding.reason.code(),
            message: finding.reason.message(language),
        };
        let findings = &roster.findings;
        Self {
            imported,
            households: roster.new_families().count(),
            residents: roster.new_families().map(|family| family.persons.len()).sum(),
            already_registered: roster.families.iter().filter(|family| family.registered).count(),
            problems_found: findings.problems_found,
            problems: findings.problems.iter().map(body).collect(),
            warnings_found: findings.warnings_found,
            warnings: findings.warnings.iter().map(body).collect(),
        }
    }
}
