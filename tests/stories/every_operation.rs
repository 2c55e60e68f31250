//! Every operation of the API's document: who is let in, and how far.
//!
//! An operation that this story does not know how to call fails it: whoever adds one adds its body below.

use crate::audit::{rows, with_an_auditor};
use crate::device::{Device, new_actor, push_of, random, sign};
use crate::people::visit_at;
use crate::rest::{Answer, Session, text};
use crate::server::Server;
use crate::town::{COMMUNITY, GRID, HE, LI, NEIGHBOURS, PASSWORD, Place, Town, WANG, WU, ZHOU, now};
use crate::waiting::until;
use crate::wire::{Sent, connect};
use ed25519_dalek::SigningKey;
use gridwork_domain::citizen_number::CitizenNumber;
use gridwork_domain::id::{FactId, HouseholdId, StaffId};
use gridwork_domain::permission::{Operation, Within};
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_domain::visit::{Fact, FactBody};
use gridwork_registry::Administration;
use gridwork_sealing::PublicKey;
use gridwork_sync::change::{Base, record_fact};
use gridwork_sync::document::DocumentId;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::time::Duration;
use ureq::http::Method;

/// An operation for staff.
struct Described {
    id: String,
    method: Method,
    path: String,
    has_body: bool,
    needs: Operation,
}

/// What the operations are called with: things of [`GRID`].
struct Things(BTreeMap<&'static str, String>);

/// Every operation for staff; those that end a session or shut somebody out come last.
fn operations(server: &Server) -> Vec<Described> {
    let document = Sent::new("GET", "/openapi.json").send(server.address()).json();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = text(&operation["operationId"]);
            let schemes = operation["security"].as_array().cloned().unwrap_or_default();
            if !schemes.iter().any(|scheme| scheme.get("staff").is_some()) {
                let open = ["enrolDevice", "exchange", "isLive", "isReady", "refreshSession", "signIn"];
                assert!(open.contains(&id.as_str()), "{id} takes no token of staff");
                continue;
            }
            let needs = operation["x-gridwork-permission"].as_str().and_then(Operation::from_word);
            let needs = needs.unwrap_or_else(|| panic!("{id} needs a permission that is not in the table"));
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let has_body = operation.get("requestBody").is_some();
            operations.push(Described { id, method, path: path.clone(), has_body, needs });
        }
    }
    let last = |one: &Described| {
        ["discardKept", "mergeHouseholds", "removeSecondFactor", "setPassword"].contains(&one.id.as_str())
    };
    operations.sort_by_key(|one| (one.id == "signOut", last(one), one.path.clone(), one.method == Method::DELETE));
    assert!(operations.len() > 25, "only {} operations", operations.len());
    operations
}

impl Described {
    /// The path with each part in place, by the word before it; `None` stands for things that are nowhere.
    fn path(&self, things: Option<&Things>) -> String {
        let mut path = String::new();
        let mut before = String::new();
        for part in self.path.split('/').skip(1) {
            let filled = match (part, before.as_str(), things) {
                ("{kind}", ..) => "meal_service".to_owned(),
                ("{role}", ..) => "grid_leader".to_owned(),
                (part, before, things) if part.starts_with('{') => {
                    let nowhere = || "AAAAAAAAAAAAAAAAAAAAAA".to_owned();
                    let known = |things: &Things| {
                        let thing = match part {
                            "{area}" => "areas",
                            "{staff}" if self.path.contains("api-keys") => "machine",
                            _ => before,
                        };
                        let known = things.0.get(thing).cloned();
                        known.unwrap_or_else(|| panic!("this story does not know what {part} of {} is", self.path))
                    };
                    things.map_or_else(nowhere, known)
                }
                (part, ..) => part.to_owned(),
            };
            path.push('/');
            path.push_str(&filled);
            before = part.to_owned();
        }
        match self.id.as_str() {
            "search" => path + "?q=%E9%99%88",
            "followChanges" => path + "?seconds=0", // else it answers for an hour
            _ => path,
        }
    }

    fn call(&self, session: &Session, path: &str, body: &Value) -> Answer {
        match self.method {
            Method::GET => session.get(path),
            Method::DELETE => session.delete(path, "*"),
            _ => session.send(self.method.clone(), path, Some("*"), body),
        }
    }
}

impl Things {
    fn new(server: &Server, session_of_li: String) -> Self {
        let zhou = Session::of(&ZHOU, server);
        let household = zhou.register("和平路1号", "110");
        let twin = zhou.register("和平路1号", "110");
        let read = zhou.household(household).body;
        let wu = Session::of(&WU, server);
        let office = json!({ "role": "community_worker", "area": GRID.id() });
        let form = json!({ "name": "报表程序", "sign_in": "reports", "office": office });
        let machine = text(&wu.send(Method::POST, "/v1/staff", None, &form).well()["id"]);
        let form = json!({ "name": "报表", "scopes": ["read"], "expires_at_ms": now().plus_ms(60_000).ms() });
        let made = wu.send(Method::POST, &format!("/v1/staff/{machine}/api-keys"), None, &form).well();
        let api_key = text(&made["api_key"]["id"]);
        let form = json!({ "household": household, "reason": "楼道冒烟" });
        let broken = zhou.send(Method::POST, "/v1/break-glass", None, &form).well();
        let (resident, device) = (text(&read["residents"][0]["id"]), Device::enrol(server, &LI).id);
        let key: PublicKey = text(&zhou.get("/v1/sealing-key").well()["public_key"]).parse().expect("a key");
        let number = CitizenNumber::parse("11010519491231002X").expect("a number");
        let things = [
            ("households", household.to_string()),
            ("residents", resident.clone()),
            ("needs", resident),
            ("memberships", text(&read["residents"][0]["memberships"][0]["id"])),
            ("staff", LI.id().to_string()),
            ("sessions", session_of_li),
            ("devices", device),
            ("api-keys", api_key),
            ("sealed", key.seal(&number, crate::device::random()).to_string()),
            ("machine", machine),
            ("break-glass", text(&broken["break_glass"])),
            ("areas", GRID.id().to_string()),
            ("duplicates", format!("{household}{twin}")),
            ("quarantine", refused_change(server, household)),
        ];
        Self(things.into())
    }

    /// A body with which the operation is in order for somebody in whose area the things are.
    fn body(&self, id: &str) -> Value {
        let office = json!({ "role": "liaison", "area": GRID.id() });
        match id {
            "importRoster" => json!("a file"),
            "breakGlass" => json!({ "household": self.0["households"], "reason": "楼道冒烟" }),
            "reviewBreakGlass" => json!({ "verdict": "justified" }),
            "revealHousehold" => json!({ "fields": ["contact_phone"], "reason": "回拨来电" }),
            "revealResident" => json!({ "fields": ["phone"], "reason": "回拨来电" }),
            "registerHousehold" => json!({ "grid": GRID.id(), "dwelling": { "address": "和平路2号" } }),
            "findResidentsByCitizenNumber" => json!({ "citizen_number": { "sealed": self.0["sealed"] } }),
            "correctHousehold" => json!({ "remark": "敲门要响" }),
            "correctDwelling" => json!({ "floor": 2 }),
            "addResident" => json!({ "resident": { "name": "陈小明" } }),
            "correctResident" => json!({ "name": "陈建军" }),
            "correctMembership" => json!({ "relation": "20" }),
            "affirmNeed" => json!({ "purpose": "送餐", "basis": "consent", "sensitivity": 1 }),
            "decideConflict" => json!({ "path": "household.contact_phone", "value": "120" }),
            "issueEnrolmentCode" => json!({ "staff": LI.id() }),
            "appointStaff" => json!({ "name": "马超", "sign_in": "ma.chao", "office": office }),
            "assignOffice" => office,
            "setPassword" => json!({ "password": "a password of somebody" }),
            "makeApiKey" => {
                let expires_at = now().plus_ms(60_000).ms();
                json!({ "name": "报表", "scopes": ["read"], "expires_at_ms": expires_at })
            }
            "openArea" => json!({ "parent": COMMUNITY.id(), "code": "210404001005009", "name": "第九网格" }),
            "changeArea" => json!({ "aliases": ["一网格"] }),
            "mergeHouseholds" => json!({ "into": self.0["duplicates"][22..], "reason": "重复" }),
            "dismissDuplicate" | "releaseKept" | "discardKept" => json!({ "reason": "重复" }),
            "confirmSecondFactor" => json!({ "code": "000000" }),
            "changePassword" => json!({ "old_password": "x", "new_password": "a password of somebody" }),
            other => panic!("this story does not know what {other} is called with"),
        }
    }

    fn is_in(&self, answer: &Value) -> bool {
        let answer = answer.to_string();
        self.0.values().any(|id| answer.contains(id))
    }
}

/// A visit that somebody sent from a phone who has no office in [`GRID`].
fn refused_change(server: &Server, household: HouseholdId) -> String {
    let (device, actor, at) = (Device::enrol(server, &WANG), new_actor(), now());
    let key = DocumentId::visits(household, at.year_in_shanghai().expect("a year")).into();
    let fact = Fact { id: FactId::new(at, random()), household, body: FactBody::Visit(visit_at(at, "不速之客")) };
    let change = record_fact(&Base { actor, heads: Vec::new(), previous: None }, &key, &fact, at);
    device.push(server, &[actor], vec![push_of(GRID.scope(), key, &[&change.bytes])]);
    let listed = Session::of(&HE, server).get("/v1/quarantine").well();
    text(&listed["items"][0]["id"])
}

/// Somebody of every role in each of two areas, signed in, and a session of [`LI`].
fn everybody(town: &Town) -> (BTreeMap<(Role, bool), String>, String) {
    town.with_registry(async |registry| {
        let mut tokens = BTreeMap::new();
        for (number, role) in (0..).zip(Role::ALL) {
            for (inside, place) in [(true, &COMMUNITY), (false, &NEIGHBOURS)] {
                let staff = appoint(registry, number, role, inside, place).await;
                let begun = registry.begin_session(staff, true, now()).await.expect("a session");
                tokens.insert((role, inside), begun.refresh_token);
            }
        }
        let of_li = registry.begin_session(LI.id(), true, now()).await.expect("a session").session.to_string();
        (tokens, of_li)
    })
}

async fn appoint(
    registry: &gridwork_registry::Registry,
    number: u8,
    role: Role,
    inside: bool,
    place: &Place,
) -> StaffId {
    let id = StaffId::from_bytes([if inside { 0x80 } else { 0xc0 } + number; 16]);
    let staff = Staff { id, name: "某某".to_owned(), sign_in: format!("somebody.{inside}.{number}") };
    let from = now().plus_ms(-1_000);
    let office = Assignment { staff: id, role, area: place.id(), from, until: None };
    for what in [Administration::AppointStaff { staff, password: None }, Administration::Assign(office)] {
        registry.administer(None, what, now()).await.expect("it is administered");
    }
    id
}

fn sign_in(server: &Server, refresh_token: &str) -> Session {
    let form = json!({ "refresh_token": refresh_token }).to_string();
    let sent = Sent::new("POST", "/v1/sign-in/refresh").with("content-type", "application/json").with_body(form);
    Session::with_token(server, &text(&sent.send(server.address()).json()["access_token"]))
}

#[test]
fn every_operation_lets_in_the_roles_of_the_table_and_no_other() {
    let town = Town::new();
    let (tokens, _) = everybody(&town);
    let server = town.serve();
    let operations = operations(&server);
    for role in Role::ALL {
        let session = sign_in(&server, &tokens[&(role, true)]);
        for operation in &operations {
            let answer = operation.call(&session, &operation.path(None), &json!({}));
            let what = format!("{} as {}: {answer:?}", operation.id, role.word());
            assert_eq!(answer.status == 403, operation.needs.extent(role).is_none(), "{what}");
            assert!(answer.status != 401 && answer.status < 500, "{what}");
        }
    }
}

#[test]
fn every_operation_ends_at_the_border_of_the_callers_area() {
    let town = with_an_auditor(Town::new());
    let (tokens, session_of_li) = everybody(&town);
    let server = town.serve();
    let things = Things::new(&server, session_of_li);
    let operations = operations(&server);
    let sessions: BTreeMap<_, _> = tokens.iter().map(|(who, token)| (*who, sign_in(&server, token))).collect();
    let role = |operation: &Described| {
        let permitted = Role::ALL.into_iter().find(|role| operation.needs.extent(*role).is_some());
        permitted.expect("every operation is somebody's")
    };
    // Breaking the glass is how somebody reads outside the own area, and nothing else is: it comes after the walk.
    let (glass, others): (Vec<_>, Vec<_>) = operations.iter().partition(|one| one.id == "breakGlass");
    for operation in &others {
        let body = if operation.has_body { things.body(&operation.id) } else { json!({}) };
        let outsider = &sessions[&(role(operation), false)];
        let path = operation.path(Some(&things));
        let answer = operation.call(outsider, &path, &body);
        let what = format!("{} {path} from outside: {answer:?}", operation.id);
        if operation.path.contains('{') {
            assert_eq!(answer.status, 404, "{what}");
        } else if operation.needs.permission().within == Within::Area && operation.has_body {
            if operation.id == "findResidentsByCitizenNumber" {
                assert_eq!(answer.body["items"], json!([]), "{what}");
                continue;
            }
            // A roster is no JSON: it is refused before anything is asked of its grid, and named in the stories of rosters.
            assert_eq!(answer.status, if operation.id == "importRoster" { 415 } else { 422 }, "{what}");
        }
        // A refusal may repeat what the caller said; nothing else is about these things.
        assert!(answer.status >= 400 || !things.is_in(&answer.body), "{what}");
    }
    for operation in glass {
        let outsider = &sessions[&(role(operation), false)];
        let home = format!("/v1/households/{}", things.0["households"]);
        assert_eq!(outsider.get(&home).status, 404);
        operation.call(outsider, &operation.path(None), &things.body(&operation.id)).well();
        outsider.get(&home).well();
    }
    let mut wrote = BTreeSet::new();
    for operation in operations.iter().filter(|one| one.needs.permission().within == Within::Area) {
        let body = if operation.has_body { things.body(&operation.id) } else { json!({}) };
        let insider = sessions[&(role(operation), true)].under(&operation.id);
        let path = operation.path(Some(&things));
        let answer = operation.call(&insider, &path, &body);
        if operation.method != Method::GET && answer.status < 300 {
            wrote.insert(operation.id.clone());
        }
        // There is no conflict to decide; else what was refused outside is in order inside.
        let well =
            (200..300).contains(&answer.status) || ["decideConflict", "importRoster"].contains(&operation.id.as_str());
        assert!(well, "{} {path} from inside: {answer:?}", operation.id);
    }
    // Whoever wrote anything, or asked for more than reading shows, is in the audit log.
    assert!(wrote.len() > 25, "{wrote:?}");
    let zheng = Session::sign_in(&server, "zheng.ming", PASSWORD);
    until("all of them are noted", Duration::from_secs(10), || {
        let noted: BTreeSet<String> =
            rows(&zheng, "").iter().filter_map(|row| row["request"].as_str().map(str::to_owned)).collect();
        let left: Vec<_> = wrote.difference(&noted).collect();
        if !left.is_empty() {
            println!("not noted yet: {left:?}");
        }
        left.is_empty().then_some(())
    });
}

#[test]
fn a_phone_may_exchange_and_follow_changes_with_its_proof_and_nothing_else() {
    let town = Town::new();
    let server = town.serve();
    let device = Device::enrol(&server, &LI);
    let document = Sent::new("GET", "/openapi.json").send(server.address()).json();
    let items = document["paths"].as_object().expect("paths").values();
    let operations_ = items.flat_map(|item| item.as_object().expect("operations").values());
    let of_devices = operations_.filter(|one| {
        let schemes = one["security"].as_array().cloned().unwrap_or_default();
        schemes.iter().any(|scheme| scheme.get("device").is_some())
    });
    let mut of_devices: Vec<_> = of_devices.map(|one| text(&one["operationId"])).collect();
    of_devices.sort_unstable();
    assert_eq!(of_devices, ["exchange", "followChanges", "readReference"]);

    // Its token opens nothing without the proof of its key.
    let session = Session::with_token(&server, &device.token);
    for operation in operations(&server) {
        let answer = operation.call(&session, &operation.path(None), &json!({}));
        assert_eq!(answer.status, 401, "{}: {answer:?}", operation.id);
    }
    let follow = Sent::new("GET", "/v1/events").with("authorization", &format!("Bearer {}", device.token));
    let signed = sign(&device.key, &device.id, follow.clone());
    assert_eq!(status_of(&server, &signed), 200);
    assert_eq!(status_of(&server, &signed), 401, "a proof is good once");
    let another = SigningKey::from_bytes(&random());
    assert_eq!(status_of(&server, &sign(&another, &device.id, follow.clone())), 401, "a stolen token alone");
    let of_another = Sent { path: "/v1/sync".to_owned(), ..follow };
    let elsewhere = sign(&device.key, &device.id, of_another);
    assert_eq!(
        status_of(&server, &Sent { path: "/v1/events".to_owned(), ..elsewhere }),
        401,
        "a proof of another path"
    );
}

/// The status of an answer that may have no end.
fn status_of(server: &Server, sent: &Sent) -> u16 {
    let mut stream = connect(server.address());
    stream.write_all(&sent.to_bytes()).expect("it is sent");
    let mut begin = [0; 12];
    stream.read_exact(&mut begin).expect("a status line");
    std::str::from_utf8(&begin[9..]).expect("ASCII").parse().expect("a status")
}
