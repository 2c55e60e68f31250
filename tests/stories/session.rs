//! Sessions of staff: they go on, and they end at once and everywhere.

use crate::rest::{Session, text};
use crate::server::Server;
use crate::town::{LI, PASSWORD, QIAN, SUN, Town, WU, ZHOU, now};
use crate::waiting::until;
use crate::wire::Sent;
use gridwork_domain::instant::Instant;
use serde_json::{Value, json};
use std::time::Duration;
use totp_rs::{Builder, Secret};
use ureq::http::Method;

const TYPE: &str = "urn:problem-type:gridwork:";
/// Less than a half minute, of which at most one ends meanwhile.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(20);

fn sign_in(server: &Server, name: &str) -> Value {
    let form = json!({ "sign_in": name, "password": PASSWORD }).to_string();
    let sent = Sent::new("POST", "/v1/sign-in").with("content-type", "application/json").with_body(form);
    sent.send(server.address()).json()
}

fn refresh(server: &Server, token: &str) -> (u16, Value) {
    let form = json!({ "refresh_token": token }).to_string();
    let sent = Sent::new("POST", "/v1/sign-in/refresh").with("content-type", "application/json").with_body(form);
    let reply = sent.send(server.address());
    (reply.status, reply.json())
}

#[test]
fn a_session_goes_on_by_refresh_tokens_and_one_that_comes_again_ends_it() {
    let town = Town::new();
    let server = town.serve();
    let first = sign_in(&server, ZHOU.sign_in);
    let (status, second) = refresh(&server, &text(&first["refresh_token"]));
    assert_eq!((status, &second["session"]), (200, &first["session"]));
    let (status, third) = refresh(&server, &text(&second["refresh_token"]));
    assert_eq!(status, 200);
    let zhou = Session::with_token(&server, &text(&third["access_token"]));
    zhou.get("/v1/households").well();

    let (status, problem) = refresh(&server, &text(&first["refresh_token"]));
    assert_eq!((status, problem["status"].as_u64()), (401, Some(401)));
    assert_eq!(zhou.get("/v1/households").status, 401, "the session has ended");
    assert_eq!(refresh(&server, &text(&third["refresh_token"])).0, 401);
    assert_eq!(refresh(&server, "no token at all").0, 401);
}

#[test]
fn a_session_that_is_ended_on_one_node_has_ended_on_the_other() {
    let town = Town::new();
    let (server, other) = (town.serve(), town.serve());
    let zhou = Session::of(&ZHOU, &server);
    let elsewhere = Session::with_token(&other, &zhou.token);
    elsewhere.get("/v1/households").well();
    assert_eq!(zhou.send(Method::POST, "/v1/sign-out", None, &json!({})).status, 204);
    assert_eq!(elsewhere.get("/v1/households").status, 401);
    assert_eq!(zhou.get("/v1/sessions").status, 401);
}

#[test]
fn everybody_sees_and_ends_their_own_sessions_and_nobody_elses() {
    let town = Town::new();
    let server = town.serve();
    let (desk, home) = (Session::of(&ZHOU, &server), Session::of(&ZHOU, &server));
    let listed = desk.get("/v1/sessions").well();
    let items = listed["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2, "{listed}");
    let forgotten = items.iter().find(|one| one["current"] == json!(false)).expect("the other one");
    let path = format!("/v1/sessions/{}", text(&forgotten["id"]));
    assert_eq!(Session::of(&QIAN, &server).remove(&path).status, 404);
    home.get("/v1/households").well();
    assert_eq!(desk.remove(&path).status, 204);
    assert_eq!(home.get("/v1/households").status, 401);
    desk.get("/v1/households").well();
}

#[test]
fn who_administers_all_areas_of_somebody_ends_their_sessions() {
    let town = Town::new();
    let server = town.serve();
    let (wu, sun, zhou) = (Session::of(&WU, &server), Session::of(&SUN, &server), Session::of(&ZHOU, &server));
    let qian = Session::of(&QIAN, &server);
    let of = |id| format!("/v1/staff/{id}/sessions");
    // Sun runs the community in which Qian works, and not the district in which Zhou does.
    assert_eq!(sun.get(&of(ZHOU.id())).status, 404);
    assert_eq!(zhou.get(&of(ZHOU.id())).status, 403);
    assert_eq!(wu.get(&of(LI.id())).well()["items"], json!([]));
    for (administrator, ended, colleague) in [(&sun, &qian, &QIAN), (&wu, &zhou, &ZHOU)] {
        let path = of(colleague.id());
        let listed = administrator.get(&path).well();
        let id = text(&listed["items"][0]["id"]);
        ended.get("/v1/households").well();
        assert_eq!(administrator.remove(&format!("{path}/{id}")).status, 204);
        assert_eq!(ended.get("/v1/households").status, 401);
    }
}

/// The code that an authenticator app shows at an instant.
pub(crate) fn code(secret: &str, at: Instant) -> String {
    let secret = Secret::try_from_base32(secret).expect("base32");
    let totp = Builder::new().with_secret(secret).build().expect("a secret of that length");
    totp.generate(u64::try_from(at.ms() / 1_000).expect("after 1970")).to_string()
}

/// Confirms one-time codes with the code of the half minute before, so that those of now and of the next one are still to
/// be used. Returns of when the code was.
pub(crate) fn confirm_with_the_code_before(session: &Session, secret: &str) -> Instant {
    let half_minute = |at: Instant| at.ms().div_euclid(30_000);
    // The half minute may end on the way, and the code be too old when it comes; the next one does not end so soon.
    until("a code confirmed within its half minute", CONFIRMED_WITHIN, || {
        let asked = now();
        let shown = asked.plus_ms(-30_000);
        let form = json!({ "code": code(secret, shown) });
        let status = session.send(Method::POST, "/v1/second-factor/confirmation", None, &form).status;
        assert!(status == 204 || half_minute(now()) != half_minute(asked), "{status}");
        (status == 204).then_some(shown)
    })
}

#[test]
fn an_administrator_does_nothing_before_a_second_factor_is_set_up_and_signs_in_with_it_from_then_on() {
    let town = Town::new();
    let server = Server::start_with(&town.data_folder(), &[("GRIDWORK_ADMINISTRATOR_TOTP", "required")]);
    Session::of(&ZHOU, &server).get("/v1/households").well();
    let wu = Session::of(&WU, &server);
    let refused = wu.get("/v1/staff");
    assert_eq!((refused.status, text(&refused.body["type"])), (403, format!("{TYPE}second-factor-needed")));

    let shown = wu.send(Method::POST, "/v1/second-factor", None, &json!({})).well();
    let secret = text(&shown["secret"]);
    assert!(text(&shown["uri"]).starts_with("otpauth://totp/Gridwork:wu.gang?secret="), "{shown}");
    let confirm =
        |code: String| wu.send(Method::POST, "/v1/second-factor/confirmation", None, &json!({ "code": code })).status;
    assert_eq!(confirm("12345".to_owned()), 422);
    confirm_with_the_code_before(&wu, &secret);
    wu.get("/v1/staff").well();

    let sign_in = |code: Option<String>| {
        let form = json!({ "sign_in": WU.sign_in, "password": PASSWORD, "code": code });
        Session::with_token(&server, "").send(Method::POST, "/v1/sign-in", None, &form)
    };
    let asked = sign_in(None);
    assert_eq!((asked.status, text(&asked.body["type"])), (401, format!("{TYPE}code-needed")));
    let next = code(&secret, now().plus_ms(30_000));
    let signed_in = sign_in(Some(next.clone())).well();
    Session::with_token(&server, &text(&signed_in["access_token"])).get("/v1/staff").well();
    assert_eq!(sign_in(Some(next)).status, 401, "each code once");
}
