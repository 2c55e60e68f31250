//! `gridwork import` and `gridwork export`: files of tables to and from a server, for somebody who signs in.
//!
//! They are clients of the API, so that they may what their user may, and nothing else.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, stdin};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body, SendBody};

/// An import of the largest file takes a minute, and waits for those before it.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// Bytes of an answer that is read into memory: a report with all that it lists.
const LARGEST_ANSWER_BYTES: u64 = 8 * 1024 * 1024;

/// Who asks, and where.
#[derive(Args)]
struct Caller {
    /// The server's URL.
    #[arg(long, default_value = "http://127.0.0.1:8080", env = "GRIDWORK_SERVER")]
    server: String,
    /// The name with which you sign in.
    #[arg(long)]
    sign_in: String,
    /// Your password; the first line of the standard input if it is not given.
    #[arg(long, env = "GRIDWORK_PASSWORD", hide_env_values = true)]
    password: Option<String>,
    /// The one-time code that your authenticator app shows, if you have a second factor.
    #[arg(long)]
    code: Option<String>,
    /// The language of messages and headers.
    #[arg(long, value_enum, default_value = "zh")]
    language: Language,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    Zh,
    En,
}

/// Options of `gridwork import`.
#[derive(Args)]
pub(crate) struct ImportArguments {
    /// An XLSX or CSV file with a resident in each row, below headers such as 姓名, 地址, 与户主关系.
    file: PathBuf,
    #[command(flatten)]
    caller: Caller,
    /// The code of the grid of households whose rows name none, 15 digits.
    #[arg(long)]
    grid: Option<String>,
    /// A JSON file that says which column is which where its header does not: {"居民名字": "name"}.
    #[arg(long)]
    mapping: Option<PathBuf>,
    /// Imports the file. Without it, everything is checked and told, and nothing is changed.
    #[arg(long)]
    apply: bool,
}

/// Options of `gridwork export`.
#[derive(Args)]
pub(crate) struct ExportArguments {
    /// Which list.
    #[arg(value_enum)]
    list: List,
    /// The file to write, ending in .csv or .xlsx.
    file: PathBuf,
    #[command(flatten)]
    caller: Caller,
    /// The code of the area to which the list is confined.
    #[arg(long)]
    area: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum List {
    Households,
    Residents,
    Visits,
}

/// Tries a file, or imports it; prints every problem by row and column.
///
/// # Errors
/// What the server or the file system refuses. A file with problems is told by the exit code.
pub(crate) fn import(arguments: &ImportArguments) -> Result<ExitCode, Box<dyn Error>> {
    let file = std::fs::read(&arguments.file)?;
    let mapping = arguments.mapping.as_ref().map(std::fs::read_to_string).transpose()?;
    let session = Session::open(&arguments.caller)?;
    let grid = arguments.grid.as_ref().map(|code| session.area(code)).transpose()?;
    let query = |apply: bool| {
        let mut query = format!("apply={apply}");
        for (name, value) in [("grid", &grid), ("mapping", &mapping)] {
            if let Some(value) = value {
                query.push_str(&format!("&{name}={}", percent_encoded(value)));
            }
        }
        query
    };
    let media_type = if file.starts_with(b"PK") {
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    } else {
        "text/csv"
    };
    let post = |apply: bool| {
        let request = session.request(Method::POST, &format!("/v1/imports?{}", query(apply)));
        session.json(request.header("content-type", media_type).body(SendBody::from_reader(&mut file.as_slice()))?)
    };
    let tried = post(false)?;
    let language = arguments.caller.language;
    print_findings(&tried, language);
    let count = |report: &Value, name: &str| report[name].as_u64().unwrap_or(0);
    let clean = count(&tried, "problems_found") == 0;
    let report = if arguments.apply && clean { post(true)? } else { tried };
    let [households, residents, known] =
        ["households", "residents", "already_registered"].map(|name| count(&report, name));
    let said = match (language, report["imported"] == true, clean) {
        (Language::Zh, true, _) => "已导入",
        (Language::Zh, false, true) => "试读，没有改动；可以导入（--apply）",
        (Language::Zh, false, false) => "试读，没有改动；请先改正问题",
        (Language::En, true, _) => "imported",
        (Language::En, false, true) => "tried, nothing was changed; it can be imported with --apply",
        (Language::En, false, false) => "tried, nothing was changed; mend the problems first",
    };
    match language {
        Language::Zh => println!("{said}：新住户 {households} 户，居民 {residents} 人，已登记 {known} 户"),
        Language::En => {
            println!(
                "{said}: {households} new households, {residents} residents, {known} households registered already"
            );
        }
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Writes a list into a file.
///
/// # Errors
/// What the server or the file system refuses.
pub(crate) fn export(arguments: &ExportArguments) -> Result<(), Box<dyn Error>> {
    let ending = arguments.file.extension().and_then(|ending| ending.to_str());
    let format = ending.filter(|ending| ["csv", "xlsx"].contains(ending)).ok_or("the file ends in .csv or .xlsx")?;
    let session = Session::open(&arguments.caller)?;
    let list = match arguments.list {
        List::Households => "households",
        List::Residents => "residents",
        List::Visits => "visits",
    };
    let mut path = format!("/v1/exports/{list}?format={format}");
    if let Some(code) = &arguments.area {
        path.push_str(&format!("&area={}", session.area(code)?));
    }
    let mut response = session.send(session.request(Method::GET, &path).body(SendBody::none())?)?;
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600); // it is full of people: its owner's alone
    let mut file = options.open(&arguments.file)?;
    let copied = std::io::copy(&mut response.body_mut().as_reader(), &mut file).and_then(|_| file.sync_all());
    if copied.is_err() {
        std::fs::remove_file(&arguments.file)?; // a part of a list would be taken for all of it
    }
    Ok(copied?)
}

fn print_findings(report: &Value, language: Language) {
    let sorts = [("problems", "问题", "problem"), ("warnings", "提示", "warning")];
    for (sort, chinese, english) in sorts {
        let listed = report[sort].as_array().map_or(&[][..], Vec::as_slice);
        for finding in listed {
            let text = |name: &str| finding[name].as_str().unwrap_or_default();
            let (row, column, header) = (&finding["row"], text("column"), text("header"));
            let place = match (language, column.is_empty()) {
                (Language::Zh, true) => format!("{chinese}：第 {row} 行：{}", text("message")),
                (Language::Zh, false) => format!("{chinese}：第 {row} 行 {column} 列（{header}）：{}", text("message")),
                (Language::En, true) => format!("{english}: row {row}: {}", text("message")),
                (Language::En, false) => {
                    format!("{english}: row {row}, column {column} ({header}): {}", text("message"))
                }
            };
            println!("{place}");
        }
        let more = report[format!("{sort}_found")].as_u64().unwrap_or(0).saturating_sub(listed.len() as u64);
        if more > 0 {
            println!(
                "{}",
                if language == Language::Zh {
                    format!("… 还有 {more} 条")
                } else {
                    format!("… and {more} more")
                }
            );
        }
    }
}

/// Somebody who is signed in.
struct Session {
    agent: Agent,
    server: String,
    token: String,
    session: String,
    language: &'static str,
}

impl Drop for Session {
    /// Signs out, also after an error: nobody refreshes this session, and its token is of no more use.
    fn drop(&mut self) {
        if self.session.is_empty() {
            return;
        }
        let request = self.request(Method::DELETE, &format!("/v1/sessions/{}", self.session)).body(SendBody::none());
        let ended = request.map_err(Into::into).and_then(|request| self.send(request));
        if let Err(error) = ended {
            eprintln!("the session was not ended: {error}");
        }
    }
}

impl Session {
    fn open(caller: &Caller) -> Result<Self, Box<dyn Error>> {
        let password = match &caller.password {
            Some(password) => password.clone(),
            None => stdin().lock().lines().next().ok_or("the password is missing")??,
        };
        let agent = Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let language = if caller.language == Language::Zh { "zh" } else { "en" };
        let server = caller.server.trim_end_matches('/').to_owned();
        let mut session =
            Self { agent: agent.new_agent(), server, token: String::new(), session: String::new(), language };
        let form = json!({ "sign_in": caller.sign_in, "password": password, "code": caller.code }).to_string();
        let request = session.request(Method::POST, "/v1/sign-in").header("content-type", "application/json");
        let answer = session.json(request.body(SendBody::from_reader(&mut form.as_bytes()))?)?;
        session.token = answer["access_token"].as_str().ok_or("the server gave no token")?.to_owned();
        session.session = answer["session"].as_str().unwrap_or_default().to_owned();
        Ok(session)
    }

    /// The id of an area within reach.
    fn area(&self, code: &str) -> Result<String, Box<dyn Error>> {
        let areas = self.json(self.request(Method::GET, &format!("/v1/areas?code={code}")).body(SendBody::none())?)?;
        let found = areas["items"].as_array().into_iter().flatten().find(|area| area["code"] == code);
        let id = found.and_then(|area| area["id"].as_str());
        Ok(id.ok_or_else(|| format!("there is no area {code} in which you may read"))?.to_owned())
    }

    fn request(&self, method: Method, path: &str) -> ureq::http::request::Builder {
        let url = format!("{}{path}", self.server);
        let request = Request::builder().method(method).uri(url).header("accept-language", self.language);
        if self.token.is_empty() { request } else { request.header("authorization", format!("Bearer {}", self.token)) }
    }

    /// Sends a request. A problem becomes an error with its detail.
    fn send(&self, request: Request<SendBody<'_>>) -> Result<Response<Body>, Box<dyn Error>> {
        let mut response = self.agent.run(request)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let problem = response.body_mut().with_config().limit(LARGEST_ANSWER_BYTES).read_to_string()?;
        let problem: Value = serde_json::from_str(&problem).unwrap_or_default();
        Err(problem["detail"].as_str().unwrap_or("the server refused without a reason").into())
    }

    fn json(&self, request: Request<SendBody<'_>>) -> Result<Value, Box<dyn Error>> {
        let text = self.send(request)?.body_mut().with_config().limit(LARGEST_ANSWER_BYTES).read_to_string()?;
        Ok(serde_json::from_str(&text)?)
    }
}

/// A text as part of a query (RFC 3986, 2.1).
fn percent_encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
