//! Each kind of damage, done by raw SQL to the file, is named.

use super::{AGENT, District, LEADERS, NOW, contact_phone, register, scope, visit};
use crate::Difference;
use gridwork_domain::id::HouseholdId;

/// A household with two visits and a correction, its visits folded by a second phone; then some damage.
async fn damaged(sql: &str) -> (Vec<Difference>, HouseholdId) {
    let district = District::open().await;
    let mut phone = district.phone(LEADERS[0]).await;
    let new = register();
    phone.record(&new, scope(0));
    for turn in 0..9 {
        phone.record(&visit(new.household, &format!("第{turn}次")), scope(0));
    }
    phone.sync(&district).await;
    let other = register();
    district.registry.edit(AGENT, other, None, Some(scope(1)), NOW).await.unwrap();
    district.registry.edit(AGENT, contact_phone(new.household, "13900000001"), None, None, NOW).await.unwrap();
    district.phone(LEADERS[0]).await.sync(&district).await;
    assert_eq!(district.verify().await.snapshots, 3);
    district.registry.clone().close().await.unwrap();
    district.damage(sql);
    let report = crate::verify(&district.settings).unwrap();
    assert!(!report.is_clean());
    (report.differences, new.household)
}

fn named(differences: &[Difference], table: &str, column: Option<&str>) -> usize {
    differences.iter().filter(|one| one.table == table && one.column.as_deref() == column).count()
}

#[tokio::test]
async fn a_deleted_change_row_is_named_with_its_place() {
    let (differences, household) = damaged("DELETE FROM change WHERE position = 2").await;
    let gone = differences.iter().find(|one| one.table == "change" && one.column.is_none()).expect("the change");
    assert_eq!(gone.document, Some(format!("visits {household} 2026")));
    assert!(gone.row.starts_with("change ") && gone.expected.ends_with("position 2)"), "{gone}");
    assert_eq!(gone.found, "none");
}

#[tokio::test]
async fn the_last_change_of_a_document_is_missed_in_heads_snapshot_and_facts() {
    let (differences, _) = damaged("DELETE FROM change WHERE position = 10").await;
    assert_eq!(named(&differences, "change", None), 1);
    assert_eq!(named(&differences, "document", Some("heads")), 1);
    assert_eq!(named(&differences, "snapshot", Some("bytes")), 1);
    assert_eq!(named(&differences, "fact", None), 1);
}

#[tokio::test]
async fn one_flipped_byte_in_a_change_is_named() {
    let flip = "UPDATE change SET bytes = CAST(substr(bytes, 1, 60) || x'ff' || substr(bytes, 62) AS BLOB) \
                WHERE position = 3";
    let (differences, household) = damaged(flip).await;
    let [one] = differences.as_slice() else { panic!("{differences:#?}") };
    assert_eq!((one.table.as_str(), one.column.as_deref()), ("change", Some("bytes")));
    assert_eq!(one.document, Some(format!("visits {household} 2026")));
    assert_eq!(one.found, "checksum");
}

#[tokio::test]
async fn one_flipped_byte_in_a_snapshot_is_named() {
    let flip = "UPDATE snapshot SET bytes = CAST(substr(bytes, 1, 60) || x'ff' || substr(bytes, 62) AS BLOB) \
                WHERE substr(document, 1, 1) = x'03'";
    let (differences, household) = damaged(flip).await;
    let [one] = differences.as_slice() else { panic!("{differences:#?}") };
    assert_eq!((one.table.as_str(), one.column.as_deref()), ("snapshot", Some("bytes")));
    assert_eq!(one.document, Some(format!("visits {household} 2026")));
}

#[tokio::test]
async fn one_flipped_byte_in_a_projected_row_is_named_with_its_column_and_without_its_value() {
    let flip = "UPDATE household SET contact_phone = '13900000002' WHERE contact_phone = '13900000001'";
    let (differences, household) = damaged(flip).await;
    let [one] = differences.as_slice() else { panic!("{differences:#?}") };
    assert_eq!((one.table.as_str(), one.column.as_deref()), ("household", Some("contact_phone")));
    assert_eq!(one.row, format!("id {household}"));
    assert!(!one.to_string().contains("139"), "{one}");

    for (sql, table, column) in [
        (
            "UPDATE resident SET name = '张四' WHERE scope = (SELECT scope FROM resident ORDER BY scope DESC LIMIT 1)",
            "resident",
            Some("name"),
        ),
        (
            "UPDATE membership SET since = '1990-01-02' WHERE id = (SELECT id FROM membership ORDER BY id DESC LIMIT 1)",
            "membership",
            Some("since"),
        ),
        (
            "UPDATE fact SET bytes = x'00' WHERE id = (SELECT id FROM fact ORDER BY id DESC LIMIT 1)",
            "fact",
            Some("bytes"),
        ),
        (
            "UPDATE fact SET staff = scope WHERE id = (SELECT id FROM fact ORDER BY id DESC LIMIT 1)",
            "fact",
            Some("staff"),
        ),
        ("DELETE FROM fact WHERE id = (SELECT id FROM fact ORDER BY id LIMIT 1)", "fact", None),
        ("DELETE FROM resident WHERE id = (SELECT id FROM resident ORDER BY id LIMIT 1)", "resident", None),
    ] {
        let (differences, _) = damaged(sql).await;
        assert_eq!(differences.len(), 1, "{sql}: {differences:#?}");
        assert_eq!(named(&differences, table, column), 1, "{sql}: {differences:#?}");
    }
}

#[tokio::test]
async fn a_missing_feed_row_is_named_by_its_position_and_its_change() {
    let (differences, household) = damaged("DELETE FROM feed WHERE position = 4").await;
    let gap = differences.iter().find(|one| one.column.is_none()).expect("the gap");
    assert_eq!((gap.table.as_str(), gap.row.as_str()), ("feed", format!("scope {}, position 4", scope(0)).as_str()));
    let change = differences.iter().find(|one| one.column.is_some()).expect("the change");
    assert_eq!(change.table, "feed");
    assert_eq!(change.document, Some(format!("visits {household} 2026")));
    assert_eq!(differences.len(), 2, "{differences:#?}");
}

#[tokio::test]
async fn other_damage_to_the_log_is_named_too() {
    for (sql, table, column) in [
        ("DELETE FROM feed WHERE position = 11", "feed", None),
        ("UPDATE scope SET position = 12 WHERE position = 11", "feed", None),
        ("UPDATE scope SET position = 10 WHERE position = 11", "scope", Some("position")),
        ("UPDATE change SET made_at = made_at + 1 WHERE position = 5", "change", Some("made_at")),
        ("UPDATE change SET received_at = received_at + 1 WHERE position = 5", "fact", Some("received_at")),
        (
            "UPDATE change SET staff = (SELECT id FROM staff WHERE sign_in = 'zhao') WHERE position = 5",
            "change",
            Some("staff"),
        ),
        ("UPDATE document SET heads = x'' WHERE year = 2026", "document", Some("heads")),
        ("UPDATE document SET frozen = TRUE WHERE year = 2026", "document", Some("frozen")),
        ("DELETE FROM document WHERE year = 2026", "document", None),
        ("UPDATE snapshot SET position = 3 WHERE position = 10", "snapshot", Some("bytes")),
        ("DELETE FROM snapshot WHERE position = 11", "snapshot", None),
    ] {
        let (differences, _) = damaged(sql).await;
        assert!(named(&differences, table, column) > 0, "{sql}: {differences:#?}");
    }
}

#[tokio::test]
async fn a_word_that_is_missing_or_too_many_is_named_without_the_word() {
    let stray = "INSERT INTO search SELECT 'zhangsi', place FROM search WHERE word = 'zhangsan' LIMIT 1";
    let nobodys = "INSERT INTO search VALUES ('zhangsi', CAST(x'28' || zeroblob(32) AS BLOB))";
    for (sql, expected) in [
        (
            "DELETE FROM search WHERE word = 'zs' AND place = (SELECT place FROM search WHERE word = 'zs' ORDER BY place DESC LIMIT 1)",
            "a row",
        ),
        (stray, "no row"),
        (nobodys, "no row"),
    ] {
        let (differences, _) = damaged(sql).await;
        let [one] = differences.as_slice() else { panic!("{sql}: {differences:#?}") };
        assert_eq!((one.table.as_str(), one.expected.as_str()), ("search", expected), "{one}");
        assert!(one.row.contains("a word of") && !one.to_string().contains("zs"), "{one}");
        assert!(!one.to_string().contains("zhang"), "{one}");
    }
}
