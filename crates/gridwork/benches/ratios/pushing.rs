//! Pushes that are durable when they are answered, against bare commits of the same database.

use super::Outcome;
use super::district::{Server, database, fill, household, leader, open, phone};
use super::timing::{line, median};
use diesel::connection::SimpleConnection;
use diesel::{Connection, SqliteConnection};
use gridwork_domain::edit::Action;
use gridwork_domain::id::FactId;
use gridwork_phone::Phone;
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// Visits of one push.
const VISITS: u64 = 50;
/// Pushes of each phone.
const ROUNDS: usize = 30;
/// Phones that push at the same time.
const PHONES: u8 = 8;

/// A push of 50 visits over HTTP by one phone, and by eight at once.
pub(crate) fn durable_push() -> Outcome {
    let folder = tempfile::tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let registry = runtime.block_on(open(folder.path(), PHONES))?;
    let mut codes = Vec::new();
    for grid in 0..PHONES {
        fill(&registry, grid, VISITS, 0)?;
        let code = registry.issue_enrolment_code(None, None, leader(grid), super::district::now());
        codes.push(runtime.block_on(code)?);
    }
    runtime.block_on(registry.close())?;
    let server = Server::start(folder.path())?;
    let mut phones = Vec::new();
    for (grid, code) in (0..PHONES).zip(&codes) {
        let (mut phone, wire) = phone(&folder.path().join(format!("phone-{grid}")), &server, code.as_str())?;
        must_sync(&mut phone)?;
        phones.push((grid, phone, wire));
    }

    let (mut pushes, mut commits) = (Vec::new(), Vec::new());
    let mut bare = Bare::open(folder.path())?;
    for _ in 0..ROUNDS {
        let (grid, phone, wire) = phones.first_mut().ok_or("a phone")?;
        record_visits(phone, *grid)?;
        wire.take();
        must_sync(phone)?;
        pushes.push(wire.take());
        commits.push(bare.commit()?);
    }
    let commit = median(&mut commits);
    line("a bare commit of the same database", commit, None);
    line("one phone: a push of 50 visits, answered", median(&mut pushes), Some(commit));

    let mut all_at_once = Vec::new();
    for (_, _, wire) in &phones {
        wire.take();
    }
    for _ in 0..ROUNDS / 3 {
        for (grid, phone, _) in &mut phones {
            record_visits(phone, *grid)?;
        }
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let syncs =
                phones.iter_mut().map(|(_, phone, _)| scope.spawn(|| must_sync(phone).map_err(|e| e.to_string())));
            let syncs: Vec<_> = syncs.collect();
            syncs.into_iter().try_for_each(|sync| sync.join().map_err(|_| "a phone panicked".to_owned())?)
        })?;
        all_at_once.push(begun.elapsed() / u32::from(PHONES));
    }
    line("eight phones at once: each push, with the phone's own work", median(&mut all_at_once), Some(commit));
    let waited: Duration = phones.iter().map(|(_, _, wire)| wire.take()).sum();
    let syncs = u32::try_from(ROUNDS / 3)? * u32::from(PHONES);
    line("eight phones at once: a phone's wait for its answers", waited / syncs, Some(commit));
    Ok(())
}

fn record_visits(phone: &mut Phone, grid: u8) -> Outcome {
    let first = u64::from(grid) * 100_000;
    for number in first..first + VISITS {
        let at = phone.now();
        let (_, visit) = super::district::visit(number, at);
        let fact = FactId::new(at, phone.random());
        let edit = phone.edit(household(number).0, Action::RecordVisit { fact, visit });
        phone.record(edit, None, None)?;
    }
    Ok(())
}

fn must_sync(phone: &mut Phone) -> Outcome {
    let report = phone.sync()?;
    match report.failure {
        Some(failure) => Err(format!("a sync failed: {failure:?}").into()),
        None if report.pushed > 0 && report.merged != report.pushed => {
            Err(format!("not all merged: {report:?}").into())
        }
        None => Ok(()),
    }
}

/// A database of its own beside the registry's, with the same settings.
struct Bare(SqliteConnection);

impl Bare {
    fn open(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let path = database(folder).with_extension("bare");
        let mut connection = SqliteConnection::establish(path.to_str().ok_or("a path")?)?;
        connection.batch_execute(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE one (bytes BLOB NOT NULL) STRICT;",
        )?;
        Ok(Self(connection))
    }

    fn commit(&mut self) -> Result<Duration, Box<dyn Error>> {
        let begun = Instant::now();
        self.0.batch_execute("INSERT INTO one VALUES (randomblob(200));")?;
        Ok(begun.elapsed())
    }
}
