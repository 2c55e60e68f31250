//! The lists that everybody works with, in JSON.
//!
//! **Invariant:** the version is that of all the rest: the same lists and areas have the same, on every node.

use crate::problem::Problem;
use gridwork_domain::area::Area;
use gridwork_domain::catalogue::catalogue;
use gridwork_domain::code_list::CodeList;
use gridwork_domain::need;
use gridwork_domain::visit::{Mode, Outcome};
use gridwork_domain::wording::{Wording, choices, in_english, wording_of};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

/// The lists that everybody works with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reference)]
pub(crate) struct ReferenceBody {
    /// Their version, as in the header `ETag`.
    version: String,
    #[serde(flatten)]
    lists: ListsBody,
}

/// The lists.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReferenceLists)]
pub(crate) struct ListsBody {
    /// National code lists for persons.
    code_lists: Vec<CodeListBody>,
    /// Kinds of needs 需求标签.
    need_kinds: Vec<NeedKindBody>,
    /// How a household is visited 走访方式.
    visit_modes: Vec<WordBody>,
    /// What comes of a visit 走访结果.
    visit_outcomes: Vec<WordBody>,
    /// Every field that is kept, with its names.
    fields: Vec<FieldBody>,
    /// The areas in which you work, and those that contain them, in the order of their codes.
    areas: Vec<ReferenceAreaBody>,
}

/// A national code list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CodeList)]
pub(crate) struct CodeListBody {
    /// What it is a list of.
    #[schema(example = "sex")]
    list: String,
    /// The standard with its year.
    #[schema(example = "GB/T 2261.1-2003")]
    standard: &'static str,
    /// Its rows, in the order of their codes.
    rows: Vec<CodeRowBody>,
}

/// A row of a national code list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CodeRow)]
pub(crate) struct CodeRowBody {
    /// The code.
    #[schema(example = "1")]
    code: &'static str,
    /// The Chinese name, as the standard words it.
    #[schema(example = "男性")]
    name: &'static str,
}

/// A kind of need.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NeedKind)]
pub(crate) struct NeedKindBody {
    /// The code that records hold.
    #[schema(example = "elder_alone")]
    kind: &'static str,
    /// The users' term.
    #[schema(example = "独居老人")]
    chinese: &'static str,
    /// In English.
    #[schema(example = "elder alone")]
    english: String,
    /// The lowest sensitivity that a need of this kind has.
    least_sensitivity: u8,
}

/// A word that records hold, with its names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Wording)]
pub(crate) struct WordBody {
    /// The word.
    #[schema(example = "door")]
    word: &'static str,
    /// In Chinese.
    #[schema(example = "入户看")]
    chinese: &'static str,
    /// In English.
    #[schema(example = "at the door")]
    english: &'static str,
}

/// A field that is kept.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CatalogueField)]
pub(crate) struct FieldBody {
    /// The record of which it is one.
    #[schema(example = "dwelling")]
    record: &'static str,
    /// Its name in JSON.
    #[schema(example = "status")]
    field: &'static str,
    /// The users' term.
    #[schema(example = "房屋状态")]
    chinese: &'static str,
    /// In English.
    #[schema(example = "status")]
    english: String,
    /// How sensitive it is: 0 public, 1 personal, 2 sensitive, 3 most sensitive.
    sensitivity: u8,
    /// The words that it may hold; null if it holds something else.
    #[schema(required = true)]
    words: Option<Vec<WordBody>>,
}

/// An area in which you work, or that contains one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ReferenceArea)]
pub(crate) struct ReferenceAreaBody {
    /// Its id.
    id: String,
    /// The area that contains it; null for the district.
    #[schema(required = true)]
    parent: Option<String>,
    /// Its division code.
    #[schema(example = "210404001005003")]
    code: String,
    /// Its name.
    #[schema(example = "三公里社区第三网格")]
    name: String,
}

impl ReferenceBody {
    /// The lists, with these areas.
    ///
    /// # Errors
    /// A problem if they cannot be written.
    pub(crate) fn new(areas: Vec<Area>) -> Result<Self, Problem> {
        let area = |area: Area| ReferenceAreaBody {
            id: area.id.to_string(),
            parent: area.parent.map(|parent| parent.to_string()),
            code: area.code.to_string(),
            name: area.name,
        };
        let named = |word: &'static str| wording_of(word).map(WordBody::from);
        let lists = ListsBody {
            code_lists: CodeList::ALL.into_iter().map(CodeListBody::from).collect(),
            need_kinds: need::kinds().iter().map(NeedKindBody::from).collect(),
            visit_modes: Mode::ALL.iter().filter_map(|mode| named(mode.word())).collect(),
            visit_outcomes: Outcome::ALL.iter().filter_map(|outcome| named(outcome.word())).collect(),
            fields: fields(),
            areas: areas.into_iter().map(area).collect(),
        };
        let bytes = serde_json::to_vec(&lists).map_err(Problem::internal)?;
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { version: format!("\"{digest}\""), lists })
    }

    /// Their version, as an entity tag.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }
}

fn fields() -> Vec<FieldBody> {
    let of_record = |(record, fields): (&'static str, &'static [gridwork_domain::schema::Field])| {
        fields.iter().map(move |field| FieldBody {
            record,
            field: field.name,
            chinese: field.term,
            english: in_english(field.name),
            sensitivity: field.sensitivity,
            words: choices(field).map(|words| words.into_iter().map(WordBody::from).collect()),
        })
    };
    catalogue().into_iter().flat_map(of_record).collect()
}

impl From<&'static Wording> for WordBody {
    fn from(wording: &'static Wording) -> Self {
        Self { word: wording.word, chinese: wording.chinese, english: wording.english }
    }
}

impl From<&'static need::NeedKind> for NeedKindBody {
    fn from(kind: &'static need::NeedKind) -> Self {
        Self {
            kind: kind.code,
            chinese: kind.term,
            english: in_english(kind.code),
            least_sensitivity: kind.least_sensitivity,
        }
    }
}

impl From<CodeList> for CodeListBody {
    fn from(list: CodeList) -> Self {
        let name = match list {
            CodeList::Sex => "sex",
            CodeList::MaritalStatus => "marital_status",
            CodeList::HealthStatus => "health_status",
            CodeList::Employment => "employment",
            CodeList::Ethnicity => "ethnicity",
            CodeList::FamilyRelation => "relation",
        };
        let rows = list.rows().iter().map(|row| CodeRowBody { code: row.code, name: row.name }).collect();
        Self { list: name.to_owned(), standard: list.standard(), rows }
    }
}
