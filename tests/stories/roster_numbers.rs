//! Citizen numbers in rosters: checked by row and column without being repeated, found after the import by whoever has the
//! number, in no list, and nowhere in the clear.

use crate::at_rest::{assert_in_no_row, assert_nowhere_in, inside};
use crate::program::Said;
use crate::rest::Session;
use crate::roster::{export, import};
use crate::sealed::{NUMBER, OTHER, SHOWN, find};
use crate::town::{QIAN, Town, ZHOU};
use gridwork_roster::{Entry, XlsxTable};
use serde_json::json;

const GRID: [&str; 2] = ["--grid", "210404001006001"];

fn rows(of: &[[&str; 3]]) -> Vec<u8> {
    let mut table = XlsxTable::new("居民").expect("a table");
    for row in of {
        table.row(&row.map(|text| Entry::Text(text.into()))).expect("a row");
    }
    let mut file = Vec::new();
    table.finish(&mut file).expect("a file");
    file
}

fn told_nothing_of(said: &Said, number: &str) {
    let all = format!("{}{}", said.out, said.error);
    assert!(!all.contains(&number[6..14]), "{all}");
}

#[test]
fn a_roster_with_citizen_numbers_is_checked_imported_and_found_and_holds_them_nowhere_in_the_clear() {
    let town = Town::new();
    let server = town.serve();
    let (qian, zhou) = (Session::of(&QIAN, &server), Session::of(&ZHOU, &server));
    let file = town.path("花名册.xlsx");
    let with = |first: &str, second: &str| {
        let header = ["姓名", "地址", "公民身份号码"];
        std::fs::write(&file, rows(&[header, ["张三", "田屯路5号", first], ["李四", "田屯路6号", second]]))
            .expect("a file");
    };
    let apply = [&GRID[..], &["--apply"]].concat();

    with(NUMBER, "440524188001010015");
    let tried = import(&server, &file, &apply);
    assert!(!tried.success, "{tried:?}");
    assert!(tried.out.starts_with("问题：第 3 行 C 列（公民身份号码）：公民身份号码末位与前 17 位不符"), "{tried:?}");
    told_nothing_of(&tried, OTHER);
    with(NUMBER, NUMBER);
    let tried = import(&server, &file, &apply);
    assert!(!tried.success && tried.out.contains("第 3 行 C 列（公民身份号码）：与第 2 行的身份证号相同"), "{tried:?}");
    told_nothing_of(&tried, NUMBER);
    assert_eq!(find(&qian, NUMBER), [json!(null); 0], "nothing of it is there");

    with(NUMBER, OTHER);
    import(&server, &file, &GRID).well();
    assert_eq!(find(&qian, NUMBER), [json!(null); 0], "it was only tried");
    let imported = import(&server, &file, &apply).well();
    assert_eq!(imported.lines().last(), Some("已导入：新住户 2 户，居民 2 人，已登记 0 户"), "{imported}");
    let [found] = find(&qian, NUMBER).try_into().expect("one resident");
    assert_eq!((&found["resident"]["name"], &found["resident"]["citizen_number"]), (&json!("张三"), &json!(SHOWN)));
    assert_eq!(find(&qian, OTHER).len(), 1);
    let again = import(&server, &file, &apply).well();
    assert!(again.ends_with("新住户 0 户，居民 0 人，已登记 2 户\n"), "{again}");

    // The same person in another roster: the desk for duplicates has the pair.
    std::fs::write(&file, rows(&[["姓名", "地址", "身份证"], ["张三儿", "田屯路7号", NUMBER]])).expect("a file");
    import(&server, &file, &apply).well();
    assert_eq!(find(&zhou, NUMBER).len(), 2);
    let pairs = zhou.get("/v1/duplicates?alike=citizen_number").well();
    assert_eq!(pairs["items"].as_array().map(Vec::len), Some(1), "{pairs}");

    for (list, ending) in [("residents", "csv"), ("residents", "xlsx"), ("households", "csv")] {
        let path = town.path(&format!("{list}.{ending}"));
        let list = export(&server, list, &path);
        if ending == "csv" {
            let list = String::from_utf8(list).expect("UTF-8");
            assert!(!list.contains("身份") && !list.contains("****"), "{list}");
        }
    }
    std::fs::remove_file(&file).expect("the office's own file");
    server.end();
    crate::roster::must_be_clean(&town);
    for number in [NUMBER, OTHER] {
        assert_nowhere_in(&town.data_folder(), inside(number));
        assert_in_no_row(&town.data_folder(), inside(number));
        for list in ["residents.csv", "households.csv"] {
            let list = std::fs::read(town.path(list)).expect("a list");
            assert!(!list.windows(16).any(|part| part == inside(number)));
        }
    }
}
