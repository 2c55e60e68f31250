//! Grids with households and visits for the benchmarks, from fixed numbers.

use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::id::{AreaId, EditId, FactId, HouseholdId, MembershipId, ResidentId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_domain::visit::{Mode, Outcome, Visit};
use gridwork_phone::{HttpTransport, NetworkError, Phone, Post, Posted, Surroundings, Transport};
use gridwork_registry::{Administration, Import, Registry, Settings};
use std::error::Error;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Edits that are imported at a time.
const BATCH: usize = 1_000;

/// This machine's clock.
pub(crate) fn now() -> Instant {
    gridwork_phone::system_clock()
}

/// When the first visit was made: 2026-09-21 in Shanghai.
pub(crate) const FIRST_DAY: Instant = Instant::from_ms(1_790_000_000_000);

/// Ten bytes that no other number gives.
pub(crate) fn bytes(number: u64) -> [u8; 10] {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// A visit with a note of ordinary length.
pub(crate) fn visit(number: u64, at: Instant) -> (FactId, Visit) {
    let visit = Visit {
        mode: Mode::Door,
        outcome: Outcome::Met,
        purposes: vec!["routine".to_owned()],
        spoken_to: Vec::new(),
        observations: Vec::new(),
        note: Some(format!("第{number}次走访,家中一切正常,已提醒用气安全")),
        place: None,
        started_at: at,
        ended_at: at.plus_ms(600_000),
    };
    (FactId::new(at, bytes(number)), visit)
}

/// A household of three people.
pub(crate) fn household(number: u64) -> (HouseholdId, Action) {
    let at = FIRST_DAY;
    let id = HouseholdId::new(at, bytes(number));
    let residents = ["王建国", "李秀英", "王磊"].into_iter().zip(0..).map(|(name, one)| NewResident {
        resident: ResidentId::new(at, bytes(number * 10 + one)),
        membership: MembershipId::new(at, bytes(number * 10 + one)),
        fields: Fields::new().with("name", name).with("phone", format!("139{:08}", number * 10 + one).as_str()),
        stay: Fields::new().with("relation", "99"),
    });
    let fields = Fields::new().with("status", "living");
    let dwelling = Fields::new().with("address", format!("和平路{number}号").as_str()).with("door", "301");
    (id, Action::RegisterHousehold { fields, dwelling, residents: residents.collect() })
}

/// The leader of a grid.
pub(crate) fn leader(grid: u8) -> StaffId {
    StaffId::from_bytes([0x50 + grid; 16])
}

/// A grid.
pub(crate) fn grid(grid: u8) -> ScopeId {
    AreaId::from_bytes([0xa0 + grid; 16]).into()
}

/// A registry in a folder with grids, each with a leader.
pub(crate) async fn open(folder: &Path, grids: u8) -> Fallible<Registry> {
    open_at(&format!("sqlite:{}", database(folder).display()), grids).await
}

/// The same in the database of that URL.
pub(crate) async fn open_at(url: &str, grids: u8) -> Fallible<Registry> {
    let registry = Registry::open(&Settings::new(url))?;
    let area = |number: u8, parent: Option<u8>, code: &str| {
        Ok::<_, Box<dyn Error>>(Area {
            id: AreaId::from_bytes([number; 16]),
            parent: parent.map(|parent| AreaId::from_bytes([parent; 16])),
            code: DivisionCode::parse(code)?,
            name: format!("区域{code}"),
            aliases: Vec::new(),
            valid_from: "2020-01-01".to_owned(),
            valid_until: None,
            successor: None,
        })
    };
    let above = [(1, None, "210404"), (2, Some(1), "210404001"), (3, Some(2), "210404001005")];
    for (number, parent, code) in above {
        registry.administer(None, Administration::OpenArea(area(number, parent, code)?), now()).await?;
    }
    for one in 0..grids {
        let code = format!("210404001005{:03}", one + 1);
        registry.administer(None, Administration::OpenArea(area(0xa0 + one, Some(3), &code)?), now()).await?;
        let staff = Staff { id: leader(one), name: format!("网格员{one}"), sign_in: format!("leader.{one}") };
        registry.administer(None, Administration::AppointStaff { staff, password: None }, now()).await?;
        let area = AreaId::from_bytes(*grid(one).as_bytes());
        let from = Instant::from_ms(0);
        let office = Assignment { staff: leader(one), role: Role::GridLeader, area, from, until: None };
        registry.administer(None, Administration::Assign(office), now()).await?;
    }
    Ok(registry)
}

/// The database of a registry in a folder.
pub(crate) fn database(folder: &Path) -> std::path::PathBuf {
    folder.join("registry.sqlite")
}

/// Registers households in a grid and visits each so many times. Blocks.
pub(crate) fn fill(registry: &Registry, of: u8, households: u64, visits: u64) -> Fallible<()> {
    let first = u64::from(of) * 100_000;
    let mut number = first * 100;
    let mut edits = Vec::new();
    let mut edit = |household, action, at| {
        number += 1;
        let edit = Edit { id: EditId::new(at, bytes(number)), at, household, action };
        edits.push(Import { by: leader(of), edit, home: Some(grid(of)) });
    };
    for (id, action) in (first..first + households).map(household) {
        edit(id, action, FIRST_DAY);
    }
    for turn in 0..visits {
        for one in first..first + households {
            let at = FIRST_DAY.plus_ms(i64::try_from(turn * 3_600_000)?);
            let (fact, visit) = visit(one * 1_000 + turn, at);
            edit(household(one).0, Action::RecordVisit { fact, visit }, at);
        }
    }
    while !edits.is_empty() {
        let rest = edits.split_off(edits.len().min(BATCH));
        registry.import_edits(std::mem::replace(&mut edits, rest), now())?;
    }
    Ok(())
}

/// A server process on the registry in a folder; killed when dropped.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(folder: &Path) -> Fallible<Self> {
        Self::start_with(folder, &[])
    }

    /// The same with further settings.
    pub(crate) fn start_with(folder: &Path, settings: &[(&str, &str)]) -> Fallible<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let process = Command::new(env!("CARGO_BIN_EXE_gridwork"))
            .arg("serve")
            .env("GRIDWORK_DATA_DIR", folder)
            .env("GRIDWORK_ADDRESS", address.to_string())
            .env("GRIDWORK_METRICS_ADDRESS", "127.0.0.1:0")
            // One phone asks as fast as it can.
            .env("GRIDWORK_REQUESTS_PER_MINUTE", "0")
            .env("RUST_LOG", "warn")
            .envs(settings.iter().copied())
            .stdout(Stdio::null())
            .spawn()?;
        let server = Self { process, address };
        let ready = format!("{}/health/ready", server.url());
        let deadline = std::time::Instant::now() + Duration::from_secs(30);
        while ureq::get(&ready).call().is_err() {
            if std::time::Instant::now() > deadline {
                return Err("the server was not ready in time".into());
            }
            std::thread::yield_now();
        }
        Ok(server)
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a phone's requests took, apart from the phone's own work.
#[derive(Clone, Default)]
pub(crate) struct OnTheWire(Arc<Mutex<Duration>>);

impl OnTheWire {
    /// The time since it was last asked for.
    pub(crate) fn take(&self) -> Duration {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Timed {
    http: HttpTransport,
    on_the_wire: OnTheWire,
}

impl Transport for Timed {
    fn post(&mut self, post: &Post<'_>) -> Result<Posted, NetworkError> {
        let begun = std::time::Instant::now();
        let posted = self.http.post(post);
        *self.on_the_wire.0.lock().unwrap_or_else(PoisonError::into_inner) += begun.elapsed();
        posted
    }
}

/// Enrols a phone that tells what its requests take; it has pulled nothing yet.
pub(crate) fn phone(folder: &Path, server: &Server, code: &str) -> Fallible<(Phone, OnTheWire)> {
    let on_the_wire = OnTheWire::default();
    let transport = Box::new(Timed { http: HttpTransport::new(), on_the_wire: on_the_wire.clone() });
    let surroundings = Surroundings { transport, ..Surroundings::default() };
    Ok((Phone::enrol_with(folder, &server.url(), code, surroundings)?, on_the_wire))
}
