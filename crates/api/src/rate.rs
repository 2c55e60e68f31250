//! How often each caller may ask: so many requests in each minute, counted by all nodes together where there is a Redis,
//! and by each node for itself where there is none, or while it does not answer. Searches by digits of a phone have a limit
//! of their own for those who see phones masked: what is found tells digits that the mask covers.
//!
//! What locks an account after wrong passwords is the registry's; this keeps one caller from taking the time of others.
//!
//! **Invariant:** nothing waits for Redis longer than [`limits::RATE_ANSWERED_WITHIN_MS`], and nothing at all for a second
//! after it failed; what is counted never lets more through than each node's own count does.

use crate::clock;
use crate::limits;
use crate::metrics::RateCounters;
use crate::problem::{Kind, Problem, Sentence};
use crate::relay::RedisUrl;
use crate::settings::Settings;
use crate::source::Proxies;
use crate::state::State;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::future::LocalBoxFuture;
use gridwork_domain::id::{DeviceId, SessionId, StaffId};
use gridwork_domain::instant::Instant;
use prometheus::IntCounter;
use redis::aio::MultiplexedConnection;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant as Moment};
use tokio::time::timeout;

/// Milliseconds of a minute.
const MINUTE_MS: i64 = 60 * 1_000;
/// Milliseconds of an hour.
const HOUR_MS: i64 = 60 * MINUTE_MS;
/// Counts one more, in a row that Redis forgets by itself: in one step, whoever else counts.
const COUNT: &str =
    "local n = redis.call('INCR', KEYS[1]) if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end return n";

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// A session of a member of staff.
    Session(SessionId),
    /// The keys of a machine client.
    Keys(StaffId),
    /// A phone.
    Device(DeviceId),
    /// What somebody who sees phones masked, or the keys of a machine client, searched for by digits of a phone.
    PhoneSearches(StaffId),
    /// Whoever asks from an address without being known yet.
    Source(IpAddr),
    /// Everybody beyond those that are counted one by one.
    Others,
}

/// What all workers count.
pub(crate) struct Rates {
    per_caller: u32,
    per_source: u32,
    phone_searches: u32,
    proxies: Proxies,
    minute: Mutex<Window>,
    hour: Mutex<Window>,
    shared: Option<Shared>,
    counters: RateCounters,
}

/// How much there may be of something.
struct Allowance<'r> {
    /// 0 for any number.
    most: u32,
    /// Within so many milliseconds.
    within_ms: i64,
    window: &'r Mutex<Window>,
}

#[derive(Default)]
struct Window {
    number: i64,
    counts: BTreeMap<Whose, u32>,
}

/// The Redis by which nodes count together.
struct Shared {
    redis: redis::Client,
    line: Mutex<Line>,
    /// Times that it answered, and that it did not.
    counters: [IntCounter; 2],
}

#[derive(Default)]
struct Line {
    connection: Option<MultiplexedConnection>,
    /// Redis is not asked before.
    silent_until: Option<Moment>,
}

/// The request came from an address that did not ask too often. First among the arguments of a handler that anybody reaches.
#[derive(Debug)]
pub(crate) struct WithinRate;

impl FromRequest for WithinRate {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let state = State::of(request);
        let request = request.clone();
        Box::pin(async move {
            let state = state?;
            state.rates.count(state.rates.stranger(&request), clock::now()).await?;
            Ok(Self)
        })
    }
}

impl Rates {
    /// What the settings say, counted there.
    pub(crate) fn new(settings: &Settings, counters: RateCounters) -> Self {
        Self {
            per_caller: settings.requests_per_minute,
            per_source: settings.sign_ins_per_minute,
            phone_searches: settings.phone_searches_per_hour,
            proxies: settings.trusted_proxies.clone(),
            minute: Mutex::default(),
            hour: Mutex::default(),
            shared: settings.redis.as_ref().map(|redis| Shared::new(redis, counters.redis.clone())),
            counters,
        }
    }

    /// The address that a request comes from, as far as it is known: the one rule for what is counted and what is audited.
    pub(crate) fn source(&self, request: &HttpRequest) -> Option<IpAddr> {
        self.proxies.source(request)
    }

    /// As whose a request counts of which nobody knows who sent it.
    pub(crate) fn stranger(&self, request: &HttpRequest) -> Whose {
        Whose::Source(whole_network(self.source(request).unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED))))
    }

    /// The problem of a request whose token or proof does not hold: what it comes with may be a guess, so it is counted as
    /// a sign-in is.
    pub(crate) async fn refuse(&self, stranger: Whose, problem: Problem, now: Instant) -> Problem {
        self.count(stranger, now).await.err().unwrap_or(problem)
    }

    /// Counts a request.
    ///
    /// # Errors
    /// A problem that says when to come again, if there were too many in this minute or, of searches by digits, this hour.
    pub(crate) async fn count(&self, whose: Whose, now: Instant) -> Result<(), Problem> {
        let Allowance { most, within_ms, window } = self.allowance(whose);
        if most == 0 {
            return Ok(());
        }
        let number = now.ms().div_euclid(within_ms);
        let mut counted = count_here(window, whose, number);
        if counted <= most
            && let Some(shared) = &self.shared
        {
            counted = shared.count(whose, number, within_ms).await.unwrap_or(counted);
        }
        if counted <= most {
            return Ok(());
        }
        let [callers, addresses] = &self.counters.refused;
        if matches!(whose, Whose::Source(_)) {
            addresses.inc()
        } else {
            callers.inc()
        }
        let left_ms = (number + 1) * within_ms - now.ms();
        let left_s = u32::try_from(left_ms.max(1).unsigned_abs().div_ceil(1_000)).unwrap_or(1);
        let told = match whose {
            Whose::PhoneSearches(_) => Sentence::SearchedPhones(left_s),
            _ => Sentence::TooOften(left_s),
        };
        Err(Problem::overloaded(Kind::TooMany, told, left_s))
    }

    fn allowance(&self, whose: Whose) -> Allowance<'_> {
        let in_a_minute = |most| Allowance { most, within_ms: MINUTE_MS, window: &self.minute };
        match whose {
            Whose::Source(_) | Whose::Others => in_a_minute(self.per_source),
            Whose::Session(_) | Whose::Keys(_) | Whose::Device(_) => in_a_minute(self.per_caller),
            Whose::PhoneSearches(_) => Allowance { most: self.phone_searches, within_ms: HOUR_MS, window: &self.hour },
        }
    }
}

fn count_here(window: &Mutex<Window>, whose: Whose, number: i64) -> u32 {
    let mut window = lock(window);
    // A request that was long under way counts in the window that is open; a clock that was set back begins anew.
    if number > window.number || number + 1 < window.number {
        *window = Window { number, counts: BTreeMap::new() };
    }
    // Only strangers can be as many as they like: all others have shown a token.
    let is_stranger = matches!(whose, Whose::Source(_));
    let is_one_of_many =
        is_stranger && window.counts.len() >= limits::MOST_RATED && !window.counts.contains_key(&whose);
    let count = window.counts.entry(if is_one_of_many { Whose::Others } else { whose }).or_default();
    *count = count.saturating_add(1);
    *count
}

impl Shared {
    fn new(redis: &RedisUrl, counters: [IntCounter; 2]) -> Self {
        Self { redis: redis.client(), line: Mutex::default(), counters }
    }

    /// How many were counted by all nodes, with this one; `None` if Redis does not say so in time.
    async fn count(&self, whose: Whose, number: i64, within_ms: i64) -> Option<u32> {
        let kept = {
            let mut line = lock(&self.line);
            if line.silent_until.is_some_and(|until| Moment::now() < until) {
                return None;
            }
            if line.connection.is_none() {
                // One asks whether Redis is there again; all others wait for the answer.
                line.silent_until = Some(Moment::now() + Duration::from_millis(limits::RATE_SILENCE_MS));
            }
            line.connection.clone()
        };
        let was_kept = kept.is_some();
        let asked = async {
            let mut connection = match kept {
                Some(kept) => kept,
                None => self.redis.get_multiplexed_async_connection().await?,
            };
            let key = format!("gridwork:rate:{number}:{whose}");
            let count: u32 =
                redis::cmd("EVAL").arg(COUNT).arg(1).arg(key).arg(2 * within_ms).query_async(&mut connection).await?;
            redis::RedisResult::Ok((connection, count))
        };
        let answer = timeout(Duration::from_millis(limits::RATE_ANSWERED_WITHIN_MS), asked).await;
        let [answered, failed] = &self.counters;
        let mut line = lock(&self.line);
        if let Ok(Ok((connection, count))) = answer {
            answered.inc();
            if !was_kept {
                *line = Line { connection: Some(connection), silent_until: None };
            }
            return Some(count);
        }
        failed.inc();
        let silence = Duration::from_millis(limits::RATE_SILENCE_MS);
        *line = Line { connection: None, silent_until: Some(Moment::now() + silence) };
        None
    }
}

impl fmt::Display for Whose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Keys(of) => write!(f, "keys:{of}"),
            Self::Device(id) => write!(f, "device:{id}"),
            Self::PhoneSearches(by) => write!(f, "phone-searches:{by}"),
            Self::Source(address) => write!(f, "source:{address}"),
            Self::Others => f.write_str("others"),
        }
    }
}

/// Of IPv6, the network of 64 bits that one subscriber has at least.
fn whole_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

/// Whoever panicked while holding the lock left it whole: it is changed in one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;
    use actix_web::ResponseError;

    fn rates(redis: Option<&str>) -> Rates {
        let mut settings = Settings::in_folder("nowhere");
        (settings.requests_per_minute, settings.sign_ins_per_minute, settings.phone_searches_per_hour) = (3, 2, 4);
        settings.redis = redis.map(|url| RedisUrl::parse(url, None).expect("a URL"));
        Rates::new(&settings, Metrics::new().expect("names that differ").rates)
    }

    const NOON: Instant = Instant::from_ms(1_790_000_000_000 / HOUR_MS * HOUR_MS + 45_500);

    #[actix_web::test]
    async fn each_caller_has_so_many_requests_in_a_minute() {
        let rates = rates(None);
        let [one, other] = [1, 2].map(|byte| Whose::Device(DeviceId::from_bytes([byte; 16])));
        for _ in 0..3 {
            rates.count(one, NOON).await.expect("let in");
        }
        let refused = rates.count(one, NOON).await.expect_err("refused").error_response();
        assert_eq!(refused.status().as_u16(), 429);
        assert_eq!(refused.headers().get("retry-after").expect("a header"), "15");
        rates.count(other, NOON).await.expect("let in");
        rates.count(one, NOON.plus_ms(14_500)).await.expect("let in in the next minute");
    }

    #[actix_web::test]
    async fn searches_by_digits_have_an_hour_and_a_limit_of_their_own() {
        let rates = rates(None);
        let [one, other] = [1, 2].map(|byte| Whose::PhoneSearches(StaffId::from_bytes([byte; 16])));
        for _ in 0..4 {
            rates.count(one, NOON).await.expect("let in");
        }
        let refused = rates.count(one, NOON.plus_ms(MINUTE_MS)).await.expect_err("refused").error_response();
        assert_eq!(refused.status().as_u16(), 429);
        assert_eq!(refused.headers().get("retry-after").expect("a header"), "3495");
        rates.count(other, NOON).await.expect("let in");
        rates.count(one, NOON.plus_ms(HOUR_MS)).await.expect("let in in the next hour");
    }

    #[actix_web::test]
    async fn beyond_those_that_are_counted_one_by_one_all_others_count_together() {
        let rates = rates(None);
        let source = |number: usize| Whose::Source(Ipv6Addr::from_bits((number as u128) << 64).into());
        for number in 0..limits::MOST_RATED {
            count_here(&rates.minute, source(number), 1);
        }
        let count = |number: usize| count_here(&rates.minute, source(number), 1);
        assert_eq!([count(0), count(limits::MOST_RATED), count(usize::MAX)], [2, 1, 2]);
        assert_eq!(lock(&rates.minute).counts.len(), limits::MOST_RATED + 1);
    }

    #[actix_web::test]
    async fn a_redis_that_says_nothing_costs_one_short_wait_a_second_and_each_node_counts_by_itself() {
        let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
        let rates = rates(Some(&format!("redis://{}/", mute.local_addr().expect("an address"))));
        let whose = Whose::Device(DeviceId::from_bytes([1; 16]));
        let begun = Moment::now();
        for _ in 0..3 {
            rates.count(whose, NOON).await.expect("let in");
        }
        let took = begun.elapsed();
        assert!(rates.count(whose, NOON).await.is_err());
        assert!(took < Duration::from_millis(3 * limits::RATE_ANSWERED_WITHIN_MS), "{took:?}");
    }
}
