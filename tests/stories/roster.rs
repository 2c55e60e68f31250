//! Tables of people go in and out: a community worker's roster is tried, mended, imported, found, exported, and imported
//! again without anybody doubled; and a server that is killed meanwhile keeps nothing of it.

use crate::program::{self, Said};
use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{FAR_GRID, PASSWORD, QIAN, Town, WU, ZHOU};
use crate::waiting::until;
use crate::wire::Sent;
use gridwork_roster::{CsvTable, Entry, XlsxTable};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

const CSV: &str = "text/csv";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// A roster with the mistakes that rosters have, as an office's spreadsheet program saves it.
const WITH_MISTAKES: &str = "田屯社区居民花名册\r\n\
    户主,姓 名,与户主关系,性别,出生日期,电话,地址,楼栋,单元,门牌,人户类型\r\n\
    周大海,周大海,户主,男,1961/5/2,138 1234 5678,田屯路1号,3,1,301,户籍\r\n\
    周大海,林 芳,妻,南,1963年13月1日,,田屯路1号,3,1,301,户籍\r\n\
    郑小河,郑小河,户主,女,1990-7-9,1391234,田屯路1号,3,1,302,流动人口\r\n\
    郑小河,,子,男,,,田屯路1号,3,1,302,流动人口\r\n";

/// The same, mended.
const MENDED: &str = "田屯社区居民花名册\r\n\
    户主,姓 名,与户主关系,性别,出生日期,电话,地址,楼栋,单元,门牌,人户类型\r\n\
    周大海,周大海,户主,男,1961/5/2,138 1234 5678,田屯路1号,3,1,301,户籍\r\n\
    周大海,林 芳,妻,女,1963年12月1日,,田屯路1号,3,1,301,户籍\r\n\
    郑小河,郑小河,户主,女,1990-7-9,13912345678,田屯路1号,3,1,302,流动人口\r\n\
    郑小河,郑一,子,男,,,田屯路1号,3,1,302,流动人口\r\n";

/// What a file that has been saved by an old spreadsheet program holds.
fn as_gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

pub(crate) fn import(server: &Server, file: &Path, options: &[&str]) -> Said {
    let file = file.to_str().expect("UTF-8");
    let url = server.url();
    let arguments = [&["import", file, "--server", &url, "--sign-in", QIAN.sign_in], options].concat();
    let output = program::command(&arguments).env("GRIDWORK_PASSWORD", PASSWORD).output();
    Said::of(output.expect("the binary runs"))
}

pub(crate) fn export(server: &Server, list: &str, file: &Path) -> Vec<u8> {
    let path = file.to_str().expect("UTF-8");
    let arguments = ["export", list, path, "--server", &server.url(), "--sign-in", QIAN.sign_in];
    let output = program::command(&arguments).env("GRIDWORK_PASSWORD", PASSWORD).output();
    Said::of(output.expect("the binary runs")).well();
    std::fs::read(file).expect("a file")
}

/// The names of all residents whom somebody may read, ascending.
fn names(session: &Session) -> Vec<String> {
    let mut names = Vec::new();
    let mut after = String::new();
    loop {
        let page = session.get(&format!("/v1/residents?limit=200{after}")).well();
        let items = page["items"].as_array().expect("a page");
        names.extend(items.iter().map(|one| text(&one["resident"]["name"])));
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    names.sort_unstable();
    names
}

/// Fails unless every row of the registry is what its change log says; no server runs meanwhile.
pub(crate) fn must_be_clean(town: &Town) {
    let verified = program::about(&town.data_folder(), &["verify"]).output();
    Said::of(verified.expect("the binary runs")).well();
}

/// Posts a file. None if there was no answer.
fn send(url: &str, token: &str, query: &str, media_type: &str, file: &[u8]) -> Option<(u16, Value)> {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent = config.timeout_global(Some(Duration::from_secs(300))).build().new_agent();
    let request = agent.post(format!("{url}/v1/imports?{query}")).header("content-type", media_type);
    let request = request.header("accept-language", "zh-CN");
    let mut answer = request.header("authorization", format!("Bearer {token}")).send(file).ok()?;
    let body = answer.body_mut().read_to_string().ok()?;
    Some((answer.status().as_u16(), serde_json::from_str(&body).expect("JSON")))
}

pub(crate) fn post(server: &Server, session: &Session, query: &str, media_type: &str, file: &[u8]) -> (u16, Value) {
    send(&server.url(), &session.token, query, media_type, file).expect("an answer")
}

/// The gauge of jobs that the writer has.
fn writer_queue(server: &Server) -> Option<u32> {
    let metrics = server.metrics();
    let line = metrics.lines().find_map(|line| line.strip_prefix("gridwork_writer_queue_jobs "))?;
    line.parse().ok()
}

#[test]
fn a_community_worker_mends_a_roster_imports_it_and_imports_it_again_without_doubling_anybody() {
    let town = Town::new();
    let server = town.serve();
    let file = town.path("花名册.csv");
    let grid = ["--grid", "210404001006001"];
    std::fs::write(&file, as_gb18030(WITH_MISTAKES)).expect("a file");

    let tried = import(&server, &file, &[&grid[..], &["--apply"]].concat());
    assert!(!tried.success, "a file with problems is not imported");
    let lines: Vec<&str> = tried.out.lines().collect();
    assert_eq!(
        lines,
        [
            "问题：第 4 行 D 列（性别）：不认识：请填写 男 女",
            "问题：第 4 行 E 列（出生日期）：不是日期：请写成 1980-01-31 的样子",
            "问题：第 5 行 F 列（电话）：不是电话号码：手机 11 位，座机要有区号；一格只写一个号码",
            "问题：第 6 行 B 列（姓 名）：缺少姓名：请补上，或删除这一行",
            "试读，没有改动；请先改正问题：新住户 2 户，居民 4 人，已登记 0 户",
        ],
        "{tried:?}"
    );
    let english = import(&server, &file, &[&grid[..], &["--language", "en"]].concat()).out;
    assert!(english.starts_with("problem: row 4, column D (性别): is not known: write one of 男 女\n"), "{english}");
    let qian = Session::of(&QIAN, &server);
    // Who does not try it first is refused by the server.
    let query = format!("apply=true&grid={}", FAR_GRID.id());
    let (status, problem) = post(&server, &qian, &query, CSV, &as_gb18030(WITH_MISTAKES));
    assert_eq!((status, problem["errors"].as_array().map(Vec::len)), (422, Some(4)), "{problem}");
    assert_eq!(names(&qian), Vec::<String>::new(), "nothing of it is there");

    std::fs::write(&file, as_gb18030(MENDED)).expect("a file");
    let tried = import(&server, &file, &grid).well();
    assert_eq!(tried, "试读，没有改动；可以导入（--apply）：新住户 2 户，居民 4 人，已登记 0 户\n");
    assert_eq!(names(&qian), Vec::<String>::new(), "it was only tried");
    let imported = import(&server, &file, &[&grid[..], &["--apply"]].concat()).well();
    assert_eq!(imported, "已导入：新住户 2 户，居民 4 人，已登记 0 户\n");
    assert_eq!(names(&qian), ["周大海", "林芳", "郑一", "郑小河"]);
    let found = qian.get("/v1/residents?name=%E6%9E%97%E8%8A%B3").well();
    let lin = &found["items"][0];
    assert_eq!(
        (text(&lin["resident"]["birth_date"]), text(&lin["resident"]["sex"])),
        ("1963-12-01".into(), "2".into())
    );

    // The same file, the list of residents as either file, and a file in which a word has changed: nobody is new.
    let again = import(&server, &file, &[&grid[..], &["--apply"]].concat()).well();
    assert!(again.ends_with("已导入：新住户 0 户，居民 0 人，已登记 2 户\n"), "{again}");
    for ending in ["csv", "xlsx"] {
        let list = town.path(&format!("居民.{ending}"));
        export(&server, "residents", &list);
        let read_back = import(&server, &list, &["--apply"]).well();
        assert!(read_back.ends_with("已导入：新住户 0 户，居民 0 人，已登记 2 户\n"), "{read_back}");
    }
    std::fs::write(&file, as_gb18030(&MENDED.replace("1961/5/2", "1961-05-02"))).expect("a file");
    let changed = import(&server, &file, &[&grid[..], &["--apply"]].concat()).well();
    assert!(changed.ends_with("已导入：新住户 0 户，居民 0 人，已登记 2 户\n"), "{changed}");
    assert_eq!(names(&qian), ["周大海", "林芳", "郑一", "郑小河"]);

    let log = std::fs::read_to_string(town.data_folder().join("server.log")).expect("a log");
    for private in ["周大海", "林芳", "南", "1391234", "田屯路"] {
        assert!(!log.contains(private), "the log tells {private}");
    }
    server.end();
    must_be_clean(&town);
}

#[test]
fn lists_hold_what_their_reader_may_see_and_no_formula() {
    let town = Town::new();
    let server = town.serve();
    let (zhou, qian) = (Session::of(&ZHOU, &server), Session::of(&QIAN, &server));
    zhou.register("和平路9号", "110"); // in another community
    let file = "姓名,地址,职业\n=HYPERLINK(\"http://x\"),'+田屯路5号,@SUM(1)\n";
    let grid = format!("apply=true&grid={}", FAR_GRID.id());
    let imported = post(&server, &qian, &grid, CSV, file.as_bytes());
    assert_eq!(imported.0, 200, "{imported:?}");

    let csv = String::from_utf8(export(&server, "residents", &town.path("居民.csv"))).expect("UTF-8");
    let (headers, row) = csv.strip_prefix('\u{feff}').expect("a mark").split_once("\r\n").expect("two lines");
    assert!(headers.starts_with("网格编码,网格名称,户编号,地址,"), "{headers}");
    assert!(row.starts_with("210404001006001,田屯社区第一网格,"), "{row}");
    assert!(row.contains("'+田屯路5号") && row.contains("'=HYPERLINK") && row.contains("'@SUM(1)"), "{row}");
    assert!(!csv.contains("和平路9号"), "it lies outside her area");
    let households = String::from_utf8(export(&server, "households", &town.path("住户.csv"))).expect("UTF-8");
    assert!(households.contains("'+田屯路5号") && !households.contains("和平路9号"), "{households}");
    assert!(export(&server, "visits", &town.path("走访.xlsx")).starts_with(b"PK"));

    let administrator = Session::of(&WU, &server);
    assert_eq!(administrator.get("/v1/exports/residents").status, 403);
    assert_eq!(post(&server, &administrator, "", CSV, b"x").0, 403);
    let other_grid = format!("grid={}", crate::town::GRID.id());
    assert_eq!(post(&server, &qian, &other_grid, CSV, file.as_bytes()).0, 422, "not her grid");
}

#[test]
fn files_that_are_none_are_refused_in_words_and_the_server_lives() {
    let town = Town::new();
    let server = town.serve();
    let qian = Session::of(&QIAN, &server);
    let mut bomb = XlsxTable::new("x").expect("a table");
    let long = Entry::Text("大".repeat(2_700));
    bomb.row(&[Entry::Text("姓名".into()), Entry::Text("备注".into())]).expect("a row");
    for _ in 0..9_000 {
        bomb.row(&[Entry::Text("张三".into()), long.clone()]).expect("a row");
    }
    let mut file = Vec::new();
    bomb.finish(&mut file).expect("a file");
    assert!(file.len() < 1024 * 1024, "{}", file.len());
    let before = server.peak_memory_bytes();
    let (status, problem) = post(&server, &qian, "", XLSX, &file);
    assert_eq!((status, text(&problem["detail"])), (422, "文件的文字太多：请分成几个文件".to_owned()));
    assert!(server.peak_memory_bytes() - before < 300 * 1024 * 1024, "{}", server.peak_memory_bytes() - before);
    for (file, told) in [
        (&b"\xd0\xcf\x11\xe0"[..], "旧版 .xls 或加密的文件：请另存为不加密的 .xlsx"),
        (b"PK\x03\x04", "不是可读的 XLSX 文件：请用表格软件打开后另存为 .xlsx"),
        (b"\xff\xff", "文字编码不是 UTF-8 或 GB18030：请另存为 CSV UTF-8"),
        (b"a,b\n1,2\n", "前 10 行里没有表头：需要一行写着 姓名 和其他列名"),
    ] {
        let (status, problem) = post(&server, &qian, "", CSV, file);
        assert_eq!((status, text(&problem["detail"])), (422, told.to_owned()));
    }
    assert_eq!(post(&server, &qian, "", "application/zip", b"PK").0, 415);
    assert_eq!(post(&server, &qian, "mapping=%7B%22x%22%3A%22y%22%7D", CSV, b"x").0, 422);
    let large = Sent::new("POST", "/v1/imports").with("authorization", &format!("Bearer {}", qian.token));
    let large = large.with("content-type", CSV).with_body(vec![b'x'; 17 * 1024 * 1024]);
    assert_eq!(large.send(server.address()).status, 413);
    assert!(server.listens());
}

#[test]
fn a_server_that_is_killed_in_the_middle_of_an_import_keeps_nothing_of_it() {
    let town = Town::new();
    let mut server = town.serve();
    let qian = Session::of(&QIAN, &server);
    let header = ["户编号", "姓名", "地址", "门牌"].map(|text| Entry::Text(text.into())).to_vec();
    let people = 6_000;
    let row = |n: usize| {
        let cells = [format!("{}", n / 3), format!("居民{n}"), "田屯路8号".to_owned(), format!("{}", n / 3)];
        cells.map(Entry::Text).to_vec()
    };
    let rows: Vec<_> = std::iter::once(header).chain((0..people).map(row)).collect();
    let file = CsvTable::new().rows(&rows).expect("a file");
    let query = format!("apply=true&grid={}", FAR_GRID.id());
    std::thread::scope(|scope| {
        let (url, token) = (server.url(), qian.token.clone());
        let (query, file) = (&query, &file);
        let importing = scope.spawn(move || send(&url, &token, query, CSV, file));
        let within = Duration::from_secs(60);
        until("the writer has begun", within, || writer_queue(&server).filter(|jobs| *jobs > 0));
        server.kill();
        assert_eq!(importing.join().expect("no panic"), None, "it was not answered");
    });
    server.restart();
    assert_eq!(names(&qian), Vec::<String>::new(), "nothing of it is there");

    let imported = post(&server, &qian, &query, CSV, &file);
    assert_eq!((imported.0, imported.1["residents"].as_u64()), (200, Some(people as u64)), "{imported:?}");
    assert_eq!(names(&qian).len(), people);
    server.end();
    must_be_clean(&town);
}
