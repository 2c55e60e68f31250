//! An application on a registry of its own: a district of two grids, their leaders, an administrator and a duty officer.

use crate::application::app;
use crate::settings::{Settings, TokenSecret};
use crate::state::State;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::Service;
use actix_web::http::{Method, StatusCode, header};
use actix_web::test::TestRequest;
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpResponse, test};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use futures_util::future::LocalBoxFuture;
use gridwork_domain::area::Area;
use gridwork_domain::division_code::DivisionCode;
use gridwork_domain::id::{AreaId, DeviceId, SessionId, StaffId};
use gridwork_domain::staff::{Assignment, Role, Staff};
use gridwork_registry::{Administration, Registry};
use gridwork_sync::message::{self, Request, ScopeRequest};
use gridwork_sync::proof::{self, Covered};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::rc::Rc;

/// An application with a district of two grids, each with its leader, and somebody who runs the installation.
pub(super) struct Office {
    _folder: tempfile::TempDir,
    pub(super) state: Data<State>,
    send: Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, HttpResponse>>,
    sessions: BTreeMap<StaffId, SessionId>,
}

/// A status, headers and a body.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: header::HeaderMap,
    pub(super) body: Bytes,
}

pub(super) const PASSWORD: &str = "correct horse battery staple";
pub(super) const GRIDS: [AreaId; 2] = [AreaId::from_bytes([4; 16]), AreaId::from_bytes([5; 16])];
pub(super) const LEADERS: [StaffId; 2] = [StaffId::from_bytes([6; 16]), StaffId::from_bytes([7; 16])];
pub(super) const ADMINISTRATOR: StaffId = StaffId::from_bytes([8; 16]);
pub(super) const DUTY_OFFICER: StaffId = StaffId::from_bytes([10; 16]);
pub(super) const SUPERVISOR: StaffId = StaffId::from_bytes([11; 16]);

impl Reply {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {self:?}")).to_str().expect("a text")
    }

    /// That this is a problem of that status, with everything a problem has.
    #[track_caller]
    pub(super) fn assert_problem(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status.as_u16());
        assert_eq!(body["instance"], self.header("x-request-id"));
        assert!(body["type"].as_str().is_some_and(|text| text.starts_with("urn:problem-type:gridwork:")));
        assert!(body["title"].is_string() && body["detail"].is_string());
        body
    }
}

impl Office {
    pub(super) async fn open() -> Self {
        Self::open_with(|_| ()).await
    }

    pub(super) async fn open_with(adapt: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = Settings::in_folder(folder.path());
        settings.administrators_need_second_factor = false;
        settings.token_secret = TokenSecret::new(vec![9; 32]);
        adapt(&mut settings);
        let opening = settings.registry_with_keys().expect("keys");
        let registry = web::block(move || Registry::open(&opening)).await.expect("a thread").expect("a registry");
        let secret = settings.secret().expect("a secret");
        let state = Data::new(State::new(&settings, secret.as_bytes(), registry).expect("a state"));
        let panicking = web::get().to(|| async {
            if true {
                panic!("the keys are under the mat");
            }
            HttpResponse::Ok().finish()
        });
        let app = Rc::new(test::init_service(app(state.clone()).route("/panics", panicking)).await);
        let send = move |request: TestRequest| {
            let (app, request) = (app.clone(), request.to_request());
            let response: LocalBoxFuture<'static, HttpResponse> = Box::pin(async move {
                match app.call(request).await {
                    Ok(response) => response.into_parts().1.map_into_boxed_body(),
                    Err(error) => error.error_response(),
                }
            });
            response
        };
        let mut office = Self { _folder: folder, state, send: Box::new(send), sessions: BTreeMap::new() };
        office.appoint().await;
        for who in [LEADERS[0], LEADERS[1], ADMINISTRATOR, DUTY_OFFICER, SUPERVISOR] {
            let begun = office.state.registry.begin_session(who, true, crate::clock::now()).await.expect("a session");
            office.sessions.insert(who, begun.session);
        }
        office
    }

    /// The session of somebody.
    pub(super) fn session(&self, of: StaffId) -> SessionId {
        self.sessions[&of]
    }

    async fn appoint(&self) {
        let now = crate::clock::now();
        let [district, street, community] = [1, 2, 3].map(|n| AreaId::from_bytes([n; 16]));
        let areas = [
            (district, None, "210404"),
            (street, Some(district), "210404001"),
            (community, Some(street), "210404001005"),
            (GRIDS[0], Some(community), "210404001005001"),
            (GRIDS[1], Some(community), "210404001005002"),
        ];
        for (id, parent, code) in areas {
            let code = DivisionCode::parse(code).expect("a code");
            let (name, valid_from) = (format!("区划{code}"), "2020-01-01".to_owned());
            let area = Area { id, parent, code, name, aliases: vec![], valid_from, valid_until: None, successor: None };
            self.administer(Administration::OpenArea(area)).await;
        }
        let people = [
            (LEADERS[0], "leader.one", Role::GridLeader, GRIDS[0]),
            (LEADERS[1], "leader.two", Role::GridLeader, GRIDS[1]),
            (ADMINISTRATOR, "administrator", Role::Administrator, district),
            (DUTY_OFFICER, "duty.officer", Role::DutyOfficer, district),
            (SUPERVISOR, "supervisor", Role::Supervisor, district),
        ];
        for (id, sign_in, role, area) in people {
            let staff = Staff { id, name: format!("王{sign_in}"), sign_in: sign_in.to_owned() };
            self.administer(Administration::AppointStaff { staff, password: Some(PASSWORD.to_owned()) }).await;
            let from = now.plus_ms(-1_000);
            self.administer(Administration::Assign(Assignment { staff: id, role, area, from, until: None })).await;
        }
    }

    /// Gives somebody one more office.
    pub(super) async fn give(&self, staff: StaffId, role: Role, area: AreaId) {
        let from = crate::clock::now().plus_ms(-1_000);
        self.administer(Administration::Assign(Assignment { staff, role, area, from, until: None })).await;
    }

    async fn administer(&self, what: Administration) {
        self.state.registry.administer(None, what, crate::clock::now()).await.expect("administered");
    }

    pub(super) async fn send(&self, request: TestRequest) -> Reply {
        let (head, body) = (self.send)(request).await.into_parts();
        let body = actix_web::body::to_bytes(body).await.expect("a body");
        Reply { status: head.status(), headers: head.headers().clone(), body }
    }

    /// A body that is read as it comes.
    pub(super) async fn stream(&self, request: TestRequest) -> BoxBody {
        let response = (self.send)(request).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.into_body().boxed()
    }

    pub(super) async fn get(&self, who: StaffId, uri: &str) -> Reply {
        self.send(self.signed_in(who, Method::GET, uri)).await
    }

    pub(super) fn signed_in(&self, who: StaffId, method: Method, uri: &str) -> TestRequest {
        let token = self.state.tokens.issue(who, self.sessions[&who], crate::clock::now()).expect("a token");
        TestRequest::default().method(method).uri(uri).insert_header((header::AUTHORIZATION, format!("Bearer {token}")))
    }

    /// Registers a household in a leader's grid; its id and version.
    pub(super) async fn register(&self, who: usize) -> (String, String) {
        let body = json!({
            "grid": GRIDS[who],
            "household": {"contact_phone": "13812345678"},
            "dwelling": {"address": "建设路3号", "floor": 2},
            "residents": [{"resident": {"name": "李小红"}, "membership": {"relation": "01"}}],
        });
        let reply = self.send(self.signed_in(LEADERS[who], Method::POST, "/v1/households").set_json(body)).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{:?}", reply.body);
        let household = reply.json()["household"].as_str().expect("an id").to_owned();
        assert_eq!(reply.header("location"), format!("/v1/households/{household}"));
        (household, reply.header("etag").to_owned())
    }

    /// Enrols a phone for a leader.
    pub(super) async fn enrol(&self, who: usize) -> Phone {
        let body = json!({"staff": LEADERS[who]});
        let request = self.signed_in(ADMINISTRATOR, Method::POST, "/v1/devices/enrolment-codes").set_json(body);
        let reply = self.send(request).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{:?}", reply.body);
        let key = SigningKey::from_bytes(&[11; 32]);
        let public_key = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
        let body = json!({"code": reply.json()["code"], "public_key": public_key}).to_string();
        let request = signed(&key, &public_key, "/v1/enrolments", body.as_bytes(), now_s(), [0xee; 16]);
        let reply = self.send(request.insert_header(header::ContentType::json())).await;
        assert_eq!(reply.status, StatusCode::CREATED, "{:?}", reply.body);
        let enrolled = reply.json();
        assert_eq!(enrolled["scopes"][0]["id"], json!(GRIDS[who]));
        let text = |name: &str| enrolled[name].as_str().expect("a text").to_owned();
        Phone { key, device: text("device"), token: text("token") }
    }
}

/// An enrolled phone.
pub(super) struct Phone {
    pub(super) key: SigningKey,
    pub(super) device: String,
    pub(super) token: String,
}

impl Phone {
    pub(super) fn request(&self, body: &[u8], nonce: u8) -> TestRequest {
        self.request_at(body, nonce, now_s())
    }

    pub(super) fn request_at(&self, body: &[u8], nonce: u8, created_s: i64) -> TestRequest {
        signed(&self.key, &self.device, "/v1/sync", body, created_s, [nonce; 16])
            .insert_header((header::AUTHORIZATION, format!("Bearer {}", self.token)))
            .insert_header((header::CONTENT_TYPE, message::MEDIA_TYPE))
    }

    /// A message that asks for news of a grid.
    pub(super) fn asks(&self, grid: AreaId) -> Vec<u8> {
        let device: DeviceId = self.device.parse().expect("an id");
        Request {
            protocol: message::PROTOCOL,
            encoder: message::ENCODER,
            device: (*device.as_bytes()).into(),
            sent_at_ms: crate::clock::now().ms(),
            scopes: vec![ScopeRequest { scope: (*grid.as_bytes()).into(), cursor: None }],
            budget: None,
            new_actors: vec![],
            pushes: vec![],
            receipts: vec![],
        }
        .to_bytes()
    }
}

pub(super) fn now_s() -> i64 {
    crate::clock::now().ms() / 1_000
}

pub(super) fn signed(
    key: &SigningKey,
    key_id: &str,
    path: &str,
    body: &[u8],
    created_s: i64,
    nonce: [u8; 16],
) -> TestRequest {
    let headers = proof::sign(key, &Covered { method: "POST", path, body }, created_s, nonce, key_id);
    TestRequest::post()
        .uri(path)
        .insert_header((proof::CONTENT_DIGEST, headers.content_digest))
        .insert_header((proof::SIGNATURE_INPUT, headers.signature_input))
        .insert_header((proof::SIGNATURE, headers.signature))
        .set_payload(body.to_vec())
}
