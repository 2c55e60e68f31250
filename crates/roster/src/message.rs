//! Findings and refused files in words, Chinese and English.

use crate::finding::{Finding, Reason};
use crate::limits;
use crate::mapping::MappingError;
use crate::table::FileError;
use gridwork_domain::citizen_number::CitizenNumberError;
use gridwork_domain::language::Language;

impl Finding {
    /// Where it stands, in words: `第 5 行 C 列（性别）`.
    pub fn place_in_words(&self, language: Language) -> String {
        let place = &self.place;
        match (language, place.column.is_empty()) {
            (Language::Chinese, true) => format!("第 {} 行", place.row),
            (Language::Chinese, false) => format!("第 {} 行 {} 列（{}）", place.row, place.column, place.header),
            (Language::English, true) => format!("row {}", place.row),
            (Language::English, false) => format!("row {}, column {} ({})", place.row, place.column, place.header),
        }
    }
}

impl Reason {
    /// A word for programs, which stays the same.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NameMissing => "name_missing",
            Self::AddressMissing => "address_missing",
            Self::GridMissing => "grid_missing",
            Self::NotAGrid => "not_a_grid",
            Self::ForeignGrid => "foreign_grid",
            Self::TooLong(_) => "too_long",
            Self::Unprintable => "unprintable",
            Self::NotOneOf(_) => "not_one_of",
            Self::NotADate => "not_a_date",
            Self::DayMissing => "day_missing",
            Self::InTheFuture => "in_the_future",
            Self::Reversed => "reversed",
            Self::NotAPhone => "not_a_phone",
            Self::NotACitizenNumber(_) => "not_a_citizen_number",
            Self::DigitsLost => "digits_lost",
            Self::NumberTwice(_) => "number_twice",
            Self::BirthDiffers => "birth_differs",
            Self::NotANumber(..) => "not_a_number",
            Self::Error => "error",
            Self::Differs(_) => "differs",
            Self::SecondHead(_) => "second_head",
            Self::TwoHouseholds(_) => "two_households",
            Self::Twice(_) => "twice",
            Self::TooManyPersons => "too_many_persons",
            Self::Registered => "registered",
            Self::AddressTaken => "address_taken",
            Self::ElsewhereToo(_) => "elsewhere_too",
            Self::RemarkLeftOut(_) => "remark_left_out",
            Self::AsAbove(_) => "as_above",
            Self::NoHead => "no_head",
            Self::VeryOld => "very_old",
            Self::UnknownColumn => "unknown_column",
            Self::SecondColumn => "second_column",
        }
    }

    /// What is wrong, and what to do.
    pub fn message(&self, language: Language) -> String {
        match language {
            Language::Chinese => self.chinese(),
            Language::English => self.english(),
        }
    }

    fn chinese(&self) -> String {
        match self {
            Self::NameMissing => "缺少姓名：请补上，或删除这一行".into(),
            Self::AddressMissing => "缺少地址：请填写地址，或楼栋和门牌".into(),
            Self::GridMissing => "缺少网格：请填写网格编码，或在导入时指定一个网格".into(),
            Self::NotAGrid => "不是网格编码：应为 15 位数字".into(),
            Self::ForeignGrid => "没有这个网格，或您不能在这个网格登记住户".into(),
            Self::TooLong(longest) => format!("太长：最多 {longest} 个字"),
            Self::Unprintable => "有换行或不可见的字符：请删去".into(),
            Self::NotOneOf(words) => format!("不认识：请填写 {words}"),
            Self::NotADate => "不是日期：请写成 1980-01-31 的样子".into(),
            Self::DayMissing => "日期不完整：请写到日，例如 1980-01-31".into(),
            Self::InTheFuture => "日期晚于今天".into(),
            Self::Reversed => "日期早于它的开始：请核对两个日期".into(),
            Self::NotAPhone => "不是电话号码：手机 11 位，座机要有区号；一格只写一个号码".into(),
            Self::NotANumber(from, to) => format!("应为 {from} 到 {to} 之间的整数"),
            Self::NotACitizenNumber(error) => citizen_number(error),
            Self::DigitsLost => "被表格当成了数字，末几位已丢失：请把这一列设为文本格式，重新填写".into(),
            Self::NumberTwice(row) => format!("与第 {row} 行的身份证号相同：每人的号码都不同"),
            Self::BirthDiffers => "与身份证号里的出生日期不符：请对照证件".into(),
            Self::Error => "表格公式出错：请改成正确的值".into(),
            Self::Differs(row) => format!("与同一户的第 {row} 行不一致"),
            Self::SecondHead(row) => format!("这一户的户主已在第 {row} 行：一户只有一个户主"),
            Self::TwoHouseholds(row) => format!("同一地址第 {row} 行已有户主：请加一列户编号，分清谁属于哪一户"),
            Self::Twice(row) => format!("与第 {row} 行是同一个人：请删去一行；若是同名的两人，请都填出生日期"),
            Self::TooManyPersons => format!("一户超过 {} 人：请分成几户", limits::MOST_PERSONS),
            Self::Registered => "此户已登记，没有导入：如有变化，请在系统里更正".into(),
            Self::AddressTaken => "这个地址已登记了另一户：请确认不是同一户".into(),
            Self::ElsewhereToo(row) => format!("第 {row} 行另一户有同名同生日的人：请确认没有重复"),
            Self::RemarkLeftOut(row) => format!("一户一条备注：保留第 {row} 行的，这一条没有导入"),
            Self::AsAbove(row) => format!("没有地址：算作第 {row} 行那一户的人"),
            Self::NoHead => "这一户没有户主".into(),
            Self::VeryOld => "年龄超过 120 岁：请核对出生日期".into(),
            Self::UnknownColumn => "不认识这一列，没有导入：可用对应表指明它是什么".into(),
            Self::SecondColumn => "两列是同一内容：请删去一列，或用对应表指明".into(),
        }
    }

    fn english(&self) -> String {
        match self {
            Self::NameMissing => "the name is missing: fill it in, or delete the row".into(),
            Self::AddressMissing => "the address is missing: fill in the address, or building and door".into(),
            Self::GridMissing => "the grid is missing: fill in its code, or name one grid for the import".into(),
            Self::NotAGrid => "is not the code of a grid: it has 15 digits".into(),
            Self::ForeignGrid => "there is no such grid, or you do not register households in it".into(),
            Self::TooLong(longest) => format!("is too long: at most {longest} characters fit"),
            Self::Unprintable => "has a line break or another character that cannot be seen: remove it".into(),
            Self::NotOneOf(words) => format!("is not known: write one of {words}"),
            Self::NotADate => "is not a date: write it like 1980-01-31".into(),
            Self::DayMissing => "is not a whole date: write the day too, like 1980-01-31".into(),
            Self::InTheFuture => "is a date after today".into(),
            Self::Reversed => "is before its beginning: check both dates".into(),
            Self::NotAPhone => {
                "is not a telephone number: a mobile has 11 digits, a landline its area code; write one only".into()
            }
            Self::NotANumber(from, to) => format!("must be a whole number from {from} to {to}"),
            Self::NotACitizenNumber(error) => error.to_string(),
            Self::DigitsLost => {
                "was kept as a number and has lost its last digits: format the column as text and type it anew".into()
            }
            Self::NumberTwice(row) => format!("row {row} has the same citizen number: each has one of their own"),
            Self::BirthDiffers => "is not the birth date in the citizen number: compare both with the card".into(),
            Self::Error => "shows an error of a formula: write the value".into(),
            Self::Differs(row) => format!("differs from row {row} of the same household"),
            Self::SecondHead(row) => format!("row {row} is the head of this household already: there is only one"),
            Self::TwoHouseholds(row) => {
                format!("row {row} is a head at the same address: add a column household to tell who belongs where")
            }
            Self::Twice(row) => {
                format!("is the same person as row {row}: delete one; for two of one name, fill in both birth dates")
            }
            Self::TooManyPersons => {
                format!("a household has at most {} persons: split it into several", limits::MOST_PERSONS)
            }
            Self::Registered => "this household is registered already and was left as it is: correct it there".into(),
            Self::AddressTaken => {
                "another household is registered at this address: make sure that it is not the same".into()
            }
            Self::ElsewhereToo(row) => {
                format!(
                    "row {row}, in another household, has the same name and birth date: make sure it is not the same"
                )
            }
            Self::RemarkLeftOut(row) => {
                format!("a household has one remark: that of row {row} is kept, this was left out")
            }
            Self::AsAbove(row) => format!("has no address: taken to belong to the household of row {row}"),
            Self::NoHead => "nobody is the head of this household".into(),
            Self::VeryOld => "is more than 120 years ago: check the birth date".into(),
            Self::UnknownColumn => "this column is not known and was left out: a mapping can say what it is".into(),
            Self::SecondColumn => "a second column for the same: delete one, or say in a mapping which it is".into(),
        }
    }
}

fn citizen_number(error: &CitizenNumberError) -> String {
    match error {
        CitizenNumberError::Length { found } => format!("公民身份号码应为 18 位，现为 {found} 位"),
        CitizenNumberError::Character { position } => format!("公民身份号码第 {position} 位应为数字（末位可为 X）"),
        CitizenNumberError::UnknownDivision => "公民身份号码前 6 位不是行政区划代码".into(),
        CitizenNumberError::BirthDate => "公民身份号码第 7 至 14 位不是出生日期".into(),
        CitizenNumberError::CheckCharacter => "公民身份号码末位与前 17 位不符：请对照证件".into(),
    }
}

impl FileError {
    /// What is wrong with the file, and what to do.
    pub fn message(&self, language: Language) -> String {
        match language {
            Language::English => self.to_string(),
            Language::Chinese => match self {
                Self::TooLarge => format!("文件超过 {} MB：请分成几个文件", limits::LARGEST_FILE_BYTES >> 20),
                Self::Unpacked => "文件解压后太大：请把数据复制到一个新的表格再试".into(),
                Self::Text => "文件的文字太多：请分成几个文件".into(),
                Self::TooManyRows => format!("超过 {} 行：请分成几个文件", limits::MOST_ROWS),
                Self::TooManyColumns => format!("超过 {} 列：请删去多余的列", limits::MOST_COLUMNS),
                Self::OldOrLocked => "旧版 .xls 或加密的文件：请另存为不加密的 .xlsx".into(),
                Self::NotATable => "不是可读的 XLSX 文件：请用表格软件打开后另存为 .xlsx".into(),
                Self::Encoding => "文字编码不是 UTF-8 或 GB18030：请另存为 CSV UTF-8".into(),
                Self::NoHeader => "前 10 行里没有表头：需要一行写着 姓名 和其他列名".into(),
                Self::NoRows => "表头下面没有数据".into(),
            },
        }
    }
}

impl MappingError {
    /// What is wrong with the mapping, and what to do.
    pub fn message(&self, language: Language) -> String {
        match (language, self) {
            (Language::English, _) => self.to_string(),
            (Language::Chinese, Self::NotAMapping) => "对应表应为 JSON，例如 {\"表头\": \"name\"}".into(),
            (Language::Chinese, Self::UnknownColumn { known, .. }) => {
                format!("对应表里有不认识的列名：可用的是 {known}")
            }
            (Language::Chinese, Self::TooLarge) => "对应表太大".into(),
        }
    }
}
