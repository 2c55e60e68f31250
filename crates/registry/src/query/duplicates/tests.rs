//! A village that is registered under one address.

use super::*;
use crate::Import;
use crate::database::Opener;
use crate::tests::{AGENT, District, GRIDS, LEADERS, NOW, fresh, register, scope};
use diesel::Connection as _;
use diesel::connection::InstrumentationEvent;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::edit::{Action, Edit, NewResident};
use gridwork_domain::fields::Fields;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Households of the village.
const VILLAGE: usize = 500;
/// Rows of a page.
const ROWS: u32 = 400;
/// Statements of a page at most, of groups that are no pairs.
const MOST_STATEMENTS: usize = 40;

/// Registers homes at an address.
async fn settle(district: &District, address: &str, homes: usize) -> BTreeSet<[u8; 16]> {
    let edits = (0..homes).map(|_| {
        let mut new = register();
        let Action::RegisterHousehold { dwelling, residents, .. } = &mut new.action else { panic!("{new:?}") };
        *dwelling = Fields::new().with("address", address);
        residents.clear();
        new
    });
    let edits: Vec<Edit> = edits.collect();
    let ids = edits.iter().map(|edit| *edit.household.as_bytes()).collect();
    let import = |edit| Import { by: LEADERS[0], edit, home: Some(scope(0)) };
    let (registry, all) = (district.registry.clone(), edits.into_iter().map(import).collect());
    tokio::task::spawn_blocking(move || registry.import_edits(all, NOW)).await.unwrap().unwrap();
    ids
}

/// All pairs, page by page; and the most statements that a page took.
fn walk(district: &District, kind: DuplicateKind, limit: u32) -> (Vec<[[u8; 16]; 2]>, usize) {
    let statements = Arc::new(AtomicUsize::new(0));
    let mut connection = Opener::new(&district.settings).unwrap().writer().unwrap();
    let counted = statements.clone();
    connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { .. } = event {
            counted.fetch_add(1, Ordering::Relaxed);
        }
    });
    let (mut pairs, mut after, mut most) = (Vec::new(), None, 0);
    loop {
        statements.store(0, Ordering::Relaxed);
        let page = duplicates(&mut connection, vec![scope(0).into()], kind, after, limit).unwrap();
        most = most.max(statements.load(Ordering::Relaxed));
        assert!(page.items.len() <= limit as usize);
        pairs.extend(page.items.iter().map(|view| view.pair.ids()));
        match page.next {
            Some(next) => after = Some(next.to_string().parse().unwrap()),
            None => return (pairs, most),
        }
    }
}

#[tokio::test]
async fn a_village_under_one_address_is_listed_whole_and_each_page_costs_the_same() {
    let district = District::open().await;
    let village = settle(&district, "李家村", VILLAGE).await;
    let twins = settle(&district, "王家村1号", 2).await;
    settle(&district, "张家村1号", 1).await;
    let (pairs, statements) = walk(&district, DuplicateKind::Dwelling, ROWS);
    let once: BTreeSet<_> = pairs.iter().copied().collect();
    assert_eq!((pairs.len(), once.len()), (VILLAGE * (VILLAGE - 1) / 2 + 1, pairs.len()));
    let together = |ids: &BTreeSet<[u8; 16]>, two: &[[u8; 16]; 2]| two.iter().all(|id| ids.contains(id));
    assert!(once.iter().all(|two| two[0] < two[1] && (together(&village, two) || together(&twins, two))));
    assert!((1..=MOST_STATEMENTS).contains(&statements), "{statements}");
}

#[tokio::test]
async fn what_was_dismissed_is_passed_over_with_no_more_than_so_many_looked_at() {
    let district = District::open().await;
    let village: Vec<_> = settle(&district, "李家村", 80).await.into_iter().collect();
    let reach = crate::Reach::from_iter([scope(0)]);
    let mut left = BTreeMap::from([([village[78], village[79]], ())]);
    for (place, one) in village.iter().enumerate() {
        for other in &village[place + 1..] {
            let pair = Pair::of(*one, *other).unwrap();
            if !left.contains_key(&pair.ids()) {
                let said = district.registry.dismiss_duplicate(AGENT, &reach, pair, "各是一户".into(), NOW, None);
                said.await.unwrap();
            }
        }
    }
    let first = district.registry.duplicates(&reach, DuplicateKind::Dwelling, None, None, 50).await.unwrap();
    assert!(first.items.is_empty() && first.next.is_some(), "80 * 79 / 2 are more than a page looks at");
    let (pairs, _) = walk(&district, DuplicateKind::Dwelling, 50);
    assert!(pairs.iter().all(|pair| left.remove(pair).is_some()) && left.is_empty(), "{pairs:?}");
}

#[tokio::test]
async fn people_of_one_name_are_paired_page_by_page_each_pair_once() {
    let district = District::open().await;
    for _ in 0..7 {
        district.registry.edit(LEADERS[0], register(), None, Some(scope(0)), NOW).await.unwrap();
    }
    let mut other = register();
    let Action::RegisterHousehold { residents, .. } = &mut other.action else { panic!("{other:?}") };
    residents[0].fields = Fields::new().with("name", "张四").with("birth_date", "1950-03-04");
    district.registry.edit(LEADERS[0], other, None, Some(scope(0)), NOW).await.unwrap();
    for limit in [1, 2, 50] {
        let (pairs, _) = walk(&district, DuplicateKind::Person, limit);
        let once: BTreeSet<_> = pairs.iter().copied().collect();
        assert_eq!((pairs.len(), once.len()), (21, 21));
    }
    assert!(walk(&district, DuplicateKind::CitizenNumber, 50).0.is_empty());
    let nobody = Cursor::new(&[fresh(), fresh()], "");
    let reach = crate::Reach::from_iter([scope(0)]);
    let page = district.registry.duplicates(&reach, DuplicateKind::Person, None, Some(nobody), 2).await;
    assert!(matches!(page, Err(ReadError::Cursor(_))));
}

/// 张三 in a home of his own, always at the same address, in a grid; and who he is.
async fn zhang_san(district: &District, grid: usize, change: impl Fn(&mut NewResident)) -> [[u8; 16]; 2] {
    let number = CitizenNumber::parse("11010519491231002X").unwrap();
    let mut new = register();
    let Action::RegisterHousehold { residents, .. } = &mut new.action else { panic!("{new:?}") };
    let sealed = district.registry.seal_number(&number).unwrap().to_string();
    residents[0].fields = residents[0].fields.clone().with("citizen_number", sealed.as_str());
    change(&mut residents[0]);
    let ids = [*new.household.as_bytes(), *residents[0].resident.as_bytes()];
    district.registry.edit(LEADERS[grid], new, None, Some(scope(grid)), NOW).await.unwrap();
    ids
}

#[tokio::test]
async fn of_three_alike_who_reaches_two_is_shown_the_pair_of_these_and_none_with_the_third() {
    let district = District::open().await;
    let first = zhang_san(&district, 0, |_| ()).await;
    let foreign = zhang_san(&district, 1, |_| ()).await;
    zhang_san(&district, 0, |_| ()).await;
    let (own, both) = (crate::Reach::from_iter([scope(0)]), crate::Reach::from_iter([scope(0), scope(1)]));
    let list = async |reach: &crate::Reach, kind, area| {
        district.registry.duplicates(reach, kind, area, None, 50).await.unwrap().items
    };
    for kind in [DuplicateKind::Dwelling, DuplicateKind::Person, DuplicateKind::CitizenNumber] {
        for shown in [list(&own, kind, None).await, list(&both, kind, Some(GRIDS[0])).await] {
            assert_eq!(shown.len(), 1, "{kind:?}: {shown:?}");
            assert!(shown[0].both.iter().all(|one| one.household.scope == scope(0)), "{kind:?}: {shown:?}");
        }
        assert_eq!(list(&both, kind, None).await.len(), 3, "{kind:?}");
        assert!(list(&crate::Reach::from_iter([scope(1)]), kind, None).await.is_empty(), "{kind:?}");
    }
    for place in [0, 1] {
        let pair = Pair::of(first[place], foreign[place]).unwrap();
        let said = district.registry.dismiss_duplicate(AGENT, &own, pair, "各是一户".into(), NOW, None).await;
        assert!(matches!(said, Err(DismissError::NoSuchPair)), "{said:?}");
    }
}

#[tokio::test]
async fn who_is_registered_in_a_home_beyond_reach_too_is_shown_with_the_one_within() {
    let district = District::open().await;
    let [_, zhang] = zhang_san(&district, 1, |_| ()).await;
    let [home, _] = zhang_san(&district, 0, |resident| resident.resident = ResidentId::from_bytes(zhang)).await;
    let [other, _] = zhang_san(&district, 0, |_| ()).await;
    let own = crate::Reach::from_iter([scope(0)]);
    for kind in [DuplicateKind::Person, DuplicateKind::CitizenNumber] {
        let shown = district.registry.duplicates(&own, kind, None, None, 50).await.unwrap().items;
        let homes: Vec<_> =
            shown.iter().map(|view| view.both.each_ref().map(|one| *one.household.id.as_bytes())).collect();
        assert_eq!(homes, [[home, other]], "{kind:?}");
    }
}
