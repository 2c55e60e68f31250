//! What community workers have in their files, and what hostile ones have.

use crate::{Findings, Language, Mapping, Reason, Registered, Roster, limits, read};
use gridwork_domain::citizen_number::{CitizenNumber, CitizenNumberError};
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::edit::{Action, Edit};
use gridwork_domain::fields::{Fields, Record, Value};
use gridwork_domain::id::{HouseholdId, ScopeId};
use gridwork_domain::instant::Instant;
use gridwork_domain::schema::SCHEMA_1;
use gridwork_domain::sealed_number::{KeyId, SealedNumber};
use jiff::civil::{Date, date};
use std::collections::BTreeMap;

const GRID: &str = "210404001005001";
const SECRET: [u8; 32] = [5; 32];
const TODAY: Date = date(2026, 11, 23);

fn of(file: &str) -> Roster {
    read(file.as_bytes(), &Mapping::default(), TODAY, &SECRET).expect("a table")
}

fn settled(file: &str) -> Roster {
    let mut roster = of(file);
    roster.settle(&grids(), Some(scope()));
    roster
}

fn scope() -> ScopeId {
    ScopeId::from_bytes([7; 16])
}

fn grids() -> BTreeMap<DivisionCode, ScopeId> {
    BTreeMap::from([(DivisionCode::parse(GRID).expect("a code"), scope())])
}

fn edits(roster: &Roster) -> Vec<(ScopeId, Edit)> {
    let seal = |number: &CitizenNumber| {
        let length = u8::try_from(number.as_str().len()).map_err(|_| "longer than any")?;
        Ok::<_, &str>(SealedNumber::new(KeyId([1; 8]), &[2; 32], &[length; 34]))
    };
    roster.edits(Instant::from_ms(1_790_000_000_000), seal).expect("sealed")
}

/// Problems, or warnings, as who imports reads them.
fn told(findings: &Findings) -> (Vec<String>, Vec<String>) {
    let tell = |list: &[crate::Finding]| {
        let one = |finding: &crate::Finding| {
            format!("{}：{}", finding.place_in_words(Language::Chinese), finding.reason.message(Language::Chinese))
        };
        list.iter().map(one).collect()
    };
    (tell(&findings.problems), tell(&findings.warnings))
}

fn sizes(roster: &Roster) -> Vec<usize> {
    roster.families.iter().map(|family| family.persons.len()).collect()
}

#[test]
fn a_roster_as_an_office_writes_it_is_read() {
    let roster = settled(
        "三公里社区居民花名册\n\
         \n\
         序号,户主,姓 名,与户主关系,性别,出生日期（年-月-日）,电话,地址,楼栋,单元,门牌,网格编码,人户类型\n\
         1,张三,张　三,户主,男,1980/1/31,138 1234 5678,繁荣路1号,3,1,301,210404001005001,人户一致\n\
         2,张三,李红,妻,女,1982年3月4日,,繁荣路1号,3,1,301,210404001005001,户籍\n\
         3,张三,张小三,子,男,20100506,,,,,,,\n\
         4,王五,王五,户主,男,1950.2.3,024-88886666,繁荣路1号,3,1,302,,流动人口\n",
    );
    let (problems, warnings) = told(&roster.findings);
    assert_eq!(problems, Vec::<String>::new());
    assert_eq!(warnings, ["第 6 行 H 列（地址）：没有地址：算作第 4 行那一户的人"]);
    assert_eq!(sizes(&roster), [3, 1]);
    let zhang = &roster.families[0];
    let expected =
        Fields::new().with("address", "繁荣路1号").with("building", "3").with("unit", "1").with("door", "301");
    assert_eq!(zhang.dwelling, expected);
    let expected = Fields::new()
        .with("name", "张三")
        .with("sex", "1")
        .with("birth_date", "1980-01-31")
        .with("phone", "13812345678")
        .with("residence_kind", "registered");
    assert_eq!(zhang.persons[0].resident, expected);
    assert_eq!(zhang.persons[1].stay, Fields::new().with("relation", "12"));
    assert_eq!(roster.families[1].persons[0].resident.0["phone"], Some(Value::from("02488886666")));
}

#[test]
fn every_mistake_is_told_by_row_and_column_and_without_the_value() {
    let roster = settled(
        "户编号,网格编码,地址,姓名,与户主关系,性别,出生日期,电话,身份证号,政治面貌\n\
         1,2104,繁荣路1号,张三,户主,南,1980-13-01,1381234567,x,群众\n\
         1,,繁荣路2号,张三,户主,男,1980,,,\n\
         2,210404001005009,,,子,女,2099-01-01,,,\n\
         3,,繁荣路3号,王五,户住,,,,,\n",
    );
    let (problems, warnings) = told(&roster.findings);
    assert_eq!(
        problems,
        [
            "第 2 行 B 列（网格编码）：不是网格编码：应为 15 位数字",
            "第 2 行 F 列（性别）：不认识：请填写 男 女",
            "第 2 行 G 列（出生日期）：不是日期：请写成 1980-01-31 的样子",
            "第 2 行 H 列（电话）：不是电话号码：手机 11 位，座机要有区号；一格只写一个号码",
            "第 2 行 I 列（身份证号）：公民身份号码应为 18 位，现为 1 位",
            "第 3 行 C 列（地址）：与同一户的第 2 行不一致",
            "第 3 行 D 列（姓名）：与第 2 行是同一个人：请删去一行；若是同名的两人，请都填出生日期",
            "第 3 行 E 列（与户主关系）：这一户的户主已在第 2 行：一户只有一个户主",
            "第 3 行 G 列（出生日期）：日期不完整：请写到日，例如 1980-01-31",
            "第 4 行 B 列（网格编码）：没有这个网格，或您不能在这个网格登记住户",
            "第 4 行 C 列（地址）：缺少地址：请填写地址，或楼栋和门牌",
            "第 4 行 D 列（姓名）：缺少姓名：请补上，或删除这一行",
            "第 4 行 G 列（出生日期）：日期晚于今天",
            "第 5 行 E 列（与户主关系）：不认识：请填写 户主 配偶 子 女 儿媳 女婿 父亲 母亲 孙子 孙女 兄 弟 姐姐 妹妹 \
             其他亲属 非亲属",
        ]
    );
    assert_eq!(warnings[0], "第 1 行 J 列（政治面貌）：不认识这一列，没有导入：可用对应表指明它是什么");
    assert!(edits(&roster).is_empty(), "nothing of it is imported");
    let english = roster.findings.problems.iter().map(|one| one.place_in_words(Language::English)).collect::<Vec<_>>();
    assert_eq!(english[1], "row 2, column F (性别)");
    let all = format!("{:?}{:?}", roster.findings, (problems, english));
    for value in ["张三", "1381234567", "南", "户住", "2099", "群众"] {
        assert!(!all.contains(value), "{value} is repeated");
    }
}

/// The example of GB 11643, one of a woman born in 1880, and one with a division that is none.
const NUMBER: &str = "11010519491231002X";
const OLD: &str = "440524188001010014";

#[test]
fn citizen_numbers_are_read_as_offices_write_them_and_only_sealed_ones_leave() {
    for header in ["身份证号", "身份证号码", "公民身份号码", "身份证", "Citizen number"] {
        for written in [NUMBER, "'11010519491231002x", "110105 19491231 002X", "１１０１０５１９４９１２３１００２Ｘ"]
        {
            let roster = settled(&format!("姓名,地址,{header}\n张三,甲,{written}\n李四,甲,\n"));
            assert_eq!(told(&roster.findings), (vec![], vec![]), "{header} {written}");
            let [one, other] = [0, 1].map(|person| roster.families[0].persons[person].number.clone());
            assert_eq!((one.map(String::from).as_deref(), other), (Some(NUMBER), None));
            assert!(!format!("{roster:?}").contains("1949"), "{roster:?}");
            let all = edits(&roster);
            let Action::RegisterHousehold { residents, .. } = &all[0].1.action else { panic!("{all:?}") };
            let sealed = residents[0].fields.0["citizen_number"].as_ref().and_then(Value::as_text).expect("a value");
            assert!(sealed.parse::<SealedNumber>().is_ok(), "{sealed}");
            assert!(!residents[1].fields.0.contains_key("citizen_number"));
            all[0].1.check(&SCHEMA_1).expect("an edit that can be made");
        }
    }
    let mapped = Mapping::parse(r#"{"证件": "citizen_number"}"#).expect("a mapping");
    let file = format!("姓名,地址,证件\n张三,甲,{NUMBER}\n");
    let roster = read(file.as_bytes(), &mapped, TODAY, &SECRET).expect("a table");
    assert!(roster.families[0].persons[0].number.is_some());
}

#[test]
fn a_wrong_citizen_number_is_told_by_row_and_rule_and_never_repeated() {
    let wrong = [
        ("110105491231002", Reason::NotACitizenNumber(CitizenNumberError::Length { found: 15 })),
        ("11010519491231002Y", Reason::NotACitizenNumber(CitizenNumberError::Character { position: 18 })),
        ("00010519491231002X", Reason::NotACitizenNumber(CitizenNumberError::UnknownDivision)),
        ("11010519491331002X", Reason::NotACitizenNumber(CitizenNumberError::BirthDate)),
        ("110105194912310021", Reason::NotACitizenNumber(CitizenNumberError::CheckCharacter)),
        ("1.10105E+17", Reason::DigitsLost),
    ];
    for (written, reason) in wrong {
        let roster = settled(&format!("姓名,地址,身份证号\n张三,甲,{written}\n"));
        assert_eq!(roster.findings.problems_found, 1, "{written}");
        let found = &roster.findings.problems[0];
        assert_eq!((&found.reason, found.place.row, found.place.column.as_str()), (&reason, 2, "C"));
        let words = [Language::Chinese, Language::English].map(|language| found.reason.message(language));
        assert!(!format!("{words:?}{roster:?}").contains(&written[6..]), "{words:?}");
        assert!(edits(&roster).is_empty());
    }
    let mut table = crate::XlsxTable::new("居民").expect("a table");
    for row in [
        ["姓名", "地址", "身份证号"].map(|text| crate::Entry::Text(text.into())),
        [
            crate::Entry::Text("张三".into()),
            crate::Entry::Text("甲".into()),
            crate::Entry::Integer(440_524_188_001_010_014),
        ],
    ] {
        table.row(&row).expect("a row");
    }
    let mut workbook = Vec::new();
    table.finish(&mut workbook).expect("a file");
    let roster = read(&workbook, &Mapping::default(), TODAY, &SECRET).expect("a table");
    assert_eq!(roster.findings.problems[0].reason, Reason::DigitsLost, "a spreadsheet's number has fifteen digits");
}

#[test]
fn one_number_in_two_rows_is_a_problem_and_a_birth_date_beside_it_is_compared() {
    let twice = settled(&format!("姓名,地址,身份证号\n张三,甲,{NUMBER}\n李四,乙,\n王五,丙,{NUMBER}\n"));
    assert_eq!(twice.findings.problems_found, 1);
    let found = &twice.findings.problems[0];
    assert_eq!((&found.reason, found.place.row, found.place.column.as_str()), (&Reason::NumberTwice(2), 4, "C"));
    let compared =
        settled(&format!("姓名,地址,出生日期,身份证号\n张三,甲,1949-12-31,{NUMBER}\n李四,甲,1950-1-1,{OLD}\n"));
    let found: Vec<_> = compared.findings.warnings.iter().map(|one| (one.place.row, &one.reason)).collect();
    assert_eq!(found, [(3, &Reason::BirthDiffers), (3, &Reason::VeryOld)]);
    assert_eq!(compared.findings.problems_found, 0);
}

#[test]
fn two_households_of_one_dwelling_are_told_apart_or_asked_about() {
    let by_head = "姓名,户主,与户主关系,地址\n张三,张三,户主,甲\n王五,王五,户主,甲\n张四,张三,子,甲\n";
    assert_eq!(sizes(&settled(by_head)), [2, 1]);
    let ambiguous = settled("姓名,与户主关系,地址\n张三,户主,甲\n王五,户主,甲\n");
    assert_eq!(ambiguous.findings.problems[0].reason, Reason::TwoHouseholds(2));
    let by_key = "姓名,户号,地址\n张三,1,甲\n王五,2,甲\n";
    assert_eq!(sizes(&settled(by_key)), [1, 1]);
}

#[test]
fn a_head_without_an_address_does_not_slip_into_the_household_above() {
    let roster = settled("姓名,与户主关系,地址\n张三,户主,甲\n王五,户主,\n");
    assert_eq!(sizes(&roster), [1, 1]);
    assert_eq!(roster.findings.problems[0].reason, Reason::AddressMissing);
    assert_eq!(roster.findings.problems[0].place.row, 3);
}

#[test]
fn namesakes_are_two_people_and_the_same_person_twice_is_not() {
    let namesakes = settled("姓名,出生日期,地址\n张三,1950-01-01,甲\n张三,1980-01-01,甲\n");
    assert_eq!(namesakes.findings.problems_found, 0);
    let elsewhere = settled("姓名,出生日期,地址\n张三,1950-01-01,甲\n张三,1950-01-01,乙\n");
    assert_eq!(elsewhere.findings.warnings[0].reason, Reason::ElsewhereToo(2));
    assert_eq!(elsewhere.findings.problems_found, 0);
}

#[test]
fn a_household_whose_grid_is_named_nowhere_is_a_problem() {
    let mut roster = of("姓名,地址\n张三,甲\n");
    roster.settle(&grids(), None);
    assert_eq!(roster.findings.problems[0].reason, Reason::GridMissing);
}

#[test]
fn edits_can_be_made_and_the_same_file_gives_the_same_ids() {
    let people: String = (0..40).map(|n| format!("人{n},甲\n")).collect();
    let file = format!("姓名,地址\n{people}");
    let of_file = |file: &str| edits(&settled(file));
    let first = of_file(&file);
    assert_eq!(first, of_file(&file));
    assert_eq!(first.len(), 1 + 24, "sixteen with the household, and each other by an edit of its own");
    for (home, edit) in &first {
        assert_eq!(*home, scope());
        edit.check(&SCHEMA_1).expect("an edit that can be made");
    }
    let ids =
        |edits: &[(ScopeId, Edit)]| edits.iter().map(|(_, edit)| edit.id).collect::<std::collections::BTreeSet<_>>();
    assert_eq!(ids(&first).len(), first.len());
    let other = of_file(&file.replace("人39", "人四十"));
    assert!(ids(&first).is_disjoint(&ids(&other)), "another file, other ids");
    let mut elsewhere = of(&file);
    elsewhere.settle(&grids(), Some(ScopeId::from_bytes([8; 16])));
    assert!(ids(&first).is_disjoint(&ids(&edits(&elsewhere))));
    let mut secretly = read(file.as_bytes(), &Mapping::default(), TODAY, &[6; 32]).expect("a table");
    secretly.settle(&grids(), Some(scope()));
    assert!(ids(&first).is_disjoint(&ids(&edits(&secretly))), "without the secret nobody tells what the file was");
}

fn registered(id: HouseholdId, address: &str, names: &[&str]) -> Registered {
    let dwelling = Record([("address".to_owned(), Value::from(address))].into());
    Registered { id, dwelling, names: names.iter().map(ToString::to_string).collect() }
}

#[test]
fn who_is_registered_is_left_alone_and_who_shares_the_address_is_pointed_out() {
    let file = "姓名,地址\n张三,繁荣路 1号\n王五,繁荣路2号\n赵六,繁荣路3号\n";
    let mut roster = settled(file);
    let other = |n| HouseholdId::from_bytes([n; 16]);
    roster.compare(
        scope(),
        &[registered(other(1), "繁荣路1号", &["张三", "李红"]), registered(other(2), "繁荣路2号", &["钱七"])],
    );
    let (_, warnings) = told(&roster.findings);
    assert_eq!(
        warnings,
        [
            "第 2 行：此户已登记，没有导入：如有变化，请在系统里更正",
            "第 3 行：这个地址已登记了另一户：请确认不是同一户"
        ]
    );
    let edits = edits(&roster);
    assert_eq!(edits.len(), 2);
    assert!(matches!(&edits[0].1.action, Action::RegisterHousehold { residents, .. } if residents.len() == 1));

    let mut again = settled(file);
    let moved: Vec<_> = edits.iter().map(|(_, edit)| registered(edit.household, "改过的地址", &[])).collect();
    again.compare(scope(), &moved);
    assert_eq!(again.new_families().count(), 1, "known by their ids, whatever became of them");
}

#[test]
fn a_household_of_too_many_and_a_file_without_headers_or_people_are_refused() {
    let people: String = (0..=limits::MOST_PERSONS).map(|n| format!("人{n},甲\n")).collect();
    let crowd = settled(&format!("姓名,地址\n{people}{people}"));
    assert!(crowd.findings.problems.iter().any(|one| one.reason == Reason::TooManyPersons));
    let refused = |file: &str| read(file.as_bytes(), &Mapping::default(), TODAY, &SECRET).expect_err("refused");
    assert_eq!(refused("张三,男\n李四,女\n"), crate::FileError::NoHeader);
    assert_eq!(refused("姓名,地址\n"), crate::FileError::NoRows);
    assert_eq!(refused(""), crate::FileError::NoHeader);
}

#[test]
fn no_bytes_make_it_panic() {
    let mut seed = 20_261_123_u64;
    let mut random = move || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    let mut table = crate::XlsxTable::new("居民").expect("a table");
    for row in ["姓名", "张三", "李四"] {
        let cells = [row, "地址", "1980-01-01"].map(|text| crate::Entry::Text(text.into()));
        table.row(&cells).expect("a row");
    }
    let mut workbook = Vec::new();
    table.finish(&mut workbook).expect("a file");
    let csv = "户编号,姓名,出生日期,楼层\n1,张三,1980-01-01,3\n\"x\ny\",李四,,\n".as_bytes().to_vec();
    for round in 0..1_500 {
        let mut file = if round % 3 == 0 { csv.clone() } else { workbook.clone() };
        for _ in 0..1 + random() % 8 {
            let at = (random() % file.len() as u64) as usize;
            match random() % 3 {
                0 => file[at] = random() as u8,
                1 => file.truncate(at.max(1)),
                _ => file.insert(at, random() as u8),
            }
        }
        let roster = read(&file, &Mapping::default(), TODAY, &SECRET);
        if let Ok(mut roster) = roster {
            roster.settle(&grids(), Some(scope()));
            roster.compare(scope(), &[]);
            edits(&roster);
        }
    }
}
