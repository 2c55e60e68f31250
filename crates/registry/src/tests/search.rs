//! Finding people as somebody does who has them on the phone.

use super::{AGENT, COMMUNITY, District, GRIDS, LEADERS, NOW, edit, fresh, scope};
use crate::{Import, ReadError, SearchFilter, SearchHit};
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::Fields;
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{AreaId, HouseholdId, MembershipId, ResidentId, ScopeId, StaffId};
use gridwork_domain::need::{Basis, Need};
use gridwork_domain::search::{Query, Rank, Searched, SearchedResident};
use std::collections::BTreeSet;

/// A household as it is registered.
#[derive(Debug, Clone)]
struct Home {
    grid: usize,
    id: HouseholdId,
    address: String,
    contact_phone: Option<String>,
    /// Id, name and phone.
    residents: Vec<(ResidentId, String, Option<String>)>,
    /// Whether the household needs meals, and which of its residents do.
    needs: BTreeSet<Option<usize>>,
}

impl Home {
    fn new(grid: usize, address: &str, residents: &[(&str, Option<&str>)]) -> Self {
        let resident = |(name, phone): &(&str, Option<&str>)| {
            (ResidentId::from_bytes(fresh()), (*name).to_owned(), phone.map(str::to_owned))
        };
        Self {
            grid,
            id: HouseholdId::from_bytes(fresh()),
            address: address.to_owned(),
            contact_phone: None,
            residents: residents.iter().map(resident).collect(),
            needs: BTreeSet::new(),
        }
    }

    fn edits(&self) -> Vec<Edit> {
        let residents = self.residents.iter().map(|(id, name, phone)| NewResident {
            resident: *id,
            membership: MembershipId::from_bytes(fresh()),
            fields: with(Fields::new().with("name", name.as_str()), "phone", phone.as_deref()),
            stay: Fields::new(),
        });
        let register = Action::RegisterHousehold {
            fields: with(Fields::new(), "contact_phone", self.contact_phone.as_deref()),
            dwelling: Fields::new().with("address", self.address.as_str()),
            residents: residents.collect(),
        };
        let needs = self.needs.iter().map(|place| {
            let need = Need {
                purpose: "送餐".into(),
                basis: Basis::Consent,
                sensitivity: 1,
                expires: Some("2027-01-01".into()),
                note: None,
            };
            Action::AffirmNeed {
                resident: place.map(|place| self.residents[place].0),
                kind: "meal_service".into(),
                need,
            }
        });
        std::iter::once(register).chain(needs).map(|action| edit(self.id, action)).collect()
    }

    /// Whom a query finds here, as the pages order them.
    fn found(&self, query: &Query, need: bool) -> Vec<(Rank, ScopeId, HouseholdId, Option<ResidentId>)> {
        let resident = |(_, name, phone): &'_ (ResidentId, String, Option<String>)| (name.clone(), phone.clone());
        let residents: Vec<_> = self.residents.iter().map(resident).collect();
        let searched = Searched {
            address: Some(&self.address),
            contact_phone: self.contact_phone.as_deref(),
            residents: residents
                .iter()
                .map(|(name, phone)| SearchedResident { name: Some(name), phones: [phone.as_deref(), None] })
                .collect(),
            ..Default::default()
        };
        let found = query.found_in(&searched).into_iter();
        let needed = |place: Option<usize>| match place {
            None => !self.needs.is_empty(),
            Some(_) => self.needs.contains(&None) || self.needs.contains(&place),
        };
        let found = found.filter(|one| !need || needed(one.resident));
        found
            .map(|one| (one.ranks[0], scope(self.grid), self.id, one.resident.map(|place| self.residents[place].0)))
            .collect()
    }
}

fn with(fields: Fields, name: &str, value: Option<&str>) -> Fields {
    match value {
        Some(value) => fields.with(name, value),
        None => fields,
    }
}

impl District {
    async fn register_homes(&self, homes: &[Home]) {
        let imports = homes.iter().flat_map(|home| {
            let import = |edit| Import { by: LEADERS[home.grid], edit, home: Some(scope(home.grid)) };
            home.edits().into_iter().map(import)
        });
        let (registry, imports) = (self.registry.clone(), imports.collect());
        tokio::task::spawn_blocking(move || registry.import_edits(imports, NOW)).await.unwrap().unwrap();
    }

    /// All that somebody finds, page by page, and in how many pages.
    async fn find(
        &self,
        who: StaffId,
        query: &str,
        filter: (Option<AreaId>, bool),
        limit: u32,
    ) -> (Vec<SearchHit>, usize) {
        let reach = self.reach(who).await;
        let (area, need) = (filter.0, filter.1.then(|| "meal_service".to_owned()));
        let filter = SearchFilter { query: Query::parse(query).unwrap(), area, need };
        let (mut hits, mut pages, mut after) = (Vec::new(), 0, None);
        loop {
            let page = self.registry.search(&reach, filter.clone(), after, limit).await.unwrap();
            assert!(page.items.len() <= limit as usize);
            hits.extend(page.items);
            pages += 1;
            match page.next {
                Some(next) => after = Some(next.to_string().parse().unwrap()),
                None => return (hits, pages),
            }
        }
    }

    async fn names(&self, who: StaffId, query: &str) -> Vec<String> {
        let (hits, _) = self.find(who, query, (None, false), 50).await;
        hits.into_iter().map(|hit| hit.name.or(hit.address).unwrap()).collect()
    }
}

#[tokio::test]
async fn an_agent_finds_who_is_on_the_phone_by_whatever_was_understood() {
    let district = District::open().await;
    let zhang = Home::new(0, "繁荣路16号3单元501", &[("张三", Some("13812345678")), ("单雄信", None)]);
    let other = Home::new(1, "红星街5号", &[("张三丰", Some("13900001234")), ("曾国藩", None)]);
    district.register_homes(&[zhang.clone(), other]).await;
    for (query, names) in [
        ("张三", ["张三", "张三丰"].as_slice()),
        ("张", &["张三", "张三丰"]),
        ("zhangsan", &["张三", "张三丰"]),
        ("ZHANG SAN", &["张三", "张三丰"]),
        ("zs", &["张三", "张三丰"]),
        ("zsf", &["张三丰"]),
        ("shan", &["单雄信"]),
        ("dan", &["单雄信"]),
        ("sxx", &["单雄信"]),
        ("zengguofan", &["曾国藩"]),
        ("5678", &["张三"]),
        ("138-1234-5678", &["张三"]),
        ("1234", &["张三", "张三丰"]),
        ("繁荣", &["繁荣路16号3单元501"]),
        ("16号3单元", &["繁荣路16号3单元501"]),
        ("zs 繁荣路", &["张三"]),
        ("张 1234 红星", &["张三丰"]),
        ("zs 长江路", &[]),
        ("李四", &[]),
        ("999999", &[]),
    ] {
        assert_eq!(district.names(AGENT, query).await, names, "{query}");
    }
    let (hits, _) = district.find(AGENT, "zs 繁荣路", (None, false), 50).await;
    let hit = SearchHit {
        household: zhang.id,
        scope: scope(0),
        resident: Some(zhang.residents[0].0),
        name: Some("张三".into()),
        address: Some("繁荣路16号3单元501".into()),
        matched: vec![Rank::Initials, Rank::Address],
    };
    assert_eq!(hits, [hit]);

    // Nothing outside one's area, nor outside the area that is asked for.
    assert_eq!(district.names(LEADERS[1], "zs").await, ["张三丰"]);
    assert_eq!(district.names(LEADERS[1], "繁荣").await, [""; 0]);
    assert_eq!(district.find(AGENT, "zs", (Some(GRIDS[1]), false), 50).await.0.len(), 1);
    assert_eq!(district.find(AGENT, "zs", (Some(COMMUNITY), false), 50).await.0.len(), 2);
    assert_eq!(district.find(LEADERS[1], "zs", (Some(GRIDS[0]), false), 50).await.0, []);

    let reach = district.reach(AGENT).await;
    let filter = SearchFilter { query: Query::parse("zs").unwrap(), area: None, need: None };
    for cursor in ["xyz", "10-", &format!("{}99", "A".repeat(66)), &format!("{}80", "A".repeat(66))] {
        let wrong = district.registry.search(&reach, filter.clone(), Some(cursor.parse().unwrap()), 2).await;
        assert!(matches!(wrong, Err(ReadError::Cursor(_))), "{cursor}: {wrong:?}");
    }
    district.verify().await;
}

#[tokio::test]
async fn what_was_corrected_is_found_as_it_is_now_and_not_as_it_was() {
    let district = District::open().await;
    let home = Home::new(0, "繁荣路16号", &[("张三", Some("13812345678")), ("张小三", None)]);
    let (id, person) = (home.id, home.residents[0].0);
    district.register_homes(&[home]).await;
    let correct = async |record, field: &str, value: Option<&str>| {
        let fields = with(Fields::new(), field, value);
        let fields = if value.is_none() { fields.cleared(field) } else { fields };
        let edit = edit(id, Action::Correct { record, fields });
        district.registry.edit(AGENT, edit, None, None, NOW).await.unwrap();
        district.verify().await;
    };
    correct(RecordPath::resident(person), "name", Some("李四")).await;
    correct(RecordPath::resident(person), "phone", Some("13900001111")).await;
    correct(RecordPath::dwelling(), "address", Some("红星街5号")).await;
    correct(RecordPath::household(), "contact_phone", Some("13700002222")).await;
    for gone in ["张三", "zs", "zhangsan", "5678", "繁荣"] {
        assert_eq!(district.names(AGENT, gone).await, [""; 0], "{gone}");
    }
    assert_eq!(district.names(AGENT, "zhang").await, ["张小三"], "what another shares stays");
    for (now, name) in
        [("李四", "李四"), ("ls", "李四"), ("1111", "李四"), ("红星街", "红星街5号"), ("2222", "红星街5号")]
    {
        assert_eq!(district.names(AGENT, now).await, [name], "{now}");
    }
    correct(RecordPath::resident(person), "name", None).await;
    assert_eq!(district.names(AGENT, "ls").await, [""; 0]);
}

#[tokio::test]
async fn a_need_narrows_what_is_found_to_whom_it_is_about() {
    let district = District::open().await;
    let person =
        Home { needs: [Some(0)].into(), ..Home::new(0, "繁荣路1号", &[("张三", None), ("张四", None)]) };
    let household = Home { needs: [None].into(), ..Home::new(0, "繁荣路2号", &[("张五", None)]) };
    let neither = Home::new(0, "繁荣路3号", &[("张六", None)]);
    district.register_homes(&[person.clone(), household, neither]).await;
    let names = async |query| {
        let (hits, _) = district.find(AGENT, query, (None, true), 50).await;
        hits.into_iter().map(|hit| hit.name.or(hit.address).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(names("张").await, ["张三", "张五"]);
    assert_eq!(names("繁荣路").await, ["繁荣路1号", "繁荣路2号"]);
    let withdraw = Action::WithdrawNeed { resident: Some(person.residents[0].0), kind: "meal_service".into() };
    district.registry.edit(AGENT, edit(person.id, withdraw), None, None, NOW).await.unwrap();
    assert_eq!(names("张").await, ["张五"]);
    district.verify().await;
}

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % bound as u64) as usize
    }

    fn one_of<'a>(&mut self, texts: &[&'a str]) -> &'a str {
        texts[self.below(texts.len())]
    }
}

/// Enough households that common words have long lists, of which a page reads a part.
#[tokio::test]
async fn pages_of_any_search_give_each_who_is_found_once_and_in_order() {
    let seed = 20_260_921;
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let district = District::open().await;
    let mut homes = Vec::new();
    for _ in 0..450 {
        let street = chance.one_of(&["繁荣路", "红星街", "三公里路"]);
        let address = format!("{street}{}号{}单元", chance.below(12), chance.below(4));
        let grid = chance.below(2);
        let mut home = Home::new(grid, &address, &[]);
        let mut people = vec!["王".to_owned(), "李".to_owned()];
        people[1] = chance.one_of(&["李", "李", "李", "张", "单"]).to_owned();
        for (place, surname) in people.into_iter().enumerate() {
            let given = [chance.one_of(&["三", "小", "明", "乐"]), chance.one_of(&["", "明", "三"])].concat();
            let phone = (chance.below(3) == 0).then(|| format!("138{:04}{:04}", chance.below(4), chance.below(20)));
            home.residents.push((ResidentId::from_bytes(fresh()), format!("{surname}{given}"), phone));
            if chance.below(20) == 0 {
                home.needs.insert(Some(place));
            }
        }
        if chance.below(4) == 0 {
            home.contact_phone = Some(format!("138{:04}{:04}", chance.below(4), chance.below(20)));
        }
        homes.push(home);
    }
    for some in homes.chunks(100) {
        district.register_homes(some).await;
    }
    district.verify().await;
    let mut found_in_all = 0;
    for query in [
        "王",
        "王三",
        "三",
        "zs",
        "wang",
        "wangsan",
        "wsm",
        "shan",
        "dan",
        "1380",
        "0003",
        "13800020003",
        "繁荣",
        "繁荣路",
        "繁荣路3号",
        "11",
        "王 繁荣路",
        "繁荣路 王",
        "wang 1380",
        "0003 三公里",
        "zs 红星街11号",
        "王 李",
        "li 0003 繁荣",
        "3 红星街",
    ] {
        for (who, area, need) in
            [(AGENT, None, false), (AGENT, None, true), (AGENT, Some(GRIDS[1]), false), (LEADERS[0], None, false)]
        {
            let parsed = Query::parse(query).unwrap();
            let grids = match (who == AGENT, area) {
                (true, None) => 0..2,
                (true, Some(_)) => 1..2,
                _ => 0..1,
            };
            let within = homes.iter().filter(|home| grids.contains(&home.grid));
            let mut expected: Vec<_> = within.flat_map(|home| home.found(&parsed, need)).collect();
            expected.sort_unstable();
            let (hits, pages) = district.find(who, query, (area, need), 37).await;
            let hits: Vec<_> =
                hits.into_iter().map(|hit| (hit.matched[0], hit.scope, hit.household, hit.resident)).collect();
            assert_eq!(hits.len(), expected.len(), "{query} by {who} in {area:?}, need {need}");
            assert!(hits == expected, "{query} by {who} in {area:?}, need {need}");
            found_in_all += hits.len();
            // Nobody is called both: a page looks at some, says where it stopped, and is no longer for that.
            assert_eq!(query == "王 李" && who == AGENT && area.is_none() && !need, hits.is_empty() && pages > 1);
        }
    }
    assert!(found_in_all > 3_000, "{found_in_all}");
}
