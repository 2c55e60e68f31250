//! Stories of telephone numbers.

use serde::de::IntoDeserializer;
use serde::de::value::{Error as ValueError, StringDeserializer};

use super::*;

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn check(text: &str, expected: &str, kind: PhoneNumberKind) {
    let read = number(text);
    assert_eq!((read.as_str(), read.kind()), (expected, kind), "{text}");
    assert_eq!(PhoneNumber::parse(expected).as_ref(), Ok(&read), "{expected} reads back as itself");
}

#[test]
fn a_mobile_is_read_however_it_was_written() {
    for text in [
        "13812345678",
        "138 1234 5678",
        "138-1234-5678",
        "(138)12345678",
        "１３８１２３４５６７８",
        "138　1234　5678",
        "138－1234—5678",
        "+86 138 1234 5678",
        "＋86-13812345678",
        "(+86)13812345678",
        "008613812345678",
        "  13812345678\t",
    ] {
        check(text, "13812345678", PhoneNumberKind::Mobile);
    }
    check("19912345678", "19912345678", PhoneNumberKind::Mobile);
}

#[test]
fn a_landline_keeps_its_leading_zero() {
    for text in
        ["0435-3912345", "(0435) 391 2345", "（0435）3912345", "04353912345", "+86 435 3912345", "+86-0435-3912345"]
    {
        check(text, "04353912345", PhoneNumberKind::Landline);
    }
    for text in ["010-65529988", "010 6552 9988", "010-6552-9988", "+86 10 6552 9988", "+86(0)10-65529988"] {
        check(text, "01065529988", PhoneNumberKind::Landline);
    }
    check("0755-12345678", "075512345678", PhoneNumberKind::Landline);
    check("024-1234567", "0241234567", PhoneNumberKind::Landline);
}

#[test]
fn an_extension_stays_behind_a_dash() {
    for text in ["0435-3912345-801", "04353912345-801", "0435-3912345转801", "+86-435-3912345-801", "0435-391-2345-801"]
    {
        check(text, "04353912345-801", PhoneNumberKind::Landline);
    }
    check("010-6552-9988-1", "01065529988-1", PhoneNumberKind::Landline);
    check("0435-39123456-8", "043539123456-8", PhoneNumberKind::Landline);
    check("0435-3912-345转8", "04353912345-8", PhoneNumberKind::Landline);
    assert_eq!(PhoneNumber::parse("0435-3912345-1234567"), Err(PhoneNumberError::Extension));
    assert_eq!(PhoneNumber::parse("0435-3912345转"), Err(PhoneNumberError::Extension));
    assert_eq!(PhoneNumber::parse("0435-3912345-"), Err(PhoneNumberError::Extension));
    assert_eq!(PhoneNumber::parse("0435-3912345转8转9"), Err(PhoneNumberError::Extension));
}

#[test]
fn services_are_reached_by_400_800_and_short_numbers() {
    check("400-123-4567", "4001234567", PhoneNumberKind::NationalService);
    check("+86 400 123 4567", "4001234567", PhoneNumberKind::NationalService);
    check("8008101234", "8008101234", PhoneNumberKind::NationalService);
    for text in ["110", "12345", "10086", "95588", "96110", "118114", "955880"] {
        check(text, text, PhoneNumberKind::ShortService);
    }
}

#[test]
fn a_foreign_number_keeps_its_plus() {
    check("+852 9123 4567", "+85291234567", PhoneNumberKind::International);
    check("00 1 (212) 555-0123", "+12125550123", PhoneNumberKind::International);
    check("+886-2-1234-5678", "+886212345678", PhoneNumberKind::International);
    check("+6834123", "+6834123", PhoneNumberKind::International);
    check("+123456789012345", "+123456789012345", PhoneNumberKind::International);
    for text in ["+1234567890123456", "+123456", "+0123456789", "+852转12345"] {
        assert_eq!(PhoneNumber::parse(text), Err(PhoneNumberError::International), "{text}");
    }
}

#[test]
fn what_is_no_phone_number_is_refused_with_the_reason() {
    for (text, error) in [
        ("", PhoneNumberError::Empty),
        (" - ", PhoneNumberError::Empty),
        ("转", PhoneNumberError::Empty),
        ("无", PhoneNumberError::Character { character: '无' }),
        ("138+12345678", PhoneNumberError::Character { character: '+' }),
        ("13812345678/13912345678", PhoneNumberError::Character { character: '/' }),
        ("1381234567", PhoneNumberError::MobileLength { digits: 10 }),
        ("138123456789", PhoneNumberError::MobileLength { digits: 12 }),
        ("3912345", PhoneNumberError::MissingAreaCode),
        ("39123456", PhoneNumberError::MissingAreaCode),
        ("3912345转8", PhoneNumberError::Extension),
        ("4001234567转8", PhoneNumberError::Extension),
        ("0435-391234", PhoneNumberError::Landline),
        ("0435-391234567", PhoneNumberError::Landline),
        ("013812345678", PhoneNumberError::Landline),
        ("0", PhoneNumberError::Landline),
        ("12812345678", PhoneNumberError::UnknownKind),
        ("911", PhoneNumberError::UnknownKind),
        ("1234", PhoneNumberError::UnknownKind),
        ("40012345678", PhoneNumberError::UnknownKind),
        ("+86", PhoneNumberError::UnknownKind),
        ("+86 1381234567", PhoneNumberError::MobileLength { digits: 10 }),
        ("+86 0435 391234", PhoneNumberError::Landline),
        ("+8-6-391", PhoneNumberError::UnknownKind),
    ] {
        assert_eq!(PhoneNumber::parse(text), Err(error), "{text}");
    }
    assert_eq!(PhoneNumber::parse(&"1".repeat(41)), Err(PhoneNumberError::TooLong));
    assert_eq!(PhoneNumber::parse(&"1".repeat(40)), Err(PhoneNumberError::UnknownKind));
}

#[test]
fn a_masked_number_hides_at_least_four_digits_of_a_person() {
    for (text, masked) in [
        ("13812345678", "138****5678"),
        ("0435-3912345", "0435****345"),
        ("0435-3912345-801", "0435****345-***"),
        ("010-65529988", "010****9988"),
        ("+85291234567", "+852****4567"),
        ("+12125550123", "+121****0123"),
        ("+6834123", "+683****"),
        ("+29012345", "+290****5"),
        ("+123456789012345", "+123********2345"),
        ("4001234567", "4001234567"),
        ("12345", "12345"),
    ] {
        assert_eq!(number(text).masked(), masked, "{text}");
    }
}

#[test]
fn no_mixture_of_its_characters_makes_reading_panic_or_waver() {
    // A fixed linear congruential walk over the characters that matter; the seed is the constant below.
    let alphabet: Vec<char> = "0123456789048616-+转( ０－".chars().collect();
    let mut state = 20_251_123_u64;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below
    };
    let mut accepted = 0;
    for _ in 0..200_000 {
        let length = draw(18);
        let text: String = (0..length).map(|_| alphabet[draw(alphabet.len())]).collect();
        if let Ok(read) = PhoneNumber::parse(&text) {
            accepted += 1;
            assert_eq!(PhoneNumber::parse(read.as_str()), Ok(read.clone()), "{text}");
            assert!(!read.masked().is_empty());
        }
    }
    assert!(accepted > 1_000, "only {accepted} of the texts were numbers");
}

#[test]
fn a_stored_number_is_judged_when_it_is_read() {
    let read = |text: &str| {
        let stored: StringDeserializer<ValueError> = text.to_owned().into_deserializer();
        PhoneNumber::deserialize(stored)
    };
    assert_eq!(String::from(read("138 1234 5678").expect("accepted")), "13812345678");
    assert_eq!(number("0435-3912345").to_string(), "04353912345");
    assert!(read("1381234567").is_err());
}
