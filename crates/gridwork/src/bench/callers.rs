//! People who search, all at once: each types, reads the answer, and types again.
//!
//! **Invariant:** a search that is late keeps its caller from the next one, and its whole time counts.

use gridwork_domain::id::StaffId;
use gridwork_domain::instant::Instant;
use gridwork_domain::search::Token;
use std::error::Error;
use std::sync::Mutex;
use std::time::{self, Duration};

/// Rows that a caller asks for: what a screen shows.
pub(super) const PAGE_ROWS: u32 = 20;

/// What a search is waited for at most.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// How soon a caller searches again.
#[derive(Debug, Clone, Copy)]
pub(super) enum Pace {
    /// So long after the search before began, or at once if that took longer.
    Every(Duration),
    /// At once.
    WithoutPause,
}

/// Something was asked and answered.
pub(super) struct Asked;

/// Callers who are signed in.
pub(super) struct Callers {
    server: String,
    tokens: Vec<(ureq::Agent, String)>,
}

/// A caller's id, the same in each run.
pub(super) fn id(caller: u32) -> StaffId {
    let mut bytes = [0xca; 10];
    bytes[..4].copy_from_slice(&caller.to_be_bytes());
    StaffId::new(Instant::from_ms(0), bytes)
}

/// Under which a caller signs in.
pub(super) fn sign_in_name(caller: u32) -> String {
    format!("caller{caller:03}")
}

impl Callers {
    /// Signs so many in.
    pub(super) fn sign_in(server: &str, callers: u32) -> Result<Self, Box<dyn Error>> {
        let mut tokens = Vec::new();
        for caller in 0..callers {
            let agent = ureq::Agent::config_builder().timeout_global(Some(ANSWER_WITHIN)).build().new_agent();
            let body = serde_json::json!({ "sign_in": sign_in_name(caller), "password": crate::demo::PASSWORD });
            let sent = agent.post(format!("{server}/v1/sign-in")).content_type("application/json");
            let answer: serde_json::Value =
                serde_json::from_str(&sent.send(body.to_string())?.body_mut().read_to_string()?)?;
            let token = answer["access_token"].as_str().ok_or("signing in gave no token")?;
            tokens.push((agent, format!("Bearer {token}")));
        }
        Ok(Self { server: server.to_owned(), tokens })
    }

    /// Lets all of them search; returns how long each search took.
    pub(super) fn search(
        &self,
        queries: &[Token],
        pace: Pace,
        lasting: Duration,
    ) -> Result<Vec<Duration>, Box<dyn Error>> {
        let limit = PAGE_ROWS.to_string();
        let url = format!("{}/v1/search", self.server);
        ask(queries, pace, lasting, self.tokens.clone(), |(agent, bearer), token| {
            let request = agent.get(&url).query("q", &token.word).query("limit", &limit);
            request.header("authorization", bearer.as_str()).call()?.body_mut().read_to_string()?;
            Ok(Asked)
        })
    }
}

/// Lets everybody ask, each in a thread; returns how long each answer took.
pub(super) fn ask<C: Send>(
    queries: &[Token],
    pace: Pace,
    lasting: Duration,
    callers: Vec<C>,
    search: impl Fn(&mut C, &Token) -> Result<Asked, Box<dyn Error>> + Sync,
) -> Result<Vec<Duration>, Box<dyn Error>> {
    let (all, failed) = (Mutex::new(Vec::new()), Mutex::new(None));
    let (count, begun) = (callers.len(), time::Instant::now());
    std::thread::scope(|scope| {
        for (place, mut caller) in callers.into_iter().enumerate() {
            let (all, failed, search) = (&all, &failed, &search);
            scope.spawn(move || {
                let mut took = Vec::new();
                let mut queries = queries.iter().cycle().skip(place * queries.len() / count);
                // They do not all begin to type at the same moment.
                let mut due = match pace {
                    Pace::Every(time) => begun + time.mul_f64(place as f64 / count as f64),
                    Pace::WithoutPause => begun,
                };
                while begun.elapsed() < lasting
                    && let Some(query) = queries.next()
                {
                    std::thread::sleep(due.saturating_duration_since(time::Instant::now()));
                    let asked = time::Instant::now();
                    if let Err(error) = search(&mut caller, query) {
                        *lock(failed) = Some(format!("{}: {error}", query.word));
                        break;
                    }
                    took.push(asked.elapsed());
                    if let Pace::Every(time) = pace {
                        due = time::Instant::now().max(due + time);
                    }
                }
                lock(all).append(&mut took);
            });
        }
    });
    match failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => Ok(all.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
