//! What is refused, in words of both languages: the English of each error is its own `Display`, the Chinese stands here.
//!
//! **Invariant:** each variant of each error has its sentence in each language; the matches are exhaustive.

use crate::area::AreaError;
use crate::division_code::DivisionCodeError;
use crate::edit::{EditError, MOST_NEW_RESIDENTS};
use crate::fields::ValueError;
use crate::language::Language;
use crate::need::NeedError;
use crate::phone_number::{LONGEST_EXTENSION_DIGITS, LONGEST_TEXT_CHARACTERS, PhoneNumberError};
use crate::schema::{FieldError, NOTE_LENGTH};
use crate::sealed_number::SealedNumberError;
use crate::search::{LONGEST_QUERY, MOST_WORDS, QueryError};
use crate::visit::{FactError, LONGEST_TEXTS_BYTES};

macro_rules! in_both_languages {
    ($($error:ty)+) => {
        $(impl $error {
            /// What is wrong, and what to do, in this language.
            pub fn message(&self, language: Language) -> String {
                match language {
                    Language::Chinese => self.chinese(),
                    Language::English => self.to_string(),
                }
            }
        })+
    };
}

in_both_languages! { ValueError PhoneNumberError SealedNumberError EditError NeedError FactError QueryError AreaError DivisionCodeError }

impl FieldError {
    /// What is wrong with the field, without its name, in this language.
    pub fn message(&self, language: Language) -> String {
        match self {
            Self::Unknown { .. } => language.pick("没有这个字段", "there is no such field").to_owned(),
            Self::Value { reason, .. } => reason.message(language),
        }
    }

    /// The field, as `container.field`.
    pub fn path(&self) -> String {
        match self {
            Self::Unknown { container, field } => format!("{container}.{field}"),
            Self::Value { container, field, .. } => format!("{container}.{field}"),
        }
    }
}

impl ValueError {
    fn chinese(&self) -> String {
        match self {
            Self::NotText => "应为文字".into(),
            Self::NotANumber => "应为整数".into(),
            Self::Empty => "是空的：要清除请发送 null".into(),
            Self::TooLong { length, longest } => format!("有 {length} 个字，最多 {longest} 个"),
            Self::Unprintable => "有不可见的字符，或首尾有空格：请删去".into(),
            Self::UnknownCode(standard) => format!("不是 {standard} 的代码"),
            Self::UnknownChoice(words) => format!("应为其中之一：{words}"),
            Self::NotADate => "应为 1800 年到 2199 年间真实的日期，写成 YYYY-MM-DD".into(),
            Self::NotAPhone(reason) => format!("不是电话号码：{}", reason.chinese()),
            Self::OutOfRange(from, to) => format!("应在 {from} 到 {to} 之间"),
            Self::NotAnId => "应为居民的标识".into(),
            Self::NotSealed(reason) => reason.chinese(),
            Self::Masked => "是隐去部分内容后的值：要保留原值请不写这个字段，要更改请先查看全文再完整发送".into(),
        }
    }
}

impl PhoneNumberError {
    fn chinese(&self) -> String {
        match self {
            Self::Empty => "号码是空的".into(),
            Self::TooLong => format!("号码最多写 {LONGEST_TEXT_CHARACTERS} 个字符：只写一个号码"),
            Self::Character { character } => {
                format!("号码里不能有 {character:?}：只写一个号码，分机号写在 '-' 之后")
            }
            Self::MobileLength { digits } => format!("手机号码有 11 位数字，不是 {digits} 位"),
            Self::MissingAreaCode => "座机要有区号，例如 0435-".into(),
            Self::Landline => "座机的区号是 3 位（010、02x）或 4 位（03xx 到 09xx），后面是 7 或 8 位数字".into(),
            Self::Extension => format!("分机号是 1 到 {LONGEST_EXTENSION_DIGITS} 位数字，写在有区号的座机之后"),
            Self::International => "国际号码在 + 之后有国家代码，一共 7 到 15 位数字".into(),
            Self::UnknownKind => "不认识这种号码：手机、有区号的座机、400 或 800、短号，或 + 和国家代码".into(),
        }
    }
}

impl SealedNumberError {
    fn chinese(&self) -> String {
        match self {
            Self::NotSealed => {
                "不是密封的公民身份号码：号码在保存或发送之前要用 GET /v1/sealing-key 的公钥密封，不能明文发送".into()
            }
            Self::Algorithm(number) => format!("用算法 {number} 密封，这个版本不认识：请用算法 1"),
        }
    }
}

impl EditError {
    fn chinese(&self) -> String {
        match self {
            Self::Fields(errors) => {
                let one = |error: &FieldError| format!("{}：{}", error.path(), error.message(Language::Chinese));
                errors.iter().map(one).collect::<Vec<_>>().join("；")
            }
            Self::NoSuchRecord(path) => format!("一户里没有记录 {path}"),
            Self::Nothing => "没有要改的内容：请至少写一个字段".into(),
            Self::TooManyResidents => format!("一次最多登记 {MOST_NEW_RESIDENTS} 位居民：其余的之后再添加"),
            Self::Need(error) => error.chinese(),
            Self::Fact(error) => error.chinese(),
            Self::Clock => "设备的时钟不在 1970 年到 9999 年之间：请校准时钟".into(),
        }
    }
}

impl NeedError {
    fn chinese(&self) -> String {
        match self {
            Self::UnknownKind(kind) => format!("{kind} 不是需求的种类：请从本区的清单里选"),
            Self::NoPurpose => "需求要有 1 到 64 个字的用途：请写明标签用来做什么".into(),
            Self::TooOpen { kind, least } => format!("种类为 {kind} 的需求，敏感级别至少是 {least}"),
            Self::Sensitive => "敏感级别 2 及以上的需求还不能登记：需要受保护的关怀档案".into(),
            Self::Expires => "需求的到期日应为真实的日期，写成 YYYY-MM-DD".into(),
            Self::Note => "需求的备注是一行，最多 200 个字".into(),
        }
    }
}

impl FactError {
    fn chinese(&self) -> String {
        match self {
            Self::UnknownPurpose(purpose) => format!("{purpose} 不是走访的目的：请从本区的清单里选"),
            Self::UnknownObservation { kind, value } => format!("{kind}={value} 不是本区清单里的观察项"),
            Self::Sensitive(kind) => format!("{kind} 的观察还不能登记：需要受保护的关怀档案"),
            Self::NotAscending(what, most) => format!("{}应按升序、没有重复，最多 {most} 项", part(what)),
            Self::Text(what) => {
                format!("{}应为 1 到 {NOTE_LENGTH} 个字，没有不可见的字符，首尾没有空格", part(what))
            }
            Self::TooLong => format!("一条记录的文字一共最多 {LONGEST_TEXTS_BYTES} 字节：请另写一条记录"),
            Self::Duration => "走访在开始之后、一天之内结束".into(),
            Self::Place => "地球上没有这个位置".into(),
        }
    }
}

impl QueryError {
    fn chinese(&self) -> String {
        match self {
            Self::Length => format!("应为 1 到 {LONGEST_QUERY} 个字"),
            Self::TooManyWords => format!("最多 {MOST_WORDS} 个词：请去掉最不重要的"),
            Self::TooShort => "太短：至少姓名一个字、两个字母、电话四位数字，或地址两个字".into(),
        }
    }
}

impl AreaError {
    fn chinese(&self) -> String {
        match self {
            Self::Level(code) => format!("区域的编码有 6、9、12 或 15 位数字，不是 {code}"),
            Self::Outside { code, parent } => format!("编码 {code} 不直接属于上级的编码 {parent}"),
            Self::Validity => "区域从一个日期（YYYY-MM-DD）起有效，到不早于它的日期为止".into(),
            Self::Name => "区域有 1 到 64 个字的名称".into(),
        }
    }
}

impl DivisionCodeError {
    fn chinese(&self) -> String {
        match self {
            Self::NotDigits => "区划编码只有数字".into(),
            Self::Length { found } => {
                format!("区划编码有 2、4、6、9、12 或 15 位数字（省、市、县、乡、社区、网格），不是 {found} 位")
            }
            Self::UnknownProvince { province } => format!("没有编码为 {province} 的省（GB/T 2260）"),
            Self::TownshipNumber { digits } => {
                format!("第 7 到 9 位是 {digits}：街道为 001-099，镇为 100-199，乡为 200-399，特殊区域为 400-599")
            }
            Self::CommunityNumber { digits } => {
                format!("第 10 到 12 位是 {digits}：居委会为 001-199，村委会为 200-399，类似的为 400-599")
            }
            Self::GridNumber => "网格从 001 编号：社区本身请写 12 位".into(),
        }
    }
}

/// A part of a visit that its errors name in English.
fn part(what: &str) -> &str {
    match what {
        "the purposes of a visit" => "走访的目的",
        "the persons spoken to" => "谈话的人",
        "the observations" => "观察项",
        "the note of a visit" => "走访的备注",
        "the reason of a correction" => "更正的原因",
        "a note" => "记录的文字",
        other => other,
    }
}

#[cfg(test)]
mod tests;
