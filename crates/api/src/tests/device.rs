//! Phones that enrol and exchange, and those who pretend to be phones.

use super::office::{GRIDS, Office, Phone, now_s, signed};
use crate::limits::{LARGEST_SYNC_BODY_BYTES, LARGEST_SYNC_MESSAGE_BYTES};
use actix_web::http::{StatusCode, header};
use actix_web::test::TestRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use gridwork_domain::id::DeviceId;
use gridwork_domain::instant::Instant;
use gridwork_sync::message::{self, Answer};
use serde_json::json;

#[actix_web::test]
async fn a_phone_exchanges_once_per_proof_and_its_token_alone_is_of_no_use() {
    let office = Office::open().await;
    office.register(0).await;
    let phone = office.enrol(0).await;
    let body = phone.asks(GRIDS[0]);
    let reply = office.send(phone.request(&body, 2)).await;
    assert_eq!((reply.status, reply.header("content-type")), (StatusCode::OK, message::MEDIA_TYPE), "{:?}", reply.body);
    let answer = Answer::from_bytes(&reply.body).expect("an answer");
    assert_eq!(answer.scopes[0].entries.len(), 1);

    office.send(phone.request(&body, 2)).await.assert_problem(StatusCode::UNAUTHORIZED);
    let unsigned = TestRequest::post()
        .uri("/v1/sync")
        .insert_header((header::AUTHORIZATION, format!("Bearer {}", phone.token)))
        .insert_header((header::CONTENT_TYPE, message::MEDIA_TYPE));
    office.send(unsigned.set_payload(body.clone())).await.assert_problem(StatusCode::UNAUTHORIZED);
    let thief =
        Phone { key: SigningKey::from_bytes(&[12; 32]), device: phone.device.clone(), token: phone.token.clone() };
    office.send(thief.request(&body, 3)).await.assert_problem(StatusCode::UNAUTHORIZED);
    let other = Phone { device: DeviceId::from_bytes([1; 16]).to_string(), ..thief };
    office.send(other.request(&body, 4)).await.assert_problem(StatusCode::UNAUTHORIZED);
    let changed = phone.request(&body, 5).set_payload(b"changed".to_vec());
    office.send(changed).await.assert_problem(StatusCode::UNAUTHORIZED);
    let late = office.send(phone.request_at(&body, 6, now_s() - 3_600)).await.assert_problem(StatusCode::UNAUTHORIZED);
    let server_time = Instant::from_ms(late["server_time_ms"].as_i64().expect("the server's time"));
    assert!((server_time.ms() / 1_000 - now_s()).abs() < 60);
    assert_eq!(late["type"], "urn:problem-type:gridwork:stale-clock");
}

#[actix_web::test]
async fn sync_bodies_are_unpacked_within_their_limits() {
    let office = Office::open().await;
    let phone = office.enrol(0).await;
    let send = |body: Vec<u8>, nonce: u8, coding: &'static str| {
        office.send(phone.request(&body, nonce).insert_header((header::CONTENT_ENCODING, coding)))
    };
    let packed = zstd::bulk::compress(&phone.asks(GRIDS[0]), 3).expect("memory");
    assert_eq!(send(packed, 1, "zstd").await.status, StatusCode::OK);
    let bomb = zstd::bulk::compress(&vec![0; 512 * 1024 * 1024], 1).expect("memory");
    send(bomb, 2, "zstd").await.assert_problem(StatusCode::PAYLOAD_TOO_LARGE);
    let exact = zstd::bulk::compress(&vec![0; LARGEST_SYNC_MESSAGE_BYTES], 1).expect("memory");
    send(exact, 3, "zstd").await.assert_problem(StatusCode::BAD_REQUEST);
    send(vec![0; LARGEST_SYNC_BODY_BYTES + 1], 4, "identity").await.assert_problem(StatusCode::PAYLOAD_TOO_LARGE);
    send(b"no frame".to_vec(), 5, "zstd").await.assert_problem(StatusCode::BAD_REQUEST);
    send(vec![0; 10], 6, "br").await.assert_problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    send(vec![0xff; 100], 7, "identity").await.assert_problem(StatusCode::BAD_REQUEST);
    let json = phone.request(b"{}", 8).insert_header(header::ContentType::json());
    office.send(json).await.assert_problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[actix_web::test]
async fn an_enrolment_is_signed_by_the_key_that_it_brings() {
    let office = Office::open().await;
    let key = SigningKey::from_bytes(&[21; 32]);
    let public_key = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let body = json!({"code": "XXXX-XXXX-XXXX", "public_key": public_key}).to_string();
    let send = |key: &SigningKey, key_id: &str| {
        let request = signed(key, key_id, "/v1/enrolments", body.as_bytes(), now_s(), [1; 16]);
        office.send(request.insert_header(header::ContentType::json()))
    };
    let unknown = send(&key, &public_key).await.assert_problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(unknown["errors"][0]["field"], "code");
    send(&key, "AAAAAAAAAAAAAAAAAAAAAA").await.assert_problem(StatusCode::UNAUTHORIZED);
    send(&SigningKey::from_bytes(&[22; 32]), &public_key).await.assert_problem(StatusCode::UNAUTHORIZED);
}
