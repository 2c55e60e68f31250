//! The rows of a list, a page at a time.
//!
//! **Invariant:** every page is read anew, within what the caller could read by office when the list was begun and still
//! can, for a caller who would still be let in; masked and noted in the audit log like a page that is read at a desk.

use crate::caller::Caller;
use crate::clock;
use crate::limits::LONGEST_EXPORT_MS;
use crate::problem::Problem;
use crate::shown::{AboutPersons, Shown};
use crate::state::State;
use actix_web::web;
use gridwork_domain::division_code::DivisionLevel;
use gridwork_domain::fields::Record;
use gridwork_domain::id::{AreaId, HouseholdId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::permission::Operation;
use gridwork_registry::{
    Credential, Cursor, HouseholdFilter, HouseholdSummary, MOST_ROWS, Origin, Page, Reach, ResidentFilter,
    ResidentView, VisitView,
};
use gridwork_roster::{Entry, Language, list};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    Households,
    Residents,
    Visits,
}

impl List {
    /// Its name in the name of a file.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Households => "households",
            Self::Residents => "residents",
            Self::Visits => "visits",
        }
    }
}

/// A list that is being read.
pub(crate) struct Lines {
    list: List,
    caller: Caller,
    credential: Credential,
    origin: Arc<Origin>,
    begun: Instant,
    reach: Reach,
    area: Option<AreaId>,
    language: Language,
    grids: BTreeMap<ScopeId, (String, String)>,
    state: web::Data<State>,
}

type Households = BTreeMap<HouseholdId, HouseholdSummary>;

impl Lines {
    /// A list of what lies within reach, and in the area if one is named.
    ///
    /// # Errors
    /// As the registry says.
    pub(crate) async fn new(
        list: List,
        (caller, credential): (Caller, Credential),
        area: Option<AreaId>,
        language: Language,
        state: web::Data<State>,
    ) -> Result<Self, Problem> {
        let reach = caller.own_reach();
        let areas = state.registry.areas(&reach, None).await?.into_iter().map(|view| view.area);
        let grids = areas.filter(|area| area.code.level() == DivisionLevel::Grid);
        let grids = grids.map(|area| (ScopeId::from(area.id), (area.code.to_string(), area.name))).collect();
        let (begun, origin) = (caller.now, Origin::current());
        Ok(Self { list, caller, credential, origin, begun, reach, area, language, grids, state })
    }

    /// What stands above the rows.
    pub(crate) fn headers(&self) -> Vec<Entry> {
        match self.list {
            List::Households => list::household_headers(self.language),
            List::Residents => list::resident_headers(self.language),
            List::Visits => list::visit_headers(self.language),
        }
    }

    /// The name of the sheet.
    pub(crate) fn title(&self) -> &'static str {
        match self.list {
            List::Households => self.language.pick("住户", "households"),
            List::Residents => self.language.pick("居民", "residents"),
            List::Visits => self.language.pick("走访", "visits"),
        }
    }

    /// The rows after a cursor, and where the next ones begin.
    ///
    /// # Errors
    /// As the registry says.
    pub(crate) async fn page(&mut self, after: Option<Cursor>) -> Result<(Vec<Vec<Entry>>, Option<Cursor>), Problem> {
        let now = clock::now();
        if now > self.begun.plus_ms(LONGEST_EXPORT_MS) {
            return Err(Problem::internal("who asked for a list took too long to read it"));
        }
        self.caller = Caller::admit(&self.state, self.credential.clone(), Ok(Operation::Read), None, now).await?;
        let now = self.caller.own_reach();
        self.reach = self.reach.scopes().filter(|grid| now.contains(*grid)).collect();
        let origin = (*self.origin).clone();
        origin.scope(self.rows(after)).await
    }

    async fn rows(&self, after: Option<Cursor>) -> Result<(Vec<Vec<Entry>>, Option<Cursor>), Problem> {
        let registry = &self.state.registry;
        match self.list {
            List::Households => {
                let filter = HouseholdFilter { area: self.area, ..HouseholdFilter::default() };
                let page = registry.households(&self.reach, filter, after, MOST_ROWS).await?;
                let Page { items, next } = self.shown(page).await?;
                Ok((items.iter().map(|one| self.household(one)).collect(), next))
            }
            List::Residents => {
                let filter = ResidentFilter { area: self.area, ..ResidentFilter::default() };
                let page = registry.residents(&self.reach, filter, after, MOST_ROWS).await?;
                let homes = self.homes(page.items.iter().map(|one| one.household)).await?;
                let (Page { items, next }, homes) = self.shown((page, homes)).await?;
                Ok((items.iter().map(|one| self.resident(one, &homes)).collect(), next))
            }
            List::Visits => {
                let page = registry.visits_within(&self.reach, self.area, after, MOST_ROWS).await?;
                let homes = self.homes(page.items.iter().map(|one| one.fact.fact.household)).await?;
                let (Page { items, next }, homes) = self.shown((page, homes)).await?;
                Ok((items.iter().map(|one| self.visit(one, &homes)).collect(), next))
            }
        }
    }

    async fn shown<T: AboutPersons>(&self, page: T) -> Result<T, Problem> {
        Ok(Shown::to(&self.caller, &self.state, page).await?.into_inner())
    }

    async fn homes(&self, of: impl Iterator<Item = HouseholdId>) -> Result<Households, Problem> {
        Ok(self.state.registry.households_among(&self.reach, of.collect()).await?)
    }

    fn household(&self, one: &HouseholdSummary) -> Vec<Entry> {
        let home = self.home(one.id, one.scope, &one.dwelling);
        list::household(&home, &one.household, one.open_conflicts, self.language)
    }

    fn resident(&self, one: &ResidentView, homes: &Households) -> Vec<Entry> {
        let nowhere = Record::default();
        let dwelling = homes.get(&one.household).map_or(&nowhere, |home| &home.dwelling);
        let home = self.home(one.household, one.scope, dwelling);
        // The last of several stays is the one that counts.
        let stay = one.stays.iter().map(|(_, stay)| stay).max_by_key(|stay| stay.text("since"));
        list::resident(&home, one.id, &one.resident, stay, self.language)
    }

    fn visit(&self, one: &VisitView, homes: &Households) -> Vec<Entry> {
        let fact = &one.fact;
        let nowhere = Record::default();
        let known = homes.get(&fact.fact.household);
        let dwelling = known.map_or(&nowhere, |home| &home.dwelling);
        let (grid, grid_name) = known.and_then(|home| self.grids.get(&home.scope)).map_or(("", ""), texts);
        let home = list::Home { grid, grid_name, household: fact.fact.household, dwelling };
        let correction = one.corrections.last().map(|last| &last.fact);
        list::visit(&home, &fact.fact, correction, (&fact.by.name, fact.received_at), self.language)
    }

    fn home<'r>(&'r self, household: HouseholdId, scope: ScopeId, dwelling: &'r Record) -> list::Home<'r> {
        let (grid, grid_name) = self.grids.get(&scope).map_or(("", ""), texts);
        list::Home { grid, grid_name, household, dwelling }
    }
}

fn texts((code, name): &(String, String)) -> (&str, &str) {
    (code, name)
}
