//! Content encodings of sync bodies: identity, zstd (RFC 8878, RFC 9659) and gzip (RFC 1952).
//!
//! It does not know what the bytes mean. Decoding and encoding are work for a blocking thread unless the body is small.
//!
//! **Invariant:** unpacking stops at its limit, whatever the frame says about its size; nothing is allocated by what a
//! frame claims but a window of at most [`LARGEST_ZSTD_WINDOW_LOG`].

use crate::limits::{LARGEST_ZSTD_WINDOW_LOG, SMALLEST_COMPRESSED_BYTES};
use crate::problem::{Kind, Problem, Sentence};
use actix_web::HttpRequest;
use actix_web::http::header::{self, AcceptEncoding, Encoding, Header, HeaderMap};
use flate2::Compression;
use flate2::read::{GzEncoder, MultiGzDecoder};
use std::io::{self, Read};

/// Level of zstd: the library's default, 2% larger than level 9 on answers and ten times as fast.
const ZSTD_LEVEL: i32 = 3;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    /// As it is.
    Identity,
    /// zstd.
    Zstd,
    /// gzip.
    Gzip,
}

/// Why a body could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackError {
    /// More than the limit.
    #[error("the body has more than {0} bytes after decompression: send less at once")]
    TooLarge(usize),
    /// Not what its encoding says.
    #[error("the body is not what its content-encoding says")]
    Undecodable(#[source] io::Error),
}

impl Coding {
    /// The encoding of a request's body.
    ///
    /// # Errors
    /// A problem for an encoding that is not read here, or for several.
    pub(crate) fn of_request(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(header::CONTENT_ENCODING);
        let coding = match (values.next().map(|value| value.as_bytes()), values.next()) {
            (None, _) => Some(Self::Identity),
            (Some(one), None) if one.eq_ignore_ascii_case(b"identity") => Some(Self::Identity),
            (Some(one), None) if one.eq_ignore_ascii_case(b"zstd") => Some(Self::Zstd),
            (Some(one), None) if one.eq_ignore_ascii_case(b"gzip") => Some(Self::Gzip),
            _ => None,
        };
        coding.ok_or_else(|| Problem::new(Kind::UnsupportedMediaType, Sentence::ContentEncoding))
    }

    /// The encoding that the caller likes best for the answer; identity if the caller asks for none that is known here.
    pub(crate) fn for_answer(request: &HttpRequest) -> Self {
        if !request.headers().contains_key(header::ACCEPT_ENCODING) {
            return Self::Identity;
        }
        let known = [Encoding::identity(), Encoding::zstd(), Encoding::gzip()];
        let accepted = AcceptEncoding::parse(request).ok().and_then(|accepted| accepted.negotiate(known.iter()));
        match accepted {
            Some(one) if one == Encoding::zstd() => Self::Zstd,
            Some(one) if one == Encoding::gzip() => Self::Gzip,
            _ => Self::Identity,
        }
    }

    /// Its name in headers; none for identity.
    pub(crate) const fn name(self) -> Option<&'static str> {
        match self {
            Self::Identity => None,
            Self::Zstd => Some("zstd"),
            Self::Gzip => Some("gzip"),
        }
    }

    /// Unpacks a body of this encoding.
    ///
    /// # Errors
    /// [`UnpackError`], at the latest when one byte more than `most` has come out.
    pub(crate) fn unpack(self, body: &[u8], most: usize) -> Result<Vec<u8>, UnpackError> {
        let unpacked = match self {
            Self::Identity if body.len() <= most => Ok(body.to_vec()),
            Self::Identity => return Err(UnpackError::TooLarge(most)),
            Self::Zstd => zstd::stream::read::Decoder::with_buffer(body).and_then(|mut decoder| {
                decoder.window_log_max(LARGEST_ZSTD_WINDOW_LOG)?;
                read(decoder, most)
            }),
            Self::Gzip => read(MultiGzDecoder::new(body), most),
        }
        .map_err(UnpackError::Undecodable)?;
        if unpacked.len() <= most { Ok(unpacked) } else { Err(UnpackError::TooLarge(most)) }
    }

    /// Packs an answer: as asked if that makes it smaller, as it is if not.
    pub(crate) fn pack(self, body: Vec<u8>) -> (Self, Vec<u8>) {
        if body.len() < SMALLEST_COMPRESSED_BYTES {
            return (Self::Identity, body);
        }
        let packed = match self {
            Self::Identity => return (Self::Identity, body),
            Self::Zstd => zstd::bulk::compress(&body, ZSTD_LEVEL),
            Self::Gzip => read(GzEncoder::new(body.as_slice(), Compression::default()), body.len()),
        };
        match packed {
            Ok(packed) if packed.len() < body.len() => (self, packed),
            _ => (Self::Identity, body),
        }
    }
}

/// Reads at most one byte more than `most`.
fn read(source: impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

impl From<UnpackError> for Problem {
    fn from(error: UnpackError) -> Self {
        match error {
            UnpackError::TooLarge(most) => Self::new(Kind::TooLarge, Sentence::LargeUnpacked(most)),
            UnpackError::Undecodable(_) => Self::new(Kind::Malformed, Sentence::Undecodable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;
    use std::io::Write;

    const MOST: usize = 1024 * 1024;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).expect("memory");
        encoder.finish().expect("memory")
    }

    #[test]
    fn a_packed_body_unpacks_to_what_it_was() {
        let body = "户主王小明，门牌301。".repeat(100).into_bytes();
        for coding in [Coding::Identity, Coding::Zstd, Coding::Gzip] {
            let (used, packed) = coding.pack(body.clone());
            assert_eq!(used, coding);
            assert_eq!(used.unpack(&packed, MOST).expect("it unpacks"), body);
        }
    }

    #[test]
    fn a_small_answer_and_one_that_does_not_shrink_go_as_they_are() {
        assert_eq!(Coding::Zstd.pack(vec![0; 100]), (Coding::Identity, vec![0; 100]));
        let noise: Vec<u8> = (0u32..300).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        let noise = zstd::bulk::compress(&noise, 19).expect("memory");
        assert_eq!(Coding::Gzip.pack(noise.clone()).0, Coding::Identity);
        assert_eq!(Coding::Zstd.pack(noise).0, Coding::Identity);
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        let zeros = vec![0; 256 * 1024 * 1024];
        let bombs = [(Coding::Zstd, zstd::bulk::compress(&zeros, 3).expect("memory")), (Coding::Gzip, gzip(&zeros))];
        drop(zeros);
        for (coding, bomb) in bombs {
            assert!(matches!(coding.unpack(&bomb, MOST), Err(UnpackError::TooLarge(MOST))), "{coding:?}");
        }
        // Frames in a row count together.
        let frame = zstd::bulk::compress(&vec![0; MOST], 3).expect("memory");
        assert!(matches!(Coding::Zstd.unpack(&frame.repeat(2), MOST), Err(UnpackError::TooLarge(MOST))));
        assert!(matches!(Coding::Identity.unpack(&vec![0; MOST + 1], MOST), Err(UnpackError::TooLarge(MOST))));
    }

    #[test]
    fn a_frame_that_asks_for_a_huge_window_is_refused() {
        let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("an encoder");
        encoder.window_log(LARGEST_ZSTD_WINDOW_LOG + 1).expect("a window");
        encoder.write_all(&vec![7; 32 * 1024 * 1024]).expect("memory");
        let frame = encoder.finish().expect("memory");
        assert!(matches!(Coding::Zstd.unpack(&frame, usize::MAX / 2), Err(UnpackError::Undecodable(_))));
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        for coding in [Coding::Zstd, Coding::Gzip] {
            let (_, packed) = coding.pack(vec![1; 4096]);
            for wrong in
                [&b"not packed at all"[..], &packed[..packed.len() - 1], &[packed.as_slice(), b"more"].concat()]
            {
                assert!(matches!(coding.unpack(wrong, MOST), Err(UnpackError::Undecodable(_))), "{coding:?}");
            }
        }
    }

    #[test]
    fn the_answer_is_encoded_as_the_caller_likes_best() {
        let cases = [
            (None, Coding::Identity),
            (Some("zstd"), Coding::Zstd),
            (Some("gzip, zstd;q=0.5"), Coding::Gzip),
            (Some("br"), Coding::Identity),
            (Some("identity"), Coding::Identity),
            (Some("zstd;q=0"), Coding::Identity),
            (Some("\u{7f}"), Coding::Identity),
        ];
        for (accepted, coding) in cases {
            let mut request = TestRequest::default();
            if let Some(accepted) = accepted.and_then(|text| header::HeaderValue::from_str(text).ok()) {
                request = request.insert_header((header::ACCEPT_ENCODING, accepted));
            }
            assert_eq!(Coding::for_answer(&request.to_http_request()), coding, "{accepted:?}");
        }
    }

    #[test]
    fn two_encodings_or_an_unknown_one_are_refused() {
        for values in [&["br"][..], &["zstd, gzip"], &["zstd", "zstd"], &[""]] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, header::HeaderValue::from_static(value));
            }
            assert!(Coding::of_request(&headers).is_err(), "{values:?}");
        }
    }
}
