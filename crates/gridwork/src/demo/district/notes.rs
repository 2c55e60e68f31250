//! What leaders write: sentences from the list beside this module, put together as a leader would in the evening.
//!
//! It knows what a home is about (elders, tenants, …) but not whose it is. Nothing of health, mood or income is written.

use super::calendar::{is_winter, month_and_day};
use super::chance::Chance;
use gridwork_domain::instant::Instant;
use gridwork_domain::visit::{Mode, Outcome};
use std::sync::LazyLock;

/// One line of `notes.csv`: what it is about, in which part of a note it stands, and the words.
struct Phrase {
    about: &'static str,
    part: &'static str,
    text: &'static str,
}

static PHRASES: LazyLock<Vec<Phrase>> = LazyLock::new(|| {
    include_str!("notes.csv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let [about, part, text] = line.split(',').collect::<Vec<_>>()[..] else { return None };
            Some(Phrase { about, part, text })
        })
        .collect()
});

/// The home that a note is about, as its leader sees it.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    /// How the leader calls who lives there: `王大爷`.
    pub(super) called: String,
    /// What may be said of it beside what may be said of any home: the words of the first column.
    pub(super) about: Vec<&'static str>,
}

impl Subject {
    /// The note of a visit at `at`.
    pub(super) fn visit_note(&self, chance: &mut Chance, mode: Mode, outcome: Outcome, at: Instant) -> String {
        let parts: &[(&str, u32)] = match (outcome, mode) {
            (Outcome::NoAnswer, Mode::Phone) => return "打电话没有人接，改天再联系。".to_owned(),
            (Outcome::NoAnswer, _) => &[("absent", 100)],
            (Outcome::Refused, _) => &[("refused", 100)],
            (Outcome::MovedAway | Outcome::Vacant, _) => &[("moved", 100)],
            (_, Mode::Phone) => &[("phone", 100), ("done", 35)],
            (Outcome::Proxy, _) | (_, Mode::Neighbour) => &[("neighbour", 100), ("done", 20)],
            (Outcome::Met, Mode::Door) => &[("met", 100), ("seen", 50), ("done", 55)],
        };
        let mut note = String::new();
        for (part, percent) in parts {
            if chance.percent(*percent) {
                note += &self.sentence(chance, part, at);
            }
        }
        note
    }

    /// A note that is no visit's.
    pub(super) fn note(&self, chance: &mut Chance, at: Instant) -> String {
        self.sentence(chance, "note", at)
    }

    /// One sentence for a part of a note; what is said of such homes only is twice as likely.
    fn sentence(&self, chance: &mut Chance, part: &str, at: Instant) -> String {
        let weight = |phrase: &Phrase| match phrase.about {
            _ if phrase.part != part => 0,
            "any" => 1,
            "winter" => 2 * u32::from(is_winter(at)),
            about => 2 * u32::from(self.about.contains(&about)),
        };
        let text = chance.weighted(PHRASES.iter().map(|phrase| (phrase.text, weight(phrase))));
        let mut words = text.replace("{人}", &self.called);
        if words.contains('{') {
            let (month, day) = month_and_day(at.plus_ms(chance.within(2..9) * super::calendar::DAY_MS));
            let date = format!("{month}月{day}日");
            words = words
                .replace("{几}", chance.one_of(&["两", "三", "四", "五"]))
                .replace("{时}", chance.one_of(&["上午", "下午三点后", "晚上六点后", "周末"]))
                .replace("{日}", chance.one_of(&["明天", "后天", "下周一", "下周三", "周末前", "月底前", &date]));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::super::chance::Stream;
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_line_is_read_and_has_a_known_place_in_a_note() {
        assert_eq!(PHRASES.len(), include_str!("notes.csv").lines().count() - 1);
        let parts = ["met", "seen", "done", "phone", "neighbour", "absent", "refused", "moved", "note"];
        for phrase in PHRASES.iter() {
            assert!(parts.contains(&phrase.part) && phrase.text.ends_with('。'), "{}", phrase.text);
        }
        for part in parts {
            assert!(PHRASES.iter().any(|phrase| phrase.part == part && phrase.about == "any"), "{part}");
        }
    }

    #[test]
    fn notes_vary_and_no_blank_is_left_open() {
        let mut chance = Chance::new(3, Stream::District);
        let at = Instant::from_ms(1_798_732_800_000);
        let subject = Subject { called: "王大爷".into(), about: vec!["elder", "old"] };
        let notes: BTreeSet<_> =
            (0..1_000).map(|_| subject.visit_note(&mut chance, Mode::Door, Outcome::Met, at)).collect();
        assert!(notes.len() > 500, "{}", notes.len());
        for note in &notes {
            assert!(!note.contains(['{', '}']) && note.ends_with('。') && note.chars().count() < 150, "{note}");
        }
        assert!(notes.iter().any(|note| note.contains("王大爷")));
    }
}
