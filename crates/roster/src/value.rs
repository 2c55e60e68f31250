//! From a cell to a value of a field, in all the forms in which offices write it.
//!
//! **Invariant:** a value that comes out fits its field in its canonical form.

use crate::code_words;
use crate::finding::Reason;
use crate::table::Cell;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::fields::{Kind, Value, ValueError};
use jiff::civil::Date;

/// Numbers that are taken for a date of a spreadsheet whose cell is not formatted as one: 1927 to 2119.
const DAYS: std::ops::RangeInclusive<f64> = 10_000.0..=80_000.0;

/// The value of a cell; none if nothing stands there.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn value(kind: Kind, cell: &Cell) -> Result<Option<Value>, Reason> {
    match cell {
        Cell::Empty => return Ok(None),
        Cell::Error => return Err(Reason::Error),
        Cell::TooLong => return Err(Reason::TooLong(longest(kind))),
        _ => {}
    }
    let value = match kind {
        Kind::Date => Value::Text(date(cell)?.to_string()),
        Kind::Integer(from, to) => Value::Integer(whole(cell).ok_or(Reason::NotANumber(from, to))?),
        Kind::Code(list) => {
            let unknown = || Reason::NotOneOf(code_words::examples(list));
            code_words::code(list, &text(cell)).ok_or_else(unknown)?.into()
        }
        Kind::Choice(words) => {
            let unknown = || Reason::NotOneOf(code_words::choices(words));
            code_words::choice(words, &text(cell)).ok_or_else(unknown)?.into()
        }
        // No column is of sealed numbers: they come in the clear, and are read by a rule of their own.
        Kind::Line(_) | Kind::Note(_) | Kind::Phone | Kind::Resident | Kind::SealedNumber => Value::Text(text(cell)),
    };
    kind.check(&value).map(Some).map_err(|error| reason(kind, &error))
}

/// The citizen number of a cell, however it is spaced; none if nothing stands there.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn citizen_number(cell: &Cell) -> Result<Option<CitizenNumber>, Reason> {
    let text = match cell {
        Cell::Empty => return Ok(None),
        Cell::Error => return Err(Reason::Error),
        Cell::TooLong => return Err(Reason::TooLong(18)),
        // A spreadsheet's number has fifteen digits, and what looks like the others is made up.
        Cell::Number(_) | Cell::Date(_) => return Err(Reason::DigitsLost),
        Cell::Text(text) => text,
    };
    let narrow = |c: char| match c {
        '０'..='９' => char::from(b'0' + (c as u32 - '０' as u32) as u8),
        'Ｘ' | 'ｘ' => 'X',
        other => other,
    };
    // An apostrophe before it is how spreadsheets mark text.
    let text: String =
        text.trim_start_matches(['\'', '’']).chars().filter(|c| !c.is_whitespace()).map(narrow).collect();
    if text.is_empty() {
        return Ok(None);
    }
    if text.contains(['E', 'e']) && text.parse::<f64>().is_ok() {
        return Err(Reason::DigitsLost); // 1.10105E+17
    }
    CitizenNumber::parse(&text).map(Some).map_err(Reason::NotACitizenNumber)
}

/// The text of a cell as it is read by people.
pub(crate) fn text(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => format!("{number:.0}"),
        Cell::Number(number) => number.to_string(),
        Cell::Date(Some(date)) => date.to_string(),
        Cell::Empty | Cell::Date(None) | Cell::Error | Cell::TooLong => String::new(),
    }
}

/// A name without the space that offices put between two characters to align them: `张　三`.
pub(crate) fn name(cell: &Cell) -> Cell {
    let Cell::Text(text) = cell else { return cell.clone() };
    let is_han = |c: char| ('\u{3400}'..='\u{9fff}').contains(&c) || ('\u{20000}'..='\u{3ffff}').contains(&c);
    if text.chars().all(|c| is_han(c) || c.is_whitespace() && c != '\n') {
        Cell::Text(text.chars().filter(|c| !c.is_whitespace()).collect())
    } else {
        cell.clone()
    }
}

fn longest(kind: Kind) -> usize {
    match kind {
        Kind::Line(longest) | Kind::Note(longest) => longest,
        _ => 64,
    }
}

fn reason(kind: Kind, error: &ValueError) -> Reason {
    match error {
        ValueError::TooLong { longest, .. } => Reason::TooLong(*longest),
        ValueError::NotADate => Reason::NotADate,
        ValueError::NotAPhone(_) => Reason::NotAPhone,
        ValueError::OutOfRange(from, to) => Reason::NotANumber(*from, *to),
        ValueError::UnknownCode(_) | ValueError::UnknownChoice(_) | ValueError::NotAnId => {
            Reason::NotOneOf(if let Kind::Choice(words) = kind { code_words::choices(words) } else { String::new() })
        }
        ValueError::NotText
        | ValueError::NotANumber
        | ValueError::Empty
        | ValueError::Unprintable
        | ValueError::Masked
        | ValueError::NotSealed(_) => Reason::Unprintable,
    }
}

/// A day: `1980-01-31`, `1980/1/31`, `1980.1.31`, `1980年1月31日`, `19800131`, or a date of a spreadsheet.
fn date(cell: &Cell) -> Result<Date, Reason> {
    let text = match cell {
        Cell::Date(date) => return date.ok_or(Reason::NotADate),
        Cell::Number(days) if days.fract() == 0.0 && DAYS.contains(days) => {
            let epoch = jiff::civil::date(1899, 12, 30);
            let after = jiff::Span::new().try_days(*days as i64).map_err(|_| Reason::NotADate)?;
            return epoch.checked_add(after).map_err(|_| Reason::NotADate);
        }
        other => text(other),
    };
    let text = text.split_once([' ', 'T']).map_or(text.as_str(), |(day, _)| day);
    let parts: Vec<&str> =
        text.split(['-', '/', '.', '年', '月', '日', '－', '．']).filter(|part| !part.is_empty()).collect();
    let parts: Vec<&str> = match parts.as_slice() {
        [one] if one.len() == 8 && one.is_ascii() => vec![&one[..4], &one[4..6], &one[6..]],
        [one] if one.len() == 6 && one.is_ascii() => vec![&one[..4], &one[4..]],
        _ => parts,
    };
    let numbers: Option<Vec<i16>> =
        parts.iter().map(|part| part.parse().ok().filter(|_| part.bytes().all(|byte| byte.is_ascii_digit()))).collect();
    match numbers.ok_or(Reason::NotADate)?.as_slice() {
        [year, month, day] if parts[0].len() == 4 => {
            let (month, day) = (i8::try_from(*month), i8::try_from(*day));
            let (Ok(month), Ok(day)) = (month, day) else { return Err(Reason::NotADate) };
            Date::new(*year, month, day).map_err(|_| Reason::NotADate)
        }
        [1800..=2199] | [1800..=2199, 1..=12] => Err(Reason::DayMissing),
        _ => Err(Reason::NotADate),
    }
}

/// A whole number, also with the words around a floor: `3层`, `第3层`, `B1`.
fn whole(cell: &Cell) -> Option<i64> {
    let text = match cell {
        Cell::Number(number) => return (number.fract() == 0.0 && number.abs() < 1e15).then_some(*number as i64),
        other => text(other),
    };
    let text = text.trim_start_matches('第').trim_end_matches(['层', '楼', 'F', 'f']).trim();
    let below = text.strip_prefix(['B', 'b']).or_else(|| text.strip_prefix("地下")).or_else(|| text.strip_prefix("负"));
    match below {
        Some(below) => below.parse::<u32>().ok().map(|floor| -i64::from(floor)),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gridwork_domain::code_list::CodeList;

    fn of(kind: Kind, text: &str) -> Result<Option<Value>, Reason> {
        value(kind, &Cell::Text(text.into()))
    }

    #[test]
    fn a_day_is_read_in_every_form_that_offices_write() {
        for text in
            ["1980-01-31", "1980-1-31", "1980/1/31", "1980.01.31", "1980年1月31日", "19800131", "1980-01-31 00:00:00"]
        {
            assert_eq!(of(Kind::Date, text), Ok(Some("1980-01-31".into())), "{text}");
        }
        assert_eq!(value(Kind::Date, &Cell::Number(29_251.0)), Ok(Some("1980-01-31".into())));
        assert_eq!(value(Kind::Date, &Cell::Number(19_800_131.0)), Ok(Some("1980-01-31".into())));
    }

    #[test]
    fn what_is_no_day_is_refused_and_never_guessed() {
        for text in ["1980-02-30", "31/1/1980", "昨天", "80-1-31", "1980-1-31-1", "198001310", "+1980-1-3", "1980--"]
        {
            assert!(matches!(of(Kind::Date, text), Err(Reason::NotADate | Reason::DayMissing)), "{text}");
        }
        for text in ["1980", "1980-01", "1980年1月", "198001"] {
            assert_eq!(of(Kind::Date, text), Err(Reason::DayMissing), "{text}");
        }
        assert_eq!(value(Kind::Date, &Cell::Number(1980.0)), Err(Reason::DayMissing), "a year, and no day of 1905");
        assert_eq!(value(Kind::Date, &Cell::Date(None)), Err(Reason::NotADate));
    }

    #[test]
    fn numbers_of_spreadsheets_are_texts_where_texts_belong() {
        assert_eq!(value(Kind::Line(16), &Cell::Number(301.0)), Ok(Some("301".into())));
        assert_eq!(value(Kind::Phone, &Cell::Number(13_812_345_678.0)), Ok(Some("13812345678".into())));
        assert_eq!(of(Kind::Phone, "1.38E+10"), Err(Reason::NotAPhone));
        for (text, floor) in [("3", 3), ("3层", 3), ("第3层", 3), ("B1", -1), ("-1", -1), ("地下1层", -1)] {
            assert_eq!(of(Kind::Integer(-9, 200), text), Ok(Some(Value::Integer(floor))), "{text}");
        }
        assert_eq!(of(Kind::Integer(-9, 200), "高层"), Err(Reason::NotANumber(-9, 200)));
        assert_eq!(of(Kind::Integer(-9, 200), "B99999999999"), Err(Reason::NotANumber(-9, 200)));
    }

    #[test]
    fn a_refused_word_says_what_could_be_written() {
        assert_eq!(of(Kind::Code(CodeList::Sex), "不详啊"), Err(Reason::NotOneOf("男 女".into())));
        let kinds = Kind::Choice(&["registered", "floating", "foreign"]);
        assert_eq!(of(kinds, "空"), Err(Reason::NotOneOf("户籍人口 流动人口 境外人员".into())));
        assert_eq!(of(Kind::Line(2), "王小明"), Err(Reason::TooLong(2)));
        assert_eq!(value(Kind::Note(2_000), &Cell::TooLong), Err(Reason::TooLong(2_000)));
    }

    #[test]
    fn names_lose_the_space_that_aligns_them() {
        assert_eq!(name(&Cell::Text("张　三".into())), Cell::Text("张三".into()));
        assert_eq!(name(&Cell::Text("John Smith".into())), Cell::Text("John Smith".into()));
    }
}
