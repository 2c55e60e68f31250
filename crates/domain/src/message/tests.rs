//! Every refusal speaks both languages.

use super::*;
use crate::household::RecordPath;

/// Fails for a text that is missing in a language, or is the same in both.
fn check(name: &str, message: impl Fn(Language) -> String) {
    let [chinese, english] = Language::ALL.map(message);
    assert!(!chinese.is_empty() && !english.is_empty() && chinese != english, "{name}: {chinese:?}, {english:?}");
    assert!(chinese.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{name} has no Chinese: {chinese}");
    assert!(english.is_ascii(), "{name} is not English: {english}");
}

#[test]
fn every_refusal_of_a_field_is_told_in_both_languages() {
    let phones = [
        PhoneNumberError::Empty,
        PhoneNumberError::TooLong,
        PhoneNumberError::Character { character: 'x' },
        PhoneNumberError::MobileLength { digits: 10 },
        PhoneNumberError::MissingAreaCode,
        PhoneNumberError::Landline,
        PhoneNumberError::Extension,
        PhoneNumberError::International,
        PhoneNumberError::UnknownKind,
    ];
    let mut values = vec![
        ValueError::NotText,
        ValueError::NotANumber,
        ValueError::Empty,
        ValueError::TooLong { length: 3, longest: 2 },
        ValueError::Unprintable,
        ValueError::UnknownCode("GB/T 2261.1"),
        ValueError::UnknownChoice("let, vacant".into()),
        ValueError::NotADate,
        ValueError::OutOfRange(0, 9),
        ValueError::NotAnId,
    ];
    for phone in phones {
        check(&format!("{phone:?}"), |language| phone.message(language));
        values.push(ValueError::NotAPhone(phone));
    }
    for reason in values {
        check(&format!("{reason:?}"), |language| reason.message(language));
        let error = FieldError::Value { container: "household", field: "contact_phone", reason };
        check(&format!("{error:?}"), |language| error.message(language));
    }
    let unknown = FieldError::Unknown { container: "household", field: "colour".into() };
    check("unknown", |language| unknown.message(language));
    let edit = EditError::Fields(vec![unknown]);
    check("fields", |language| edit.message(language));
}

#[test]
fn every_other_refusal_is_told_in_both_languages() {
    let needs = [
        NeedError::UnknownKind("x".into()),
        NeedError::NoPurpose,
        NeedError::TooOpen { kind: "x".into(), least: 1 },
        NeedError::Sensitive,
        NeedError::Expires,
        NeedError::Note,
    ];
    let facts = [
        FactError::UnknownPurpose("x".into()),
        FactError::UnknownObservation { kind: "x".into(), value: "y".into() },
        FactError::Sensitive("x".into()),
        FactError::NotAscending("the observations", 2),
        FactError::Text("the note of a visit"),
        FactError::TooLong,
        FactError::Duration,
        FactError::Place,
    ];
    let record = RecordPath { container: "colour".into(), id: None };
    let mut edits =
        vec![EditError::NoSuchRecord(record), EditError::Nothing, EditError::TooManyResidents, EditError::Clock];
    edits.extend(needs.map(EditError::Need));
    edits.extend(facts.map(EditError::Fact));
    edits.iter().for_each(|error| check(&format!("{error:?}"), |language| error.message(language)));
    for error in [QueryError::Length, QueryError::TooManyWords, QueryError::TooShort] {
        check(&format!("{error:?}"), |language| error.message(language));
    }
    let outside = AreaError::Outside { code: "1".into(), parent: "2".into() };
    for error in [AreaError::Level("1".into()), outside, AreaError::Validity, AreaError::Name] {
        check(&format!("{error:?}"), |language| error.message(language));
    }
    for error in [
        DivisionCodeError::NotDigits,
        DivisionCodeError::Length { found: 1 },
        DivisionCodeError::UnknownProvince { province: "99".into() },
        DivisionCodeError::TownshipNumber { digits: "999".into() },
        DivisionCodeError::CommunityNumber { digits: "999".into() },
        DivisionCodeError::GridNumber,
    ] {
        check(&format!("{error:?}"), |language| error.message(language));
    }
}
