use super::*;

const REQUEST: Covered<'_> = Covered { method: "POST", path: "/v1/sync", body: br#"{"hello": "world"}"# };
const DEVICE: &str = "AZz3q0b7cU2Zk1d8n5w2eg";
const CREATED_S: i64 = 1_618_884_473;

/// The key `test-key-ed25519` of RFC 9421, B.1.4.
fn rfc_key() -> SigningKey {
    SigningKey::from_bytes(&decode("n4Ni+HpISpVObnQMW0wOhCKROaIKqKtW/2ZYb2p9KcU=").expect("32 bytes"))
}

fn proof() -> ProofHeaders {
    sign(&rfc_key(), &REQUEST, CREATED_S, *b"sixteen bytes ab", DEVICE)
}

fn read(proof: &ProofHeaders) -> Result<Claim, ProofError> {
    parse(&proof.signature_input, &proof.signature, &proof.content_digest)
}

fn check(proof: &ProofHeaders, request: &Covered<'_>) -> Result<(), ProofError> {
    read(proof)?.verify(&rfc_key().verifying_key(), request)
}

#[test]
fn the_key_and_the_primitive_are_those_of_the_standards_example() {
    let public = STANDARD.encode(rfc_key().verifying_key().as_bytes());
    assert_eq!(public, "JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs=");
    // RFC 9421, B.2.6
    let base = "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\
        \"@authority\": example.com\n\"content-type\": application/json\n\"content-length\": 18\n\
        \"@signature-params\": (\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \
        \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
    let expected = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
    assert_eq!(STANDARD.encode(rfc_key().sign(base.as_bytes()).to_bytes()), expected);
}

#[test]
fn a_proof_signs_the_base_that_the_standard_prescribes() {
    let base = r#""@method": POST
"@path": /v1/sync
"content-digest": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:
"@signature-params": ("@method" "@path" "content-digest");created=1618884473;nonce="c2l4dGVlbiBieXRlcyBhYg==";keyid="AZz3q0b7cU2Zk1d8n5w2eg";alg="ed25519""#;
    let proof = proof();
    // Made with another implementation (OpenSSL) over the base above.
    let signature = "qrchjBjUgdUR3KrwONzyi0AASgFSWlxzidQKj7TZXgbnpomAp9TY8GBHzii7z49F6MLmCbL7GY54zAofjdnICA==";
    assert_eq!(proof.signature, format!("sig1=:{signature}:"));
    assert_eq!(proof.content_digest, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:");
    let built = super::base(REQUEST.method, REQUEST.path, &proof.content_digest, &proof.signature_input[5..]);
    assert_eq!(built, base);
    let (_, parameters) = base.rsplit_once("\"@signature-params\": ").expect("the last line");
    assert_eq!(proof.signature_input, format!("sig1={parameters}"));
}

#[test]
fn a_proof_is_verified_and_tells_device_time_and_nonce() {
    let claim = read(&proof()).expect("our own proof");
    assert_eq!((claim.device.as_str(), claim.created_s), (DEVICE, CREATED_S));
    assert_eq!(&claim.nonce, b"sixteen bytes ab");
    assert_eq!(claim.verify(&rfc_key().verifying_key(), &REQUEST), Ok(()));
    let other = SigningKey::from_bytes(&[1; 32]).verifying_key();
    assert_eq!(claim.verify(&other, &REQUEST), Err(ProofError::Signature));
}

#[test]
fn a_request_without_body_carries_the_digest_of_nothing() {
    let request = Covered { method: "GET", path: "/v1/bell", body: b"" };
    let proof = sign(&rfc_key(), &request, 0, [0; 16], "d");
    assert_eq!(proof.content_digest, "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    assert_eq!(check(&proof, &request), Ok(()));
}

#[test]
fn the_longest_proof_fits_and_a_longer_one_is_refused() {
    let longest = "d".repeat(MAX_DEVICE_BYTES);
    let proof = sign(&rfc_key(), &REQUEST, 999_999_999_999_999, [255; 16], &longest);
    assert_eq!(proof.signature_input.len(), 185);
    assert_eq!(check(&proof, &REQUEST), Ok(()));
    let proof = sign(&rfc_key(), &REQUEST, 1, [255; 16], &format!("{longest}d"));
    assert_eq!(read(&proof), Err(ProofError::Device));
}

#[test]
fn a_proof_does_not_serve_for_another_request() {
    let proof = proof();
    for (request, reason) in [
        (Covered { body: b"{}", ..REQUEST }, ProofError::Body),
        (Covered { path: "/v1/sync/", ..REQUEST }, ProofError::Signature),
        (Covered { method: "PUT", ..REQUEST }, ProofError::Signature),
    ] {
        assert_eq!(check(&proof, &request), Err(reason));
    }
    let mut swapped = proof.clone();
    swapped.content_digest = content_digest(&Sha256::digest(b"{}").into());
    assert_eq!(check(&swapped, &REQUEST), Err(ProofError::Body));
    let request = Covered { body: b"{}", ..REQUEST };
    assert_eq!(check(&swapped, &request), Err(ProofError::Signature));
}

#[test]
fn a_proof_with_another_time_nonce_device_or_signature_is_refused() {
    let honest = read(&proof()).expect("our own proof");
    let mut signature = honest.signature;
    signature[0] ^= 1;
    for claim in [
        Claim { created_s: CREATED_S + 1, ..honest.clone() },
        Claim { nonce: [0; 16], ..honest.clone() },
        Claim { device: "another".to_owned(), ..honest.clone() },
        Claim { signature, ..honest.clone() },
    ] {
        let verdict = claim.verify(&rfc_key().verifying_key(), &REQUEST);
        assert_eq!(verdict, Err(ProofError::Signature));
    }
}

#[test]
fn a_weak_key_proves_nothing() {
    let mut identity = [0; 32];
    identity[0] = 1;
    let key = VerifyingKey::from_bytes(&identity).expect("a point of small order");
    let mut signature = [0; 64];
    signature[0] = 1;
    let claim = Claim { signature, ..read(&proof()).expect("our own proof") };
    assert_eq!(claim.verify(&key, &REQUEST), Err(ProofError::Signature));
}

#[test]
fn a_signature_input_outside_the_profile_is_refused_for_its_own_reason() {
    let honest = proof();
    for (from, to, reason) in [
        ("sig1=", "sig2=", ProofError::Components),
        ("sig1=", " sig1=", ProofError::Components),
        (r#""@method" "@path""#, r#""@path" "@method""#, ProofError::Components),
        (r#" "content-digest""#, "", ProofError::Components),
        (r#" "content-digest""#, r#" "content-digest" "date""#, ProofError::Components),
        (";created=", ";expires=", ProofError::Parameters),
        (";created=", "; created=", ProofError::Parameters),
        (";nonce=", ";created=1618884473;nonce=", ProofError::Parameters),
        (";keyid=", r#";nonce="";keyid="#, ProofError::Parameters),
        (";keyid=", r#";keyid="x";keyid="#, ProofError::Parameters),
        (";alg=", r#";tag="x";alg="#, ProofError::Parameters),
        (r#""ed25519""#, r#""hmac-sha256""#, ProofError::Parameters),
        (r#""ed25519""#, r#""ed25519", sig2=()"#, ProofError::Parameters),
        ("AZz3", "AZ\\z3", ProofError::Parameters),
        ("=1618884473", "=-1618884473", ProofError::Created),
        ("=1618884473", "=01618884473", ProofError::Created),
        ("=1618884473", "=1618884473.0", ProofError::Created),
        ("=1618884473", "=", ProofError::Created),
        ("=1618884473", "=1618884473161888", ProofError::Created),
        ("c2l4", "", ProofError::Nonce),
        ("AZz3", "AZ z3", ProofError::Device),
        ("AZz3", "AZ\u{7f}z3", ProofError::Device),
        ("AZz3", "王", ProofError::Device),
        (DEVICE, "", ProofError::Device),
    ] {
        let edited = ProofHeaders { signature_input: honest.signature_input.replacen(from, to, 1), ..honest.clone() };
        assert_ne!(edited, honest, "{from}");
        assert_eq!(read(&edited), Err(reason), "{}", edited.signature_input);
    }
}

#[test]
fn a_digest_or_signature_that_is_not_one_of_ours_is_refused() {
    let honest = proof();
    for digest in [
        "",
        "garbage",
        "sha-256=::",
        "sha-512=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE:",
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPF=:", // bits after the last byte
        "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:, md5=:AA==:",
    ] {
        let edited = ProofHeaders { content_digest: digest.to_owned(), ..honest.clone() };
        assert_eq!(read(&edited), Err(ProofError::ContentDigest), "{digest}");
    }
    for signature in ["", "sig1=:AAAA:", "sig1=:*:", &honest.signature[1..], &honest.signature[..92]] {
        let edited = ProofHeaders { signature: signature.to_owned(), ..honest.clone() };
        assert_eq!(read(&edited), Err(ProofError::SignatureForm), "{signature}");
    }
}

#[test]
fn garbage_and_huge_headers_are_refused() {
    let honest = proof();
    let huge = "9".repeat(1 << 20);
    assert_eq!(parse(&huge, "", ""), Err(ProofError::TooLong));
    assert_eq!(parse("", &huge, ""), Err(ProofError::TooLong));
    assert_eq!(parse("", "", &huge), Err(ProofError::TooLong));
    assert_eq!(parse("", "", ""), Err(ProofError::Components));
    for length in 0..honest.signature_input.len() {
        let cut = &honest.signature_input[..length];
        assert!(parse(cut, &honest.signature, &honest.content_digest).is_err(), "{cut}");
    }
}

#[test]
fn a_proof_is_fresh_for_five_minutes_either_way() {
    let claim = read(&proof()).expect("our own proof");
    for (now_s, fresh) in [
        (CREATED_S, true),
        (CREATED_S + 300, true),
        (CREATED_S + 301, false),
        (CREATED_S - 300, true),
        (CREATED_S - 301, false),
        (i64::MIN, false),
        (i64::MAX, false),
    ] {
        assert_eq!(claim.is_fresh(now_s), fresh, "{now_s}");
    }
    assert_eq!(claim.age_s(CREATED_S - 7), -7);
}
