//! Where a request comes from: the peer, or whom a trusted proxy says it asks for (`X-Forwarded-For`).
//!
//! Each proxy adds its own peer at the right end; so the list is read from there, for as long as whoever added is trusted.
//!
//! **Invariant:** what was said by somebody who is not trusted is not believed.

use actix_web::HttpRequest;
use actix_web::http::header::HeaderName;
use std::net::IpAddr;
use std::str::FromStr;

/// What a proxy says of whom it asks for.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses of proxies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proxies(Vec<Network>);

/// Addresses that begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    first: IpAddr,
    bits: u32,
}

/// A list of proxies that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("proxies are addresses or networks such as 10.0.0.5,192.168.0.0/16")]
pub struct NotProxies;

impl FromStr for Proxies {
    type Err = NotProxies;

    fn from_str(text: &str) -> Result<Self, NotProxies> {
        text.split(',').map(|one| Network::parse(one.trim())).collect::<Option<_>>().map(Self).ok_or(NotProxies)
    }
}

impl Proxies {
    /// Whom a request comes from, as far as those who passed it on are trusted.
    pub(crate) fn source(&self, request: &HttpRequest) -> Option<IpAddr> {
        let mut source = request.peer_addr()?.ip().to_canonical();
        let said = request.headers().get_all(&FORWARDED_FOR).filter_map(|value| value.to_str().ok());
        let said: Vec<&str> = said.flat_map(|value| value.split(',')).collect();
        for one in said.into_iter().rev() {
            if !self.trust(source) {
                break;
            }
            let Ok(address) = one.trim().parse::<IpAddr>() else { break };
            source = address.to_canonical();
        }
        Some(source)
    }

    fn trust(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().ok()?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { first, bits })
    }

    fn contains(&self, address: IpAddr) -> bool {
        let alike = |one: u128, other: u128, length: u32| self.bits == 0 || (one ^ other) >> (length - self.bits) == 0;
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => alike(first.to_bits().into(), address.to_bits().into(), 32),
            (IpAddr::V6(first), IpAddr::V6(address)) => alike(first.to_bits(), address.to_bits(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn source(proxies: &str, said: &[&str]) -> String {
        let mut request = TestRequest::default().peer_addr(([10, 0, 0, 5], 4711).into());
        for value in said {
            request = request.append_header((FORWARDED_FOR, *value));
        }
        let proxies: Proxies = if proxies.is_empty() { Proxies::default() } else { proxies.parse().expect("proxies") };
        proxies.source(&request.to_http_request()).expect("a peer").to_string()
    }

    #[test]
    fn only_trusted_proxies_say_for_whom_they_ask() {
        assert_eq!(source("", &["203.0.113.9"]), "10.0.0.5");
        assert_eq!(source("10.0.0.4", &["203.0.113.9"]), "10.0.0.5");
        assert_eq!(source("10.0.0.5", &[]), "10.0.0.5");
        assert_eq!(source("10.0.0.0/8", &["203.0.113.9"]), "203.0.113.9");
        // What its client says, a proxy passes on to the left of what it adds itself.
        assert_eq!(source("10.0.0.5", &["1.2.3.4, 203.0.113.9"]), "203.0.113.9");
        assert_eq!(source("10.0.0.5, 203.0.113.0/24", &["1.2.3.4, 198.51.100.7", "203.0.113.9"]), "198.51.100.7");
        assert_eq!(source("10.0.0.5", &["somebody; else"]), "10.0.0.5");
    }

    #[test]
    fn a_list_of_proxies_is_addresses_and_networks() {
        for right in ["10.0.0.5", "fd00::/8,10.1.0.0/16", "0.0.0.0/0"] {
            assert!(right.parse::<Proxies>().is_ok(), "{right}");
        }
        for wrong in ["", "proxy", "10.0.0.0/33", "10.0.0.5;10.0.0.6", "10.0.0.5,"] {
            assert_eq!(wrong.parse::<Proxies>(), Err(NotProxies), "{wrong}");
        }
    }
}
