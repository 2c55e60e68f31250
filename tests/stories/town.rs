//! A small town: one subdistrict, two communities, three grids, and the people who work there.

use crate::server::Server;
use crate::store;
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::id::{AreaId, ScopeId, StaffId};
use gridwork_domain::instant::Instant;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::{Administration, Registry, Settings};
use std::future::Future;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "门前大桥下 游过一群鸭 24678";

/// Somebody who works in the town.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colleague {
    number: u8,
    pub(crate) name: &'static str,
    pub(crate) sign_in: &'static str,
    roles: &'static [Role],
    area: &'static Place,
}

/// An area of the town.
#[derive(Debug)]
pub(crate) struct Place {
    number: u8,
    parent: Option<&'static Place>,
    code: &'static str,
    name: &'static str,
}

/// All of it.
pub(crate) const DISTRICT: Place = Place { number: 1, parent: None, code: "210404", name: "望花区" };
const SUBDISTRICT: Place = Place { number: 2, parent: Some(&DISTRICT), code: "210404001", name: "田屯街道" };
/// The community of [`GRID`] and [`NEXT_GRID`].
pub(crate) const COMMUNITY: Place =
    Place { number: 3, parent: Some(&SUBDISTRICT), code: "210404001005", name: "三公里社区" };
/// The community of [`FAR_GRID`].
pub(crate) const NEIGHBOURS: Place =
    Place { number: 4, parent: Some(&SUBDISTRICT), code: "210404001006", name: "田屯社区" };
/// Where most stories happen.
pub(crate) const GRID: Place =
    Place { number: 5, parent: Some(&COMMUNITY), code: "210404001005001", name: "三公里社区第一网格" };
/// The next grid of the same community.
pub(crate) const NEXT_GRID: Place =
    Place { number: 6, parent: Some(&COMMUNITY), code: "210404001005002", name: "三公里社区第二网格" };
/// A grid of another community.
pub(crate) const FAR_GRID: Place =
    Place { number: 7, parent: Some(&NEIGHBOURS), code: "210404001006001", name: "田屯社区第一网格" };
const PLACES: [&Place; 7] = [&DISTRICT, &SUBDISTRICT, &COMMUNITY, &NEIGHBOURS, &GRID, &NEXT_GRID, &FAR_GRID];

/// Leads [`GRID`].
pub(crate) const LI: Colleague = colleague(1, "李娜", "li.na", &[Role::GridLeader], &GRID);
/// Works in [`GRID`] with Li, and does all that Li does but to be accountable.
pub(crate) const ZHAO: Colleague = colleague(2, "赵敏", "zhao.min", &[Role::Liaison, Role::CommunityWorker], &GRID);
/// Leads [`NEXT_GRID`].
pub(crate) const WANG: Colleague = colleague(3, "王强", "wang.qiang", &[Role::GridLeader], &NEXT_GRID);
/// Answers the hotline of the whole district.
pub(crate) const ZHOU: Colleague = colleague(4, "周婷", "zhou.ting", &[Role::CallAgent], &DISTRICT);
/// Community worker of another community.
pub(crate) const QIAN: Colleague = colleague(5, "钱芳", "qian.fang", &[Role::CommunityWorker], &NEIGHBOURS);
/// Runs the installation.
pub(crate) const WU: Colleague = colleague(6, "吴刚", "wu.gang", &[Role::Administrator], &DISTRICT);
/// Runs what belongs to another community.
pub(crate) const SUN: Colleague = colleague(7, "孙丽", "sun.li", &[Role::Administrator], &NEIGHBOURS);
/// On duty in the community of [`GRID`].
pub(crate) const HE: Colleague = colleague(8, "何静", "he.jing", &[Role::DutyOfficer], &COMMUNITY);
const COLLEAGUES: [&Colleague; 8] = [&LI, &ZHAO, &WANG, &ZHOU, &QIAN, &WU, &SUN, &HE];

const fn colleague(
    number: u8,
    name: &'static str,
    sign_in: &'static str,
    roles: &'static [Role],
    area: &'static Place,
) -> Colleague {
    Colleague { number, name, sign_in, roles, area }
}

impl Colleague {
    /// Their id.
    pub(crate) const fn id(&self) -> StaffId {
        StaffId::from_bytes([0x50 + self.number; 16])
    }
}

impl Place {
    /// Its id.
    pub(crate) const fn id(&self) -> AreaId {
        AreaId::from_bytes([0xa0 + self.number; 16])
    }

    /// Its scope, if it is a grid.
    pub(crate) fn scope(&self) -> ScopeId {
        self.id().into()
    }
}

/// A town in a folder of its own.
pub(crate) struct Town {
    folder: TempDir,
}

impl Town {
    /// The town as it is before the first phone: areas, people and their offices.
    pub(crate) fn new() -> Self {
        let town = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::create_dir(town.data_folder()).expect("a folder");
        store::make(&town.data_folder());
        town.people();
        town
    }

    /// The same with its registry in that database.
    pub(crate) fn on(database: &str) -> Self {
        let town = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::create_dir(town.data_folder()).expect("a folder");
        store::place(&town.data_folder(), database);
        town.people();
        town
    }

    /// The same with its registry in a file, whatever the stories run on.
    pub(crate) fn on_a_file() -> Self {
        let town = Self { folder: tempfile::tempdir().expect("a folder") };
        std::fs::create_dir(town.data_folder()).expect("a folder");
        town.people();
        town
    }

    fn people(&self) {
        self.with_registry(async |registry| {
            for one in PLACES {
                administer(registry, Administration::OpenArea(area(one))).await;
            }
            for one in COLLEAGUES {
                let staff = Staff { id: one.id(), name: one.name.to_owned(), sign_in: one.sign_in.to_owned() };
                let at_a_desk = !one.roles.contains(&Role::GridLeader);
                let password = at_a_desk.then(|| PASSWORD.to_owned());
                administer(registry, Administration::AppointStaff { staff, password }).await;
                let from = Instant::from_ms(0);
                for role in one.roles.iter().copied() {
                    let office = Assignment { staff: one.id(), role, area: one.area.id(), from, until: None };
                    administer(registry, Administration::Assign(office)).await;
                }
            }
        });
    }

    /// Starts the server.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// Starts a node, with further settings.
    pub(crate) fn serve_with(&self, settings: &[(&str, &str)]) -> Server {
        Server::start_with(&self.data_folder(), settings)
    }

    /// The folder of the registry.
    pub(crate) fn data_folder(&self) -> PathBuf {
        self.folder.path().join("registry")
    }

    /// A path beside the registry, for a phone or a file.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// From now on a colleague is no longer in office; no server runs meanwhile.
    pub(crate) fn end_office(&self, colleague: &Colleague) {
        let (staff, area) = (colleague.id(), colleague.area.id());
        self.with_registry(async |registry| {
            for role in colleague.roles.iter().copied() {
                administer(registry, Administration::EndAssignment { staff, role, area, until: now() }).await;
            }
        });
    }

    /// Does something with the registry itself; no server runs meanwhile.
    pub(crate) fn with_registry<T>(&self, work: impl AsyncFnOnce(&Registry) -> T) -> T {
        let folder = self.data_folder();
        let url = store::url(&folder).unwrap_or_else(|| format!("sqlite:{}", database(&folder).display()));
        let registry = Registry::open(&Settings::new(url)).expect("the registry opens");
        block_on(async {
            let done = work(&registry).await;
            registry.close().await.expect("the registry closes");
            done
        })
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        store::unmake(&self.data_folder());
    }
}

/// The file of the registry in a folder.
pub(crate) fn database(folder: &Path) -> PathBuf {
    folder.join("registry.sqlite")
}

/// This machine's clock.
pub(crate) fn now() -> Instant {
    let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    Instant::from_ms(i64::try_from(since_1970.as_millis()).expect("a clock of this age"))
}

async fn administer(registry: &Registry, what: Administration) {
    registry.administer(None, what, now()).await.expect("it is administered");
}

fn area(place: &Place) -> Area {
    Area {
        id: place.id(),
        parent: place.parent.map(Place::id),
        code: DivisionCode::parse(place.code).expect("a division code"),
        name: place.name.to_owned(),
        aliases: Vec::new(),
        valid_from: "2020-01-01".to_owned(),
        valid_until: None,
        successor: None,
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}
