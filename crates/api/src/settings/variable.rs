//! Variables of the environment, read into values: texts, contents of files, addresses and networks, numbers within bounds.
//!
//! Which variables there are, and what they are for, is not known here.
//!
//! **Invariant:** a value that cannot be is told by its name, and changes nothing.

use std::borrow::Cow;
use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A setting that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSetting {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

/// All settings that cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSettings(pub Vec<WrongSetting>);

impl fmt::Display for WrongSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("these settings cannot be:")?;
        self.0.iter().try_for_each(|one| write!(f, "\n  {}: {}", one.name, one.reason))
    }
}

impl std::error::Error for WrongSettings {}

/// Variables that are looked up by name, and what was wrong with them so far.
pub(super) struct Variables<L> {
    look_up: L,
    wrong: Vec<WrongSetting>,
}

impl<L: Fn(&str) -> Option<String>> Variables<L> {
    /// None of them was read yet.
    pub(super) fn new(look_up: L) -> Self {
        Self { look_up, wrong: Vec::new() }
    }

    /// What was made of them, if nothing was wrong with any.
    ///
    /// # Errors
    /// [`WrongSettings`] with all that was.
    pub(super) fn finish<T>(self, made: T) -> Result<T, WrongSettings> {
        if self.wrong.is_empty() { Ok(made) } else { Err(WrongSettings(self.wrong)) }
    }

    /// A variable that is empty counts as not set: container files cannot unset one.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        (self.look_up)(name).filter(|text| !text.is_empty())
    }

    /// The content of the file that a variable names.
    pub(super) fn file(&mut self, name: &'static str) -> Option<Vec<u8>> {
        let path = self.text(name)?;
        fs::read(&path).map_err(|error| self.refuse(name, format!("{path:?} cannot be read: {error}"))).ok()
    }

    /// Notes what is wrong with a variable, and what would be right.
    pub(super) fn refuse(&mut self, name: &'static str, reason: String) {
        self.wrong.push(WrongSetting { name: name.into(), reason });
    }

    /// Reads a value that is written in this form, if it is set: an address, or a list of networks.
    pub(super) fn parsed<T: FromStr>(&mut self, name: &'static str, form: &str, into: &mut T) {
        match self.text(name).map(|text| text.parse().map_err(|_| text)) {
            None => {}
            Some(Ok(value)) => *into = value,
            Some(Err(text)) => self.refuse(name, format!("{text:?} is not {form}")),
        }
    }

    /// Reads a number within these bounds, if it is set.
    pub(super) fn number<T: FromStr + PartialOrd + fmt::Display>(
        &mut self,
        name: &'static str,
        range: RangeInclusive<T>,
        into: &mut T,
    ) {
        match self.text(name).map(|text| text.parse().ok().filter(|number| range.contains(number)).ok_or(text)) {
            None => {}
            Some(Ok(value)) => *into = value,
            Some(Err(text)) => {
                self.refuse(name, format!("{text:?} is not a number from {} to {}", range.start(), range.end()));
            }
        }
    }
}
