//! What people do: households registered, corrected, visited; drawn by chance.

use crate::testing::{Random, visit_at};
use gridwork_domain::edit::{Action, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{FactId, MembershipId, ResidentId};
use gridwork_domain::instant::Instant;
use gridwork_domain::need::{Basis, Need};

/// A household is registered with one resident.
pub(super) fn register(random: &mut Random) -> Action {
    let dwelling = Fields::new().with("address", "长江路三十六号");
    let fields = Fields::new().with("status", "living").with("contact_phone", "02412345678");
    Action::RegisterHousehold { fields, dwelling, residents: vec![new_resident(random, 1)] }
}

fn new_resident(random: &mut Random, number: u8) -> NewResident {
    NewResident {
        resident: ResidentId::from_bytes([number; 16]),
        membership: MembershipId::from_bytes(random.bytes()),
        fields: Fields::new().with("name", "王秀英"),
        stay: Fields::new(),
    }
}

/// Somebody does something about a household that is registered; `by` shows in what is written.
pub(super) fn draw_action(random: &mut Random, now: Instant, by: usize) -> Action {
    let number = random.below(90) + 10;
    let own = |field: &str, value: &str| Action::Correct {
        record: RecordPath::household(),
        fields: Fields::new().with(field, value),
    };
    match random.below(10) {
        0 => {
            // One id in three is one that somebody else may take too.
            let id = if random.one_in(3) { 200 } else { random.next() as u8 };
            Action::AddResident(new_resident(random, id))
        }
        1 | 2 => own("contact_phone", &format!("1380000{by:02}{number}")),
        3 | 4 => own("remark", &format!("备注{by}-{number}")),
        5 => {
            let record = RecordPath::resident(ResidentId::from_bytes([1; 16]));
            Action::Correct { record, fields: Fields::new().with("name", format!("姓名{number}").as_str()) }
        }
        6 => {
            let (basis, sensitivity) = (Basis::Consent, 1);
            let need =
                Need { purpose: "送餐".into(), basis, sensitivity, expires: None, note: Some(format!("{number}")) };
            Action::AffirmNeed { resident: None, kind: "meal_service".into(), need }
        }
        7 => Action::WithdrawNeed { resident: None, kind: "meal_service".into() },
        _ => Action::RecordVisit { fact: FactId::from_bytes(random.bytes()), visit: visit_at(now) },
    }
}
