//! The languages in which people are told things: Chinese and English; and a text in both.
//!
//! It does not know what is told, nor how a caller says which language they read.
//!
//! **Invariant:** a [`Bilingual`] has both texts: nothing is worded in one language alone.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// 中文.
    Chinese,
    /// English.
    English,
}

impl Language {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Chinese, Self::English];

    /// The language of a tag (RFC 5646) such as `zh-CN`, `zh` or `en-GB`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next()?.trim().to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// Its tag (RFC 5646), as in `Content-Language`.
    pub const fn tag(self) -> &'static str {
        self.pick("zh-CN", "en")
    }

    /// The one of two texts that is in this language.
    pub const fn pick<'t>(self, chinese: &'t str, english: &'t str) -> &'t str {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }
}

/// A text in both languages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bilingual {
    /// 中文.
    pub chinese: String,
    /// English.
    pub english: String,
}

impl Bilingual {
    /// The text that is made for each language.
    pub fn of(text: impl Fn(Language) -> String) -> Self {
        Self { chinese: text(Language::Chinese), english: text(Language::English) }
    }

    /// The text in this language.
    pub fn pick(&self, language: Language) -> &str {
        language.pick(&self.chinese, &self.english)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_names_its_language_whatever_its_region() {
        for (tag, language) in [
            ("zh-CN", Some(Language::Chinese)),
            ("ZH", Some(Language::Chinese)),
            ("zh-Hans-CN", Some(Language::Chinese)),
            ("en-GB", Some(Language::English)),
            ("fr", None),
            ("*", None),
            ("", None),
        ] {
            assert_eq!(Language::of_tag(tag), language, "{tag}");
        }
        assert!(Language::ALL.iter().all(|language| Language::of_tag(language.tag()) == Some(*language)));
    }
}
