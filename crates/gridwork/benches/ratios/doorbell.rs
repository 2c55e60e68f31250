//! A REST edit on one node until an online phone of another node holds it, against a bare commit, publication and reading
//! of the same databases.

use super::Outcome;
use super::district::{self, Server, household, leader, now};
use super::timing::line;
use diesel::connection::SimpleConnection;
use diesel::{Connection, PgConnection, RunQueryDsl};
use gridwork_domain::household::RecordPath;
use gridwork_domain::id::{AreaId, HouseholdId, StaffId};
use gridwork_domain::instant::Instant as At;
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_phone::{Phone, Ring};
use gridwork_registry::{Administration, Registry, TemporaryDatabase};
use std::error::Error;
use std::ops::ControlFlow;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

type Fallible<T> = Result<T, Box<dyn Error>>;

/// Phones that are online, each of a grid of its own.
const PHONES: u8 = 24;
/// Households of each grid.
const HOUSEHOLDS: u64 = 20;
/// Edits that are measured.
const EDITS: usize = 200;
/// An edit that is not there by then is lost.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// Who edits.
const AGENT: (&str, &str) = ("agent", "门前大桥下 游过一群鸭 24678");

/// What a phone holds since when.
struct Holds {
    household: HouseholdId,
    number: Option<String>,
    since: Instant,
}

/// From a REST edit on one node to a phone of another.
pub(crate) fn doorbell() -> Outcome {
    let url = |name: &str| std::env::var(name).ok().filter(|url| !url.is_empty());
    let (Some(postgres), Some(redis)) = (url("GRIDWORK_TEST_POSTGRES"), url("GRIDWORK_TEST_REDIS")) else {
        println!("  not measured: GRIDWORK_TEST_POSTGRES and GRIDWORK_TEST_REDIS name no servers");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let database = TemporaryDatabase::make(&postgres, "gridwork_bench")?;
    let registry = runtime.block_on(district::open_at(database.url(), PHONES))?;
    runtime.block_on(appoint_agent(&registry))?;
    let mut codes = Vec::new();
    for grid in 0..PHONES {
        district::fill(&registry, grid, HOUSEHOLDS, 1)?;
        codes.push(runtime.block_on(registry.issue_enrolment_code(None, None, leader(grid), now()))?);
    }
    runtime.block_on(registry.close())?;
    let made = Command::new(env!("CARGO_BIN_EXE_gridwork")).args(["keys", "make"]).output()?;
    let keys = String::from_utf8(made.stdout)?;
    let shared = [
        ("DATABASE_URL", database.url()),
        ("REDIS_URL", &redis),
        ("GRIDWORK_TOKEN_SECRET", "a secret of the benchmark alone, 32 bytes"),
        ("GRIDWORK_SEALING_KEYS", keys.trim()),
    ];
    let nodes = [1, 2].map(|number| Server::start_with(&folder.path().join(format!("node-{number}")), &shared));
    let [edited, followed] = nodes;
    let (edited, followed) = (edited?, followed?);

    let (tell, told) = channel();
    for (grid, code) in (0..PHONES).zip(&codes) {
        let mut phone = Phone::enrol(&folder.path().join(format!("phone-{grid}")), &followed.url(), code.as_str())?;
        phone.sync()?;
        let tell = tell.clone();
        std::thread::spawn(move || stay_online(phone, grid, &tell));
    }
    let token = sign_in(&edited)?;
    let mut times = Vec::new();
    for turn in 0..usize::from(PHONES) + EDITS {
        let grid = u64::try_from(turn)? % u64::from(PHONES);
        let (id, _) = household(grid * 100_000 + u64::try_from(turn)? % HOUSEHOLDS);
        let number = format!("138{turn:08}");
        let begun = Instant::now();
        correct(&edited, &token, id, &number)?;
        let answered = Instant::now();
        let since = arrival(&told, id, &number)?;
        if turn >= usize::from(PHONES) {
            times.push((since.saturating_duration_since(begun), since.saturating_duration_since(answered)));
        }
    }
    let mut bare = bare(database.url(), &redis)?;
    let (mut whole, mut after): (Vec<_>, Vec<_>) = times.into_iter().unzip();
    let against = percentile(&mut bare, 99);
    line("a bare commit, publish and read, 50th percentile", percentile(&mut bare, 50), None);
    line("a bare commit, publish and read, 99th percentile", against, None);
    line("a REST edit until the phone holds it, 50th percentile", percentile(&mut whole, 50), Some(against));
    line("a REST edit until the phone holds it, 99th percentile", percentile(&mut whole, 99), Some(against));
    line("of it after the edit was answered, 50th percentile", percentile(&mut after, 50), Some(against));
    line("of it after the edit was answered, 99th percentile", percentile(&mut after, 99), Some(against));
    Ok(())
}

async fn appoint_agent(registry: &Registry) -> Outcome {
    let id = StaffId::from_bytes([0x49; 16]);
    let staff = Staff { id, name: "坐席".to_owned(), sign_in: AGENT.0.to_owned() };
    let appoint = Administration::AppointStaff { staff, password: Some(AGENT.1.to_owned()) };
    let area = AreaId::from_bytes([1; 16]);
    let office = Assignment { staff: id, role: Role::CallAgent, area, from: At::from_ms(0), until: None };
    for what in [appoint, Administration::Assign(office)] {
        registry.administer(None, what, now()).await?;
    }
    Ok(())
}

/// Syncs whenever the doorbell rings, and tells what the phone holds then of the households that it rang for.
fn stay_online(mut phone: Phone, grid: u8, tell: &Sender<Holds>) {
    let (ring, rings) = channel();
    let doorbell = phone.doorbell();
    std::thread::spawn(move || {
        doorbell.listen(|one| if ring.send(one).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
    });
    let own: Vec<_> = (0..HOUSEHOLDS).map(|one| household(u64::from(grid) * 100_000 + one).0).collect();
    for ring in rings {
        if matches!(ring, Ring::Cut { .. }) {
            continue;
        }
        if phone.sync().is_err() {
            return;
        }
        let since = Instant::now();
        let of_ring = own.iter().filter(|id| !matches!(ring, Ring::Moved(moved) if moved != **id));
        for household in of_ring.copied() {
            let path = RecordPath::household().field("contact_phone");
            let number = phone.household(household);
            let number = number.and_then(|known| known.household.value(&path).map(ToString::to_string));
            if tell.send(Holds { household, number, since }).is_err() {
                return;
            }
        }
    }
}

fn arrival(told: &Receiver<Holds>, of: HouseholdId, number: &str) -> Fallible<Instant> {
    let deadline = Instant::now() + LOST_AFTER;
    loop {
        let held = told.recv_timeout(deadline.saturating_duration_since(Instant::now()));
        let Holds { household, number: held, since } = held.map_err(|_| format!("{number} did not arrive"))?;
        if household == of && held.as_deref() == Some(number) {
            return Ok(since);
        }
    }
}

fn sign_in(server: &Server) -> Fallible<String> {
    let form = serde_json::json!({ "sign_in": AGENT.0, "password": AGENT.1 }).to_string();
    let sent = ureq::post(format!("{}/v1/sign-in", server.url())).content_type("application/json").send(form)?;
    let answer: serde_json::Value = serde_json::from_str(&sent.into_body().read_to_string()?)?;
    Ok(answer["access_token"].as_str().ok_or("no token")?.to_owned())
}

fn correct(server: &Server, token: &str, household: HouseholdId, number: &str) -> Outcome {
    let form = serde_json::json!({ "contact_phone": number }).to_string();
    let request = ureq::patch(format!("{}/v1/households/{household}", server.url()));
    let request = request.header("authorization", format!("Bearer {token}")).header("if-match", "*");
    request.content_type("application/json").send(form)?;
    Ok(())
}

/// Rounds of an insert that is committed, published, heard and read on another connection.
fn bare(database: &str, redis: &str) -> Fallible<Vec<Duration>> {
    let (mut writer, mut reader) = (PgConnection::establish(database)?, PgConnection::establish(database)?);
    writer.batch_execute("CREATE TABLE bare (number bigint PRIMARY KEY)")?;
    let client = redis::Client::open(redis)?;
    let (mut publisher, mut subscriber) = (client.get_connection()?, client.get_connection()?);
    let mut heard = subscriber.as_pubsub();
    heard.subscribe("gridwork:bench")?;
    let mut times = Vec::new();
    for number in 0..EDITS {
        let begun = Instant::now();
        diesel::sql_query(format!("INSERT INTO bare VALUES ({number})")).execute(&mut writer)?;
        redis::cmd("PUBLISH").arg("gridwork:bench").arg(number).exec(&mut publisher)?;
        heard.get_message()?;
        diesel::sql_query(format!("SELECT number FROM bare WHERE number = {number}")).execute(&mut reader)?;
        times.push(begun.elapsed());
    }
    Ok(times)
}

fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    times.get((times.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
}
