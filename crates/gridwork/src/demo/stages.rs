//! The stages of the demo, one after the other.

use super::comparison::{GridState, Meant};
use super::district::{District, Size};
use super::journal::{Entry, Journal};
use super::memory::MemoryWatch;
use super::nodes::{Nodes, registry_settings, shared_settings};
use super::processes::{Kills, run_phones};
use super::proxy::Proxy;
use super::report::Report;
use super::rest::{Session, text};
use super::seed::{self, PASSWORD, People};
use super::worker::{ASSIGNMENT, DUMP, DayAssignment, JOURNAL, Step, Synced, known_households, store};
use super::{Arguments, Stage};
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{EditId, FactId, HouseholdId, MembershipId, ResidentId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Mode, Outcome, Visit};
use gridwork_phone::{Dump, Phone};
use gridwork_registry::{Registry, TemporaryDatabase};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use tokio::runtime::Runtime;

/// Phone processes that run at the same time.
const AT_ONCE: usize = 8;
/// Grids that are compared at the same time.
const COMPARED_AT_ONCE: usize = 4;
/// Grids that are filled at the same time, in a database with several writers.
const FILLED_AT_ONCE: usize = 6;
/// Every so many leaders, one stands in for the next grid's leader and holds that grid too.
const STAND_IN_EVERY: usize = 8;
/// Households of such a grid that both phones and a call agent edit at once.
const CONTESTED_HOUSEHOLDS: usize = 2;
/// The day's work begins this long before now.
const DAY_BEGAN_MS: i64 = 10 * 3_600_000;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// The running demo.
pub(crate) struct Demo {
    dir: PathBuf,
    district: District,
    now: Instant,
    quick: bool,
    seed: u64,
    // The nodes end before their database is taken away.
    nodes: Nodes,
    database: Option<TemporaryDatabase>,
    people: People,
    report: Report,
    meant: Meant,
}

impl Demo {
    /// Runs all stages; the server goes on running as long as the demo is kept.
    ///
    /// # Errors
    /// Something could not be done at all.
    pub(crate) fn run(runtime: &Runtime, arguments: &Arguments, dir: PathBuf) -> Fallible<(Report, Self)> {
        let begun = std::time::Instant::now();
        let memory = MemoryWatch::start();
        let mut demo = Self::begin(runtime, arguments, dir)?;
        demo.enrol()?;
        demo.record_a_day(arguments.kill)?;
        demo.edit_over_rest()?;
        demo.come_back(runtime, arguments.kill)?;
        demo.measure_a_quiet_sync()?;
        demo.compare()?;
        demo.verify()?;
        demo.report.peak_memory_bytes = memory.peak_bytes();
        demo.report.elapsed_ms = begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        Ok((demo.report.clone(), demo))
    }

    /// What a newcomer can do while the server runs.
    pub(crate) fn how_to_look(&self) -> String {
        let url = self.nodes.url();
        let phone = store(&self.phone_dir(0));
        let left = self.database.as_ref().map_or_else(String::new, |database| {
            format!("Its database {0} stays then: DROP DATABASE {0}\n", database.name())
        });
        format!(
            "The server goes on at {url}; end it with Ctrl-C.\n{left}\
             The API page: {url}/docs\n\
             Sign in there (POST /v1/sign-in) as {} with the password {PASSWORD}\n\n\
             Three commands to try in another terminal:\n  \
             gridwork phone --dir {phone} list\n  \
             gridwork phone --dir {phone} sync --server {url}\n  \
             curl -s {url}/v1/sign-in -H 'content-type: application/json' -d '{{\"sign_in\":\"{}\",\"password\":\"{PASSWORD}\"}}'",
            self.people.call_agent,
            self.people.call_agent,
            phone = phone.display(),
        )
    }

    /// Waits until the server ends.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub(crate) fn wait(&self) -> std::io::Result<()> {
        self.nodes.wait()
    }

    fn begin(runtime: &Runtime, arguments: &Arguments, dir: PathBuf) -> Fallible<Self> {
        let now = crate::now();
        let size = if arguments.quick { Size::Tenth } else { Size::Full };
        let district = District::new(arguments.seed, size, now);
        let registry_dir = dir.join("registry");
        std::fs::create_dir_all(&registry_dir)?;
        let make = |url: &String| TemporaryDatabase::make(url, "gridwork_demo");
        let database = arguments.postgres.as_ref().map(make).transpose()?;
        let registry = Registry::open(&registry_settings(&dir, database.as_ref()))?;
        let people = runtime.block_on(seed::appoint(&registry, &district, now))?;
        for (one, next) in stand_ins(district.grids().len()) {
            let (leader, area) = (district.grids()[one].leader, district.grids()[next].area);
            runtime.block_on(seed::stand_in(&registry, leader, area, now))?;
        }
        let stage = Stage::begin("a year of work", district.grids().len() as u64 * 1_400);
        // A file has one writer; a server is far away, so that more than one is worth their while.
        let at_once = if database.is_some() { FILLED_AT_ONCE } else { 1 };
        let filled = seed::fill(&registry, &district, now, at_once, &|edits| stage.advance(edits))?;
        stage.end();
        runtime.block_on(registry.close())?;
        let shared = shared_settings(database.as_ref(), arguments.redis.as_deref())?;
        let nodes = Nodes::start(runtime, arguments.nodes.into(), &registry_dir, &shared, arguments.port)?;
        let report = Report {
            seed: arguments.seed,
            nodes: nodes.count(),
            database: database.as_ref().map(|database| database.name().to_owned()),
            phones: district.grids().len() as u64,
            recorded_facts: filled.facts,
            ..Report::default()
        };
        let (quick, seed) = (arguments.quick, arguments.seed);
        Ok(Self { dir, district, now, quick, seed, nodes, database, people, report, meant: Meant::default() })
    }

    fn phone_dir(&self, phone: usize) -> PathBuf {
        self.dir.join(format!("phone-{phone:02}"))
    }

    fn on_all_phones(&self, what: &'static str, step: impl Fn(usize) -> Step, kills: &Kills<'_>) -> Fallible<u64> {
        let count = self.district.grids().len();
        let stage = Stage::begin(what, count as u64);
        let phones: Vec<_> = (0..count).map(|phone| (self.phone_dir(phone), step(phone))).collect();
        let killed = run_phones(&phones, AT_ONCE, kills, &|| stage.advance(1))?;
        stage.end();
        Ok(killed)
    }

    /// Each leader's phone is enrolled with a one-time code and pulls its grids.
    fn enrol(&mut self) -> Fallible<()> {
        let administrator = Session::sign_in(&self.nodes.url(), &self.people.administrator, PASSWORD)?;
        let mut codes = Vec::new();
        for (phone, grid) in self.district.grids().iter().enumerate() {
            std::fs::create_dir_all(self.phone_dir(phone))?;
            let body = json!({ "staff": grid.leader.to_string() });
            codes.push(text(&administrator.post("/v1/devices/enrolment-codes", &body)?, "code").to_owned());
        }
        let step = |phone: usize| Step::Enrol { server: self.nodes.url(), code: codes[phone].clone() };
        self.on_all_phones("phones enrolled", step, &Kills { planned: 0, nodes: None, seed: self.seed })?;
        Ok(())
    }

    /// Every phone records a day offline; some phones are killed while they save, and go on.
    fn record_a_day(&mut self, kills: u64) -> Fallible<()> {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0x000f_f11e);
        let mut further = vec![Vec::new(); self.district.grids().len()];
        for (one, next) in stand_ins(self.district.grids().len()) {
            for household in self.contested_of(next)? {
                for phone in [one, next] {
                    further[phone].extend(contested_edits(household, self.now, &mut random));
                }
            }
        }
        for (phone, grid) in self.district.grids().iter().enumerate() {
            let assignment = DayAssignment {
                seed: self.seed,
                quick: self.quick,
                today: self.now,
                grid: grid.area,
                day_start: self.now.plus_ms(-DAY_BEGAN_MS),
                further: std::mem::take(&mut further[phone]),
            };
            std::fs::write(self.phone_dir(phone).join(ASSIGNMENT), serde_json::to_vec(&assignment)?)?;
        }
        let kills = Kills { planned: kills / 2, nodes: None, seed: self.seed ^ 1 };
        self.report.killed += self.on_all_phones("days recorded offline", |_| Step::Day, &kills)?;
        for phone in 0..self.district.grids().len() {
            let journal = Journal::read(&self.phone_dir(phone).join(JOURNAL))?.ok_or("a phone kept no journal")?;
            for entry in journal.recorded() {
                self.meant(phone, entry);
            }
            let unexpected = journal.not_saved.iter().filter(|(_, reason)| !reason.contains("nothing to do"));
            for (position, reason) in unexpected {
                self.report.found(format!("phone {phone} did not save edit {position}: {reason}"));
            }
        }
        Ok(())
    }

    /// Households of a grid that several people edit at once: some that its phone knows.
    fn contested_of(&self, grid: usize) -> Fallible<Vec<HouseholdId>> {
        let phone = Phone::open(&store(&self.phone_dir(grid)))?;
        let home = ScopeId::from(self.district.grids()[grid].area);
        let households = phone.households().into_iter().map(|summary| summary.id);
        let of_grid = households.filter(|id| phone.household(*id).is_some_and(|known| known.home == home));
        Ok(of_grid.take(CONTESTED_HOUSEHOLDS).collect())
    }

    /// While the phones are offline, a call agent corrects the same telephone numbers over REST.
    fn edit_over_rest(&mut self) -> Fallible<()> {
        let session = Session::sign_in(&self.nodes.url(), &self.people.call_agent, PASSWORD)?;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed ^ 0x4e57);
        for (_, next) in stand_ins(self.district.grids().len()) {
            for household in self.contested_of(next)? {
                let path = format!("/v1/households/{household}");
                let version = text(&session.get(&path)?, "version").to_owned();
                let number = telephone(&mut random);
                session.patch(&path, &version, &json!({ "contact_phone": number }))?;
                let fields = Fields::new().with("contact_phone", number.as_str());
                let action = Action::Correct { record: RecordPath::household(), fields };
                let edit = Edit { id: EditId::new(self.now, random.random()), at: self.now, household, action };
                self.meant(self.district.grids().len(), &Entry { edit, home: None, seen: None });
            }
        }
        Ok(())
    }

    /// The phones come back over a bad network, then once more over a good one to hear of each other.
    fn come_back(&mut self, runtime: &Runtime, kills: u64) -> Fallible<()> {
        let proxy = runtime.block_on(Proxy::start(self.nodes.address(), self.seed))?;
        let through_proxy = |_| Step::Sync { server: format!("http://{}", proxy.address()), within_s: 60 };
        let kills = Kills { planned: kills, nodes: Some(&self.nodes), seed: self.seed ^ 2 };
        self.report.killed += self.on_all_phones("back on a bad network", through_proxy, &kills)?;
        self.report.nodes_killed = self.nodes.killed();
        let figures = proxy.figures();
        self.report.connections = figures.connections.load(Ordering::Relaxed);
        self.report.connections_cut = figures.cut.load(Ordering::Relaxed);
        self.report.exchanges_lost = figures.lost.load(Ordering::Relaxed);
        self.report.exchanges_repeated = figures.repeated.load(Ordering::Relaxed);
        let direct = |_| Step::Sync { server: self.nodes.url(), within_s: 60 };
        self.on_all_phones("in touch again", direct, &Kills { planned: 0, nodes: None, seed: 0 })?;
        for phone in 0..self.district.grids().len() {
            let synced = std::fs::read(self.phone_dir(phone).join(super::worker::SYNCED))?;
            let synced: Synced = serde_json::from_slice(&synced)?;
            for refused in synced.refused {
                self.report.found(format!("phone {phone}: the registry refused an edit: {refused}"));
            }
            if synced.waiting > 0 {
                self.report.found(format!("phone {phone}: {} edits have no verdict", synced.waiting));
            }
        }
        Ok(())
    }

    /// One phone pushes the visits of a further day over a good network, and then asks for news when there are none.
    fn measure_a_quiet_sync(&mut self) -> Fallible<()> {
        let mut phone = Phone::open(&store(&self.phone_dir(0)))?;
        let (grid, day_start) = (&self.district.grids()[0], self.now.plus_ms(-DAY_BEGAN_MS - 24 * 3_600_000));
        let known = known_households(&phone, ScopeId::from(grid.area));
        let work = self.district.day_of_work(grid, 1, &known, day_start).into_iter();
        let is_known = |household: &HouseholdId| known.iter().any(|known| known.id == *household);
        let is_visit = |action: &Action| matches!(action, Action::RecordVisit { .. });
        let visits: Vec<_> = work.filter(|(_, household, action)| is_known(household) && is_visit(action)).collect();
        for (at, household, action) in &visits {
            let edit = Edit { at: *at, ..phone.edit(*household, action.clone()) };
            phone.record(edit.clone(), None, None)?;
            self.meant(0, &Entry { edit, home: None, seen: None });
        }
        let pushed = phone.sync()?;
        self.report.bytes_per_visit_pushed = pushed.request_body_bytes / visits.len().max(1) as u64;
        let quiet = phone.sync()?;
        if let Some(failure) = pushed.failure.or(quiet.failure) {
            self.report.found(format!("a sync over a good network failed: {failure:?}"));
        }
        self.report.quiet_sync_requests = quiet.requests;
        self.report.quiet_sync_request_body_bytes = quiet.request_body_bytes;
        self.report.quiet_sync_response_body_bytes = quiet.response_body_bytes;
        Ok(())
    }

    /// Compares journals, registry and every phone, opened anew from its disk.
    fn compare(&mut self) -> Fallible<()> {
        self.on_all_phones("phones opened anew", |_| Step::Dump, &Kills { planned: 0, nodes: None, seed: 0 })?;
        let session = Session::sign_in(&self.nodes.url(), &self.people.comparer, PASSWORD)?;
        let grids = self.district.grids();
        let stage = Stage::begin("grids compared", grids.len() as u64);
        let holders = |grid: usize| {
            let stand_in = stand_ins(grids.len()).find(|(_, next)| *next == grid).map(|(one, _)| one);
            std::iter::once(grid).chain(stand_in)
        };
        let state = Mutex::new((std::mem::take(&mut self.report), std::mem::take(&mut self.meant), 0u64, true));
        let next_grid = std::sync::atomic::AtomicUsize::new(0);
        let expected_conflicts = state.lock().map_or(0, |state| state.1.contested());
        let compare_grids = || -> Result<(), String> {
            loop {
                let grid = next_grid.fetch_add(1, Ordering::SeqCst);
                let Some(area) = grids.get(grid).map(|grid| grid.area) else { return Ok(()) };
                let registry = GridState::read(&session, &area.to_string()).map_err(|error| error.to_string())?;
                for phone in holders(grid) {
                    let bytes = std::fs::read(self.phone_dir(phone).join(DUMP)).map_err(|error| error.to_string())?;
                    let dump: Dump = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
                    let mut state = state.lock().map_err(|error| error.to_string())?;
                    state.3 &= registry.agrees_with(&format!("phone {phone}"), &dump, &mut state.0);
                }
                let mut state = state.lock().map_err(|error| error.to_string())?;
                let (report, meant, facts, _) = &mut *state;
                meant.check(&registry, report);
                report.households += registry.households() as u64;
                *facts += registry.facts() as u64;
                stage.advance(1);
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..COMPARED_AT_ONCE).map(|_| scope.spawn(compare_grids)).collect();
            threads.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a comparison panicked".to_owned())?)
        })?;
        stage.end();
        let (report, meant, facts, agree) = state.into_inner().map_err(|error| error.to_string())?;
        (self.report, self.meant) = (report, meant);
        self.meant.check_nothing_left(&mut self.report);
        let expected = self.report.recorded_facts;
        if facts != expected {
            self.report.lost += expected.saturating_sub(facts);
            self.report.doubled += facts.saturating_sub(expected);
            self.report.found(format!("the registry has {facts} facts, {expected} were recorded"));
        }
        self.report.replicas_agree = agree;
        self.report.expected_conflicts = expected_conflicts;
        self.report.open_conflicts = session.list("/v1/conflicts")?.len() as u64;
        Ok(())
    }

    fn verify(&mut self) -> Fallible<()> {
        let stage = Stage::begin("documents verified", 0);
        let found = gridwork_registry::verify(&registry_settings(&self.dir, self.database.as_ref()))?;
        stage.advance(found.documents);
        stage.end();
        self.report.verify_differences = found.differences_found;
        self.report.residents = found.residents;
        for difference in found.differences {
            self.report.found(format!("verify: {difference}"));
        }
        Ok(())
    }

    fn meant(&mut self, writer: usize, entry: &Entry) {
        self.meant.add(writer, entry);
        self.report.recorded_edits += 1;
        self.report.recorded_facts += u64::from(seed::is_fact(&entry.edit));
    }
}

/// Pairs of grids: the first one's leader stands in for the second one's.
fn stand_ins(grids: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..grids).step_by(STAND_IN_EVERY).skip(1).filter(move |grid| grid + 1 < grids).map(|grid| (grid, grid + 1))
}

fn contested_edits(household: HouseholdId, now: Instant, random: &mut ChaCha8Rng) -> Vec<(HouseholdId, Action)> {
    let number = telephone(random);
    let resident = NewResident {
        resident: ResidentId::new(now, random.random()),
        membership: MembershipId::new(now, random.random()),
        fields: Fields::new().with("name", "王来宾").with("phone", telephone(random).as_str()),
        stay: Fields::new().with("relation", "99"),
    };
    let visit = Visit {
        mode: Mode::Door,
        outcome: Outcome::Met,
        purposes: vec!["routine".to_owned()],
        spoken_to: Vec::new(),
        observations: Vec::new(),
        note: Some("同时走访".to_owned()),
        place: None,
        started_at: now.plus_ms(-3_600_000),
        ended_at: now.plus_ms(-3_000_000),
    };
    let fields = Fields::new().with("contact_phone", number.as_str());
    let actions = [
        Action::Correct { record: RecordPath::household(), fields },
        Action::AddResident(resident),
        Action::RecordVisit { fact: FactId::new(now, random.random()), visit },
    ];
    actions.map(|action| (household, action)).into()
}

fn telephone(random: &mut ChaCha8Rng) -> String {
    format!("199{:08}", random.next_u32() % 100_000_000)
}
