//! The field catalogue: every field that Gridwork keeps, with its merge class, purpose, basis, sensitivity and retention
//! (PIPL, articles 6, 17, 19 and 28).
//!
//! The fields of the household document stand in [`crate::schema`]; here are those of facts and of the registry's own
//! tables, and the way to list them all. Retention periods are provisional until the owner of the data sets them.
//!
//! **Invariant:** no field is kept that is not listed here; a test compares the list with the records.

use crate::fields::Kind;
use crate::mask::Mask;
use crate::schema::{Field, LegalBasis, MergeClass, NOTE_LENGTH, Purpose, Retention, SCHEMA_1, Sensitivity};

const fn field(
    name: &'static str,
    term: &'static str,
    class: MergeClass,
    purpose: Purpose,
    sensitivity: Sensitivity,
    kind: Kind,
) -> Field {
    let retention = match class {
        MergeClass::Fact => Retention::YearsAfterRecording(5),
        _ => Retention::YearsAfterLeaving(3),
    };
    let mask = Mask::of(kind);
    Field { name, term, kind, class, purpose, basis: LegalBasis::StatutoryDuty, sensitivity, retention, mask }
}

const fn fact(name: &'static str, term: &'static str, kind: Kind) -> Field {
    field(name, term, MergeClass::Fact, Purpose::Account, 1, kind)
}

const fn kept(name: &'static str, term: &'static str, purpose: Purpose, sensitivity: Sensitivity, kind: Kind) -> Field {
    field(name, term, MergeClass::ServerOnly, purpose, sensitivity, kind)
}

const INSTANT: Kind = Kind::Integer(i64::MIN, i64::MAX);
const ID: Kind = Kind::Line(22);

/// Fields of a visit.
pub const VISIT: &[Field] = &[
    fact("mode", "走访方式", Kind::Choice(&["door", "phone", "neighbour"])),
    fact("outcome", "走访结果", Kind::Choice(&["met", "proxy", "no_answer", "refused", "moved_away", "vacant"])),
    fact("purposes", "走访目的", Kind::Line(32)),
    fact("spoken_to", "接访人", Kind::Resident),
    fact("observations", "生活状态", Kind::Line(64)),
    fact("note", "走访记录", Kind::Note(NOTE_LENGTH)),
    fact("place", "走访地点", Kind::Line(64)),
    fact("started_at", "开始时间", INSTANT),
    fact("ended_at", "结束时间", INSTANT),
];

/// Fields of a note.
pub const NOTE: &[Field] = &[fact("text", "内容", Kind::Note(NOTE_LENGTH)), fact("written_at", "记录时间", INSTANT)];

/// Fields of a correction of a visit.
pub const CORRECTION: &[Field] = &[
    fact("corrects", "更正对象", ID),
    fact("reason", "更正原因", Kind::Note(NOTE_LENGTH)),
    fact("visit", "更正内容", Kind::Line(0)),
];

/// Fields of an area.
pub const AREA: &[Field] = &[
    kept("id", "区划标识", Purpose::Identify, 0, ID),
    kept("parent", "上级区划", Purpose::Identify, 0, ID),
    kept("code", "区划代码", Purpose::Identify, 0, Kind::Line(15)),
    kept("name", "区划名称", Purpose::Identify, 0, Kind::Line(64)),
    kept("aliases", "别名", Purpose::Identify, 0, Kind::Line(64)),
    kept("valid_from", "启用日期", Purpose::Identify, 0, Kind::Date),
    kept("valid_until", "停用日期", Purpose::Identify, 0, Kind::Date),
    kept("successor", "并入区划", Purpose::Identify, 0, ID),
];

/// Fields of a member of staff.
pub const STAFF: &[Field] = &[
    kept("id", "人员标识", Purpose::Account, 0, ID),
    kept("name", "人员姓名", Purpose::Account, 1, Kind::Line(64)),
    kept("sign_in", "登录名", Purpose::Permit, 1, Kind::Line(64)),
];

/// Fields of an assignment.
pub const ASSIGNMENT: &[Field] = &[
    kept("staff", "人员", Purpose::Permit, 0, ID),
    kept("role", "角色", Purpose::Permit, 0, Kind::Line(32)),
    kept("area", "区划", Purpose::Permit, 0, ID),
    kept("from", "任期起", Purpose::Permit, 0, INSTANT),
    kept("until", "任期止", Purpose::Permit, 0, INSTANT),
];

/// Fields of a device.
pub const DEVICE: &[Field] = &[
    kept("id", "设备标识", Purpose::Permit, 0, ID),
    kept("staff", "持有人", Purpose::Permit, 0, ID),
    kept("public_key", "设备公钥", Purpose::Permit, 0, Kind::Line(43)),
    kept("enrolled_at", "登记时间", Purpose::Account, 0, INSTANT),
];

/// Fields of a session of a member of staff.
pub const SESSION: &[Field] = &[
    kept("id", "会话标识", Purpose::Permit, 0, ID),
    kept("staff", "会话人员", Purpose::Permit, 0, ID),
    kept("begun_at", "登录时间", Purpose::Account, 1, INSTANT),
    kept("used_at", "最近续期", Purpose::Account, 1, INSTANT),
    kept("ends_at", "会话期限", Purpose::Permit, 0, INSTANT),
    kept("revoked_at", "注销时间", Purpose::Account, 1, INSTANT),
    kept("revoked_by", "注销人员", Purpose::Account, 0, ID),
];

/// Fields of a second factor.
pub const SECOND_FACTOR: &[Field] = &[
    kept("staff", "人员", Purpose::Permit, 0, ID),
    kept("secret", "动态口令密钥", Purpose::Permit, 3, Kind::Line(32)),
    kept("confirmed_at", "启用时间", Purpose::Account, 0, INSTANT),
];

/// Fields of a key of a machine client.
pub const API_KEY: &[Field] = &[
    kept("id", "密钥标识", Purpose::Permit, 0, ID),
    kept("staff", "机器客户", Purpose::Permit, 0, ID),
    kept("name", "密钥用途", Purpose::Account, 0, Kind::Line(64)),
    kept("scopes", "密钥权限", Purpose::Permit, 0, Kind::Line(256)),
    kept("made_by", "签发人员", Purpose::Account, 0, ID),
    kept("made_at", "签发时间", Purpose::Account, 0, INSTANT),
    kept("expires_at", "有效期止", Purpose::Permit, 0, INSTANT),
    kept("revoked_at", "吊销时间", Purpose::Account, 0, INSTANT),
];

/// Fields of a break-glass entry.
pub const BREAK_GLASS: &[Field] = &[
    kept("id", "标识", Purpose::Account, 0, ID),
    kept("staff", "人员", Purpose::Account, 0, ID),
    kept("area", "区划", Purpose::Permit, 0, ID),
    kept("household", "户", Purpose::Permit, 1, ID),
    kept("reason", "事由", Purpose::Account, 1, Kind::Line(200)),
    kept("begun_at", "开始时间", Purpose::Permit, 0, INSTANT),
    kept("ends_at", "结束时间", Purpose::Permit, 0, INSTANT),
    kept("reviewed_by", "复核人员", Purpose::Account, 0, ID),
    kept("reviewed_at", "复核时间", Purpose::Account, 0, INSTANT),
    kept("verdict", "复核结论", Purpose::Account, 1, Kind::Choice(&["justified", "unjustified"])),
    kept("note", "复核说明", Purpose::Account, 1, Kind::Line(200)),
];

/// Fields of the count of revealed values, which is kept for an hour.
pub const REVEAL: &[Field] =
    &[kept("staff", "人员", Purpose::Account, 0, ID), kept("at", "时间", Purpose::Account, 0, INSTANT)];

/// Every record with its fields.
pub fn catalogue() -> Vec<(&'static str, &'static [Field])> {
    let document = SCHEMA_1.containers.iter().map(|container| (container.name, container.fields));
    let others = [
        ("visit", VISIT),
        ("note", NOTE),
        ("correction", CORRECTION),
        ("area", AREA),
        ("staff", STAFF),
        ("assignment", ASSIGNMENT),
        ("device", DEVICE),
        ("session", SESSION),
        ("second_factor", SECOND_FACTOR),
        ("api_key", API_KEY),
        ("break_glass", BREAK_GLASS),
        ("reveal", REVEAL),
    ];
    document.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::area::Area;
    use crate::division_code::DivisionCode;
    use crate::id::{AreaId, DeviceId, FactId, ResidentId, StaffId};
    use crate::instant::Instant;
    use crate::need::{Basis, Need};
    use crate::staff::{Assignment, Device, Role, Staff};
    use crate::visit::{FactBody, Mode, Observation, Outcome, Place, Visit};
    use serde::Serialize;
    use std::collections::BTreeSet;

    fn keys(record: &impl Serialize) -> BTreeSet<String> {
        let value = serde_json::to_value(record).expect("json");
        let object = value.as_object().expect("a record").clone();
        object.into_iter().map(|(key, _)| key).filter(|key| key != "type").collect()
    }

    fn names(fields: &[Field]) -> BTreeSet<String> {
        fields.iter().map(|field| field.name.to_owned()).collect()
    }

    #[test]
    fn no_field_is_kept_without_a_merge_class_purpose_basis_sensitivity_and_retention() {
        // The types demand all of them; what they cannot demand is that no field is left out.
        let at = Instant::from_ms(0);
        let area = AreaId::from_bytes([0; 16]);
        let staff = StaffId::from_bytes([0; 16]);
        let visit = Visit {
            mode: Mode::Door,
            outcome: Outcome::Met,
            purposes: vec!["routine".into()],
            spoken_to: vec![ResidentId::from_bytes([0; 16])],
            observations: vec![Observation { kind: "food".into(), value: "enough".into() }],
            note: Some("x".into()),
            place: Some(Place { latitude_microdegrees: 0, longitude_microdegrees: 0, accuracy_m: 0 }),
            started_at: at,
            ended_at: at,
        };
        let need = Need {
            purpose: "x".into(),
            basis: Basis::Consent,
            sensitivity: 1,
            expires: Some("2027-01-01".into()),
            note: Some("x".into()),
        };
        let corrects = FactId::from_bytes([0; 16]);
        let correction = FactBody::Correction { corrects, reason: "x".into(), visit: visit.clone() };
        let needs = SCHEMA_1.container("needs").expect("the set of needs").fields;
        assert_eq!(keys(&visit), names(VISIT));
        assert_eq!(keys(&FactBody::Note { text: "x".into(), written_at: at }), names(NOTE));
        assert_eq!(keys(&correction), names(CORRECTION));
        assert_eq!(keys(&need), names(needs));
        assert_eq!(keys(&need.fields()), names(needs));
        let code = DivisionCode::parse("210404").expect("a code");
        let (aliases, valid_from) = (vec![], "2020-01-01".to_owned());
        let name = "x".to_owned();
        assert_eq!(
            keys(&Area { id: area, parent: None, code, name, aliases, valid_from, valid_until: None, successor: None }),
            names(AREA)
        );
        assert_eq!(keys(&Staff { id: staff, name: "x".into(), sign_in: "x".into() }), names(STAFF));
        let role = Role::GridLeader;
        assert_eq!(keys(&Assignment { staff, role, area, from: at, until: None }), names(ASSIGNMENT));
        let id = DeviceId::from_bytes([0; 16]);
        assert_eq!(keys(&Device { id, staff, public_key: [0; 32], enrolled_at: at }), names(DEVICE));
    }

    #[test]
    fn each_field_has_a_term_and_a_name_of_its_own_within_its_record() {
        for (record, fields) in catalogue() {
            assert_eq!(names(fields).len(), fields.len(), "{record}");
            assert!(fields.iter().all(|field| !field.term.is_empty() && field.sensitivity <= 3), "{record}");
        }
    }

    #[test]
    fn the_household_document_holds_nothing_sensitive_that_is_not_sealed() {
        let sensitive: Vec<_> = SCHEMA_1
            .containers
            .iter()
            .flat_map(|container| container.fields)
            .filter(|field| field.sensitivity >= crate::schema::SENSITIVE && field.kind != Kind::SealedNumber)
            .collect();
        assert!(sensitive.is_empty(), "{sensitive:?}");
    }

    #[test]
    fn religion_political_identity_and_petitions_are_not_fields_of_persons() {
        let forbidden =
            ["religion", "political_identity", "party_member", "petition_history", "score", "rank", "label"];
        let names: BTreeSet<_> = catalogue().iter().flat_map(|(_, fields)| names(fields)).collect();
        assert!(forbidden.iter().all(|word| !names.contains(*word)), "{names:?}");
    }
}
