use super::{Found, Query, QueryError, Rank, Searched, SearchedResident, Token};

fn named(name: &str) -> Searched<'_> {
    Searched { residents: vec![SearchedResident { name: Some(name), ..Default::default() }], ..Default::default() }
}

/// By what a query finds the only resident of a household.
fn by(query: &str, searched: &Searched<'_>) -> Option<Rank> {
    let found = Query::parse(query).unwrap().found_in(searched);
    found.into_iter().find(|one| one.resident.is_some()).map(|one| one.ranks[0])
}

fn words(searched: &Searched<'_>, ranks: &[Rank]) -> Vec<String> {
    searched.tokens().into_iter().filter(|token| ranks.contains(&token.rank)).map(|token| token.word).collect()
}

#[test]
fn zhang_san_is_found_by_his_characters_his_pinyin_and_his_initials_best_first() {
    for (query, rank) in [
        ("张三", Some(Rank::ExactName)),
        (" 张三　", Some(Rank::ExactName)),
        ("张", Some(Rank::NameBegins)),
        ("三", Some(Rank::NameEnds)),
        ("zhangsan", Some(Rank::Pinyin)),
        ("Zhang San", Some(Rank::Pinyin)),
        ("ＺＨＡＮＧＳＡＮ", Some(Rank::Pinyin)),
        ("zhang", Some(Rank::PinyinPart)),
        ("zs", Some(Rank::Initials)),
        ("ＺＳ", Some(Rank::Initials)),
        ("李", None),
        ("zhangsi", None),
        ("张三丰", None),
        ("zsf", None),
    ] {
        assert_eq!(by(query, &named("张三")), rank, "{query}");
    }
    for (query, rank) in [("王小", Rank::NameBegins), ("小明", Rank::NameEnds), ("xiaoming", Rank::PinyinPart)] {
        assert_eq!(by(query, &named("王小明")), Some(rank), "{query}");
    }
    assert_eq!(by("欧阳", &named("欧阳小明")), Some(Rank::NameBegins));
    assert_eq!(by("johnsmith", &named("John Smith")), Some(Rank::Pinyin));
    assert_eq!(by("阿依古丽买买提", &named("阿依古丽·买买提")), Some(Rank::ExactName));
}

#[test]
fn a_name_of_several_readings_is_found_by_each_of_them() {
    for (name, queries) in [
        ("单雄信", ["shanxiongxin", "danxiongxin", "sxx", "dxx"].as_slice()),
        ("曾国藩", &["zengguofan", "zgf", "cengguofan", "cgf"]),
        ("解珍", &["xiezhen", "jiezhen", "xz", "jz"]),
        ("李重进", &["lizhongjin", "lichongjin", "lzj", "lcj", "chongjin"]),
        ("仇英", &["qiuying", "chouying"]),
        ("任盈盈", &["renyingying", "ryy"]),
        ("查良镛", &["zhaliangyong", "zly"]),
        ("尉迟恭", &["yuchigong", "ycg", "yuchi"]),
        ("吕布", &["lvbu", "lübu", "lb"]),
        ("张乐", &["zhangle", "zhangyue", "zl", "zy"]),
    ] {
        for query in queries {
            assert!(by(query, &named(name)).is_some(), "{name} by {query}");
        }
    }
    assert_eq!(by("wanger", &named("方二")), None, "no archaic reading of a surname");
    let many = named("长乐行重朝和"); // six characters with three readings each, 729 combinations
    assert!(many.tokens().len() < 70, "{:?}", many.tokens());
}

#[test]
fn a_phone_is_found_by_any_run_of_four_digits_and_not_by_three() {
    let phones = [Some("13812345678"), Some("04353912345-801")];
    let home = Searched {
        residents: vec![SearchedResident { name: Some("张三"), phones }],
        contact_phone: Some("+85291234567"),
        ..Default::default()
    };
    for run in
        ["1381", "5678", "8123", "38123456", "13812345678", "138-1234-5678", "+86 138 1234 5678", "3912345", "0435"]
    {
        assert_eq!(by(run, &home), Some(Rank::Phone), "{run}");
    }
    for run in ["5679", "12346", "138123456789"] {
        assert_eq!(by(run, &home), None, "{run}");
    }
    let household = [Found { resident: None, ranks: vec![Rank::Phone] }];
    assert_eq!(Query::parse("8529").unwrap().found_in(&home), household);
    assert_eq!(by("678", &home), None, "three digits are no more than a number in an address");
    let shared = Searched { contact_phone: Some("13812345678"), ..home.clone() };
    assert_eq!(words(&shared, &[Rank::Phone]).len(), 8 + 11 - 2, "a run in two places is kept once");
}

#[test]
fn an_address_is_found_by_its_fragments_and_a_number_as_a_whole() {
    let home = Searched {
        address: Some("示范区繁荣路 １６号（繁荣小区）"),
        doors: [Some("3号楼"), Some("2单元"), Some("501")],
        ..Default::default()
    };
    for fragment in
        ["繁荣", "繁荣路", "繁荣路16号", "繁荣小区 501", "小区3号楼2单元501", "3-2-501 繁荣路", "16 繁荣", "荣路"]
    {
        let found = Query::parse(fragment).unwrap().found_in(&home);
        assert_eq!(found.len(), 1, "{fragment}");
        assert!(found[0].resident.is_none() && found[0].ranks.iter().all(|rank| *rank == Rank::Address));
    }
    for fragment in ["繁荣路6号", "繁荣路1", "繁荣街", "路繁荣", "50 繁荣"] {
        assert_eq!(Query::parse(fragment).unwrap().found_in(&home), [], "{fragment}");
    }
}

#[test]
fn several_words_find_whom_all_of_them_are_about() {
    let resident = |name, phone| SearchedResident { name: Some(name), phones: [Some(phone), None] };
    let home = Searched {
        address: Some("繁荣路16号"),
        residents: vec![resident("张三", "13812345678"), resident("赵四", "13900001111")],
        ..Default::default()
    };
    let found = |query| {
        let found = Query::parse(query).unwrap().found_in(&home);
        found.into_iter().map(|one| (one.resident, one.ranks)).collect::<Vec<_>>()
    };
    assert_eq!(found("zs 繁荣路"), [0, 1].map(|place| (Some(place), vec![Rank::Initials, Rank::Address])));
    assert_eq!(found("繁荣路 张三"), [(Some(0), vec![Rank::Address, Rank::ExactName])]);
    assert_eq!(found("zs 1111"), [(Some(1), vec![Rank::Initials, Rank::Phone])]);
    assert_eq!(found("张 1111"), []);
    assert_eq!(found("繁荣路 16"), [(None, vec![Rank::Address, Rank::Address])]);
    assert_eq!(found("3 繁荣路"), []);
}

#[test]
fn what_cannot_be_looked_up_is_refused_with_what_to_type_instead() {
    for (text, error) in [
        ("", QueryError::Length),
        ("　", QueryError::Length),
        (&"王".repeat(65), QueryError::Length),
        ("a 1 王 2 李", QueryError::TooManyWords),
        ("5", QueryError::TooShort),
        ("z", QueryError::TooShort),
        ("!?", QueryError::TooShort),
        ("3号", QueryError::TooShort),
    ] {
        assert_eq!(Query::parse(text), Err(error), "{text:?}");
    }
}

/// The invariant of the module: the index never gives too few.
#[test]
fn whoever_is_found_has_the_tokens_that_are_looked_up() {
    let names = [
        "张三",
        "单雄信",
        "欧阳小明",
        "阿依古丽·买买提",
        "John Smith",
        "王a",
        "尉迟恭",
        "长乐行重朝和长乐行重朝和长乐",
    ];
    let addresses = ["繁荣路16号繁荣小区3号楼501室", "b3座 12-34号"];
    let numbers = ["04353912345-801", "13812345678"];
    let mut found_often = 0;
    for name in names {
        for address in addresses {
            for number in numbers {
                let resident = SearchedResident { name: Some(name), phones: [Some(number), None] };
                let home = Searched {
                    address: Some(address),
                    doors: [Some("7号楼"), None, Some("1204")],
                    contact_phone: Some("4001234567"),
                    residents: vec![resident],
                    needs: ["meal_service"].into(),
                };
                let tokens = home.tokens();
                let letters = super::name::letters(name).into_iter().map(|(_, word)| word);
                let typed = [name, address, number, "4001234567"].into_iter().flat_map(parts).chain(letters);
                let narrowed = parts(address).into_iter().map(|part| format!("{name} {part}"));
                for typed in typed.chain(narrowed) {
                    let Ok(query) = Query::parse(&typed) else { continue };
                    for found in query.found_in(&home) {
                        for (word, rank) in query.words().iter().zip(found.ranks) {
                            let tiers = word.tiers();
                            if tiers.is_empty() {
                                continue; // it only narrows
                            }
                            let tier = tiers.into_iter().find(|tier| tier.rank == rank);
                            let tier =
                                tier.unwrap_or_else(|| panic!("{typed} is found by {rank:?}, and not looked up"));
                            found_often += 1;
                            let has = |word: &String| tokens.contains(&Token { rank, word: word.clone() });
                            assert!(!tier.words.is_empty() && tier.words.iter().all(has), "{typed}: {tier:?}");
                        }
                    }
                }
                assert!(tokens.contains(&Token::of_need("meal_service")));
            }
        }
    }
    assert!(found_often > 3_000, "{found_often}");
}

/// Every part of a text.
fn parts(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let ends = |start| (start + 1..=characters.len()).map(move |end| (start, end));
    (0..characters.len()).flat_map(ends).map(|(start, end)| characters[start..end].iter().collect()).collect()
}

#[test]
fn every_rank_has_a_byte_of_its_own_in_the_order_of_the_ranks() {
    assert!(Rank::ALL.windows(2).all(|pair| pair[0] < pair[1] && pair[0].byte() < pair[1].byte()));
    assert!(Rank::ALL.iter().all(|rank| Rank::of_byte(rank.byte()) == Some(*rank)));
    assert_eq!(Rank::of_byte(11), None);
}
