//! Phones on real files against a registry in memory that merges whatever it is handed.

mod full_disk;
mod http;
mod life;
mod registry;

use crate::{Phone, Surroundings};
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{FactId, HouseholdId, MembershipId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Mode, Outcome, Visit};
use gridwork_sync::replica::Entropy;
use registry::Registry;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// 2026-09-21 in Shanghai.
const NOW: Instant = Instant::from_ms(1_790_000_000_000);
const YEAR_MS: i64 = 366 * 86_400_000;
const SERVER: &str = "http://registry.test";

/// Bytes that never repeat; the eight of which waits are made are zero, so that no test waits.
struct Counted;

static COUNT: AtomicU64 = AtomicU64::new(1);

impl Entropy for Counted {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
        if bytes.len() > 8 {
            bytes[..8].copy_from_slice(&COUNT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        }
    }
}

fn around(registry: &Registry, clock_off_ms: i64) -> Surroundings {
    Surroundings {
        transport: Box::new(registry.clone()),
        clock: Box::new(move || NOW.plus_ms(clock_off_ms)),
        entropy: Box::new(Counted),
        reserve_bytes: 64 * 1024,
    }
}

fn enrol(folder: &Path, registry: &Registry) -> Phone {
    Phone::enrol_with(folder, SERVER, "CODE", around(registry, 0)).expect("enrolled")
}

fn open(folder: &Path, registry: &Registry) -> Phone {
    Phone::open_with(folder, around(registry, 0)).expect("opened")
}

/// A phone can be handed to a thread of its own.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Phone>();
};

fn home(number: u8) -> HouseholdId {
    HouseholdId::from_bytes([number; 16])
}

fn register(phone: &mut Phone, number: u8) -> Edit {
    let resident = NewResident {
        resident: ResidentId::from_bytes([number; 16]),
        membership: MembershipId::from_bytes([number; 16]),
        fields: Fields::new().with("name", "王秀英").with("phone", "13812345678"),
        stay: Fields::new(),
    };
    let dwelling = Fields::new().with("address", "长江路三十六号");
    let fields = Fields::new().with("status", "living");
    record(phone, number, Action::RegisterHousehold { fields, dwelling, residents: vec![resident] })
}

fn correct(phone: &mut Phone, number: u8, remark: &str) -> Edit {
    let fields = Fields::new().with("remark", remark);
    record(phone, number, Action::Correct { record: RecordPath::household(), fields })
}

fn visit(phone: &mut Phone, note: &str) -> Action {
    let fact = FactId::new(phone.now(), phone.random());
    let (started_at, ended_at) = (phone.now(), phone.now());
    let (mode, outcome) = (Mode::Door, Outcome::Met);
    let (purposes, spoken_to, observations, place) = (vec!["routine".to_owned()], vec![], vec![], None);
    let note = Some(note.to_owned());
    Action::RecordVisit {
        fact,
        visit: Visit { mode, outcome, purposes, spoken_to, observations, note, place, started_at, ended_at },
    }
}

fn record_visit(phone: &mut Phone, number: u8) -> Edit {
    let action = visit(phone, "老人精神很好");
    record(phone, number, action)
}

fn record(phone: &mut Phone, number: u8, action: Action) -> Edit {
    let edit = phone.edit(home(number), action);
    phone.record(edit.clone(), None, None).expect("saved");
    edit
}
