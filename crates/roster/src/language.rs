//! The languages in which problems are told and lists are headed: Chinese and English.

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// 中文.
    Chinese,
    /// English.
    English,
}

impl Language {
    /// The language of a tag (RFC 5646) such as `zh-CN`, `zh` or `en-GB`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        match tag.split(['-', '_']).next()?.trim().to_ascii_lowercase().as_str() {
            "zh" => Some(Self::Chinese),
            "en" => Some(Self::English),
            _ => None,
        }
    }

    /// The language that an `Accept-Language` (RFC 9110, 12.5.4) likes best; Chinese if it names neither.
    pub fn preferred(accept: &str) -> Self {
        let weighed = accept.split(',').filter_map(|one| {
            let (tag, weight) = one.split_once(';').unwrap_or((one, "q=1"));
            let weight: f32 = weight.trim().strip_prefix("q=")?.trim().parse().ok()?;
            Some((Self::of_tag(tag.trim())?, weight))
        });
        let best =
            weighed.filter(|(_, weight)| *weight > 0.0).reduce(|one, other| if other.1 > one.1 { other } else { one });
        best.map_or(Self::Chinese, |(language, _)| language)
    }

    /// The one of two texts that is in this language.
    pub const fn pick<'t>(self, chinese: &'t str, english: &'t str) -> &'t str {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_that_is_liked_best_is_taken_and_chinese_otherwise() {
        for (accept, language) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB, zh;q=0.4", Language::English),
            ("fr, en;q=0.2", Language::English),
            ("zh;q=0, en;q=0.1", Language::English),
            ("fr", Language::Chinese),
            ("*", Language::Chinese),
            ("", Language::Chinese),
            (";;;q=,en;q=x", Language::Chinese),
        ] {
            assert_eq!(Language::preferred(accept), language, "{accept}");
        }
    }
}
