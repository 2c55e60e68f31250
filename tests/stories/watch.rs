//! A phone that watches: it is told when to sync, by whichever node, and whatever is gone for a while.

use crate::people::enrol;
use crate::program;
use crate::redis_line::RedisLine;
use crate::rest::Session;
use crate::town::{LI, Town, WANG, WU, ZHOU};
use crate::waiting::until;
use gridwork_domain::id::HouseholdId;
use gridwork_phone::{Failure, Phone, Ring};
use serde_json::json;
use std::io::{BufRead, BufReader};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use ureq::http::Method;

/// What changes is shown within this time, or the story fails: looking round takes 5 s at most.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// `gridwork phone watch`, in a terminal that somebody reads.
struct Watching {
    process: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn begin(folder: &Path) -> Self {
        let mut command = program::command(&["phone", "--dir", folder.to_str().expect("UTF-8"), "watch"]);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the binary runs");
        let out = BufReader::new(process.stdout.take().expect("its output"));
        let (tell, lines) = channel();
        std::thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        let watching = Self { process, lines };
        watching.wait_for("up to date");
        watching
    }

    /// Reads until a line has this in it.
    fn wait_for(&self, part: &str) -> String {
        let deadline = Instant::now() + SHOWN_WITHIN;
        let mut read = Vec::new();
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) if line.contains(part) => return line,
                Ok(line) => read.push(line),
                Err(RecvTimeoutError::Timeout) => panic!("{part:?} was not shown within {SHOWN_WITHIN:?}: {read:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("it ended without {part:?}: {read:?}"),
            }
        }
    }

    /// Ctrl-C; returns whether it ended well, and what it said last.
    fn interrupt(mut self) -> (bool, String) {
        let id = self.process.id().to_string();
        assert!(Command::new("sh").args(["-c", "kill -INT \"$0\"", &id]).status().expect("a shell").success());
        let last = self.lines.iter().last().unwrap_or_default();
        (until("it ends", SHOWN_WITHIN, || self.process.try_wait().expect("a process")).success(), last)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The call agent corrects the telephone number of a household.
fn correct(session: &Session, household: HouseholdId, number: &str) {
    let form = json!({ "contact_phone": number });
    session.send(Method::PATCH, &format!("/v1/households/{household}"), Some("*"), &form).well();
}

fn log_of(town: &Town) -> String {
    std::fs::read_to_string(town.data_folder().join("server.log")).expect("a log")
}

#[test]
fn a_number_that_a_call_agent_corrects_is_shown_on_the_leaders_phone_whatever_is_gone_for_a_while() {
    let redis = std::env::var("GRIDWORK_TEST_REDIS").expect("a Redis server: tests/run starts one");
    let town = Town::new();
    let line = RedisLine::to(&redis);
    let mut nodes = [(); 2].map(|()| town.serve_with(&[("REDIS_URL", &line.url())]));
    let zhou = Session::of(&ZHOU, &nodes[0]);
    let household = zhou.register("和平路1号", "110");
    drop(enrol(&town, &nodes[1], &LI, "phone"));
    let watching = Watching::begin(&town.path("phone"));

    correct(&zhou, household, "13812345678");
    assert!(watching.wait_for(&household.to_string()).contains("和平路1号"));
    assert_eq!(watching.wait_for("contact phone").trim(), "contact phone: 110 → 13812345678");

    // Without Redis the node looks round by itself.
    until("Redis is there for both", SHOWN_WITHIN, || {
        (log_of(&town).matches("Redis is there").count() >= 2).then_some(())
    });
    line.cut();
    correct(&zhou, household, "120");
    watching.wait_for("13812345678 → 120");

    // What changes while its node is gone is shown once the node is back, and what changes later, too.
    nodes[1].kill();
    correct(&zhou, household, "119");
    nodes[1].restart();
    watching.wait_for("120 → 119");
    correct(&zhou, household, "114");
    watching.wait_for("119 → 114");

    let (ended_well, last) = watching.interrupt();
    assert!(ended_well && last.contains("no longer watching"), "{last}");
}

#[test]
fn a_phone_is_told_of_its_own_grids_alone_and_of_none_once_it_is_revoked() {
    let town = Town::new();
    let server = town.serve();
    let zhou = Session::of(&ZHOU, &server);
    let household = zhou.register("和平路1号", "110");
    let [li, wang] = [(&LI, "phone"), (&WANG, "phone of wang")].map(|(of, folder)| enrol(&town, &server, of, folder));
    let [of_li, of_wang] = [&li, &wang].map(listen);
    for told in [&of_li, &of_wang] {
        assert_eq!(told.recv_timeout(SHOWN_WITHIN), Ok(Ring::Live));
    }
    correct(&zhou, household, "120");
    assert_eq!(of_li.recv_timeout(SHOWN_WITHIN), Ok(Ring::Moved(household)));
    let path = format!("/v1/staff/{}/devices/{}", LI.id(), li.owner().device);
    assert!(Session::of(&WU, &server).remove(&path).status < 300);
    correct(&zhou, household, "119");
    let next = std::iter::from_fn(|| of_li.recv_timeout(SHOWN_WITHIN).ok());
    let mut cut = next.filter_map(|ring| if let Ring::Cut { reason, .. } = ring { Some(reason) } else { None });
    assert!(cut.any(|reason| matches!(reason, Failure::Unauthorized(_))), "the phone reads why it is told no more");
    assert!(of_wang.try_recv().is_err(), "nothing of another grid was told");
}

/// What a phone's doorbell says.
fn listen(phone: &Phone) -> Receiver<Ring> {
    let (tell, told) = channel();
    let doorbell = phone.doorbell();
    std::thread::spawn(move || {
        doorbell
            .listen(|ring| if tell.send(ring).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) });
    });
    told
}
