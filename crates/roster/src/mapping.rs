//! Which column of a file is which, where its header does not say so in words that are known.
//!
//! It is JSON: `{"居民名字": "name", "房": "door", "内部编号": null}`; null leaves a column out. What it does not name is
//! found by its header.

use crate::column::{COLUMNS, Column, plain};
use crate::limits;
use std::collections::BTreeMap;

/// A mapping from headers, in plain form, to columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping(BTreeMap<String, Option<&'static Column>>);

/// Why a text is no mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// Not JSON of the right form.
    #[error("a mapping is JSON from headers to columns, such as {{\"Header\": \"name\"}}")]
    NotAMapping,
    /// A name that is no column's.
    #[error("the mapping names a column that is not known: the columns are {known}")]
    UnknownColumn {
        /// Those that are.
        known: String,
    },
    /// More than anybody writes.
    #[error("a mapping has at most {} bytes", limits::LARGEST_MAPPING_BYTES)]
    TooLarge,
}

impl Mapping {
    /// Reads a mapping.
    ///
    /// # Errors
    /// [`MappingError`].
    pub fn parse(json: &str) -> Result<Self, MappingError> {
        if json.len() > limits::LARGEST_MAPPING_BYTES {
            return Err(MappingError::TooLarge);
        }
        let given: BTreeMap<String, Option<String>> =
            serde_json::from_str(json).map_err(|_| MappingError::NotAMapping)?;
        let known = || COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>().join(", ");
        let mut mapping = Self::default();
        for (header, name) in given {
            let column = match name {
                Some(name) => Some(Column::named(&name).ok_or_else(|| MappingError::UnknownColumn { known: known() })?),
                None => None,
            };
            mapping.0.insert(plain(&header), column);
        }
        Ok(mapping)
    }

    /// The column of a header: `Some(None)` if it is to be left out, `None` if nobody knows it.
    pub(crate) fn column(&self, header: &str) -> Option<Option<&'static Column>> {
        match self.0.get(&plain(header)) {
            Some(column) => Some(*column),
            None => Column::headed(header).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_names_what_headers_do_not() {
        let mapping = Mapping::parse(r#"{"居民 名字": "name", "备注": null}"#).expect("a mapping");
        assert_eq!(mapping.column("居民名字"), Some(Column::named("name")));
        assert_eq!(mapping.column("备注"), Some(None));
        assert_eq!(mapping.column("性别"), Some(Column::named("sex")));
        assert_eq!(mapping.column("政治面貌"), None);
    }

    #[test]
    fn what_is_no_mapping_is_refused_with_what_would_be_right() {
        assert_eq!(Mapping::parse("[]"), Err(MappingError::NotAMapping));
        assert_eq!(Mapping::parse(&"x".repeat(20_000)), Err(MappingError::TooLarge));
        let unknown = Mapping::parse(r#"{"甲": "religion"}"#).expect_err("refused").to_string();
        assert!(unknown.contains("birth_date"), "{unknown}");
    }
}
