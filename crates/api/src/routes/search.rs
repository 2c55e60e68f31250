//! Searching 搜索: residents and households by whatever a caller on the phone can be understood to say.

use crate::caller::Caller;
use crate::limits::LONGEST_NEED_KIND;
use crate::problem::Problem;
use crate::rate::Whose;
use crate::request_parts::{Filter, page, search as searched};
use crate::shown::Shown;
use crate::state::State;
use crate::view::PageBody;
use actix_web::{get, web};
use gridwork_domain::id::AreaId;
use gridwork_domain::language::Bilingual;
use gridwork_domain::search::{Query, Rank};
use gridwork_registry::{SearchFilter, SearchHit};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// Whom to search for.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct SearchQuery {
    /// One to four words, 1 to 64 characters, all of which must fit. A word is a name or its beginning or end (张三, 三),
    /// its pinyin (`zhangsan`, `zhang`) or initials (`zs`), four or more digits of a phone number, or a fragment of an
    /// address (繁荣路16号). Full-width and half-width, upper and lower case are the same.
    #[param(min_length = 1, max_length = 64, example = "zs 繁荣路")]
    q: String,
    /// Only those within this area.
    #[param(value_type = Option<String>)]
    area: Option<AreaId>,
    /// Only residents with a need of this kind, their own or their household's, and households in which there is one.
    #[param(min_length = 1, max_length = 32, example = "meal_service")]
    need: Option<String>,
    /// `next` of the page before.
    after: Option<String>,
    /// Rows of the page, 1 to 200.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
}

/// A resident or a household that was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchHit)]
pub(crate) struct SearchHitBody {
    /// What was found.
    kind: HitKind,
    /// The household.
    #[schema(example = "AZk2b0cRcAC7rJ0l7m9m1g")]
    household: String,
    /// The resident; null if the household itself was found.
    #[schema(required = true)]
    resident: Option<String>,
    /// The grid in which the household is.
    grid: String,
    /// The resident's name.
    #[schema(required = true, example = "张三")]
    name: Option<String>,
    /// The household's address.
    #[schema(required = true, example = "繁荣路16号3单元501")]
    address: Option<String>,
    /// By what the words found it, the word that ranks first.
    matched: Vec<Matched>,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HitKind {
    /// A resident 居民.
    Resident,
    /// A household 户.
    Household,
}

/// By what a word found somebody. They rank in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Matched {
    /// The whole name.
    ExactName,
    /// The beginning or end of the name.
    PartOfName,
    /// The pinyin of the name or of a part of it.
    Pinyin,
    /// The initials.
    Initials,
    /// Digits of a phone number.
    Phone,
    /// A fragment of the address.
    Address,
}

impl Matched {
    fn of(rank: Rank) -> Option<Self> {
        match rank {
            Rank::ExactName => Some(Self::ExactName),
            Rank::NameBegins | Rank::NameEnds => Some(Self::PartOfName),
            Rank::Pinyin | Rank::PinyinPart => Some(Self::Pinyin),
            Rank::Initials => Some(Self::Initials),
            Rank::Phone => Some(Self::Phone),
            Rank::Address => Some(Self::Address),
            Rank::Need => None,
        }
    }
}

impl From<Shown<SearchHit>> for SearchHitBody {
    fn from(hit: Shown<SearchHit>) -> Self {
        let hit = hit.into_inner();
        let mut matched: Vec<Matched> = hit.matched.into_iter().filter_map(Matched::of).collect();
        matched.dedup();
        Self {
            kind: if hit.resident.is_some() { HitKind::Resident } else { HitKind::Household },
            household: hit.household.to_string(),
            resident: hit.resident.map(|id| id.to_string()),
            grid: hit.scope.to_string(),
            name: hit.name,
            address: hit.address,
            matched,
        }
    }
}

/// Search residents and households
///
/// Those in your areas whom all words find, the best first: whole names, parts of names, pinyin, initials, phone numbers,
/// addresses. A page may hold fewer than `limit`, even none, and still have a `next`: go on until it is null. Whoever sees
/// phones masked may search by digits of them so many times an hour.
#[utoipa::path(
    operation_id = "search",
    tag = "search",
    security(("staff" = [])),
    extensions(("x-gridwork-permission" = json!("read"))),
    params(SearchQuery),
    responses(
        (status = 200, description = "A page of what was found.", body = PageBody<SearchHitBody>),
        (status = 429, description = "You have searched by digits of phones as often as may be within an hour.")
    )
)]
#[get("/v1/search")]
pub(crate) async fn search(
    caller: Caller,
    query: Filter<SearchQuery>,
    state: web::Data<State>,
) -> Result<web::Json<PageBody<SearchHitBody>>, Problem> {
    let SearchQuery { q, area, need, after, limit } = query.0;
    let (after, limit) = page(after.as_deref(), limit)?;
    let query =
        Query::parse(&q).map_err(|error| Problem::field("q", Bilingual::of(|language| error.message(language))))?;
    let by_phone = query.seeks_phone() && caller.sees_phones_masked();
    if by_phone {
        state.rates.count(Whose::PhoneSearches(caller.staff), caller.now).await?;
    }
    let filter = SearchFilter { query, area, need: searched("need", need, LONGEST_NEED_KIND)? };
    let found = state.registry.search(&caller.reach(), filter, after, limit).await?;
    let shown = match by_phone {
        true => Shown::sought_by_phone(&caller, &state, found).await?,
        false => Shown::to(&caller, &state, found).await?,
    };
    Ok(web::Json(PageBody::of(shown)))
}
