//! The guard between a URL that a client wrote and the network that this process stands in, against requests that are
//! forged through us (SSRF).
//!
//! Names are resolved by us, every address is judged, and the connection goes to the addresses that were
//! judged: a name cannot mean something else a moment later. Redirects are not followed; who follows one puts it through
//! the same gate.

use std::error::Error as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, redirect};
use rustls::crypto::CryptoProvider;
use url::{Host, Url};

mod network;

pub use network::Network;
use network::is_public;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Decides where requests may go.
#[derive(Clone, Debug)]
pub struct Guard {
    networks: Vec<Network>,
}

/// A name that may not be connected to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} has no public address")]
pub struct NotPublic(pub String);

/// An address that nothing may be sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressRefused {
    /// There is nobody to connect to.
    #[error("names no host")]
    NoHost,
    /// Others could read and change what is sent.
    #[error("is no https")]
    NoHttps,
    /// What listens there is no public web server.
    #[error("has another port than 443")]
    Port,
    /// It is of this machine, of its network, or of nobody.
    #[error("is a private or special address")]
    NotPublic,
}

impl Guard {
    /// A guard that lets through to the public internet, and to `networks`.
    pub const fn new(networks: Vec<Network>) -> Self {
        Self { networks }
    }

    /// The beginning of a client whose connections go where this guard allows. Its URLs have to be [checked](Self::check)
    /// beforehand: a client connects to a literal address without asking.
    pub fn client(&self) -> ClientBuilder {
        // A proxy would resolve names by itself, past the guard.
        to_named_hosts().no_proxy().dns_resolver(Arc::new(self.clone()))
    }

    fn allows(&self, address: IpAddr) -> bool {
        is_public(address) || self.named(address)
    }

    fn named(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(address))
    }

    /// Judges an address before anything is sent: https on port 443, and no address that is not public. An
    /// address of a named network may have any port, and http.
    ///
    /// # Errors
    /// [`AddressRefused`], with why.
    pub fn check(&self, url: &Url) -> Result<(), AddressRefused> {
        // The url crate has read 0x7f.1, 2130706433 and 0177.0.0.1 as the addresses that they are.
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            Some(Host::Domain(_)) => None,
            None => return Err(AddressRefused::NoHost),
        };
        if literal.is_some_and(|address| self.named(address)) {
            return match url.scheme() {
                "http" | "https" => Ok(()),
                _ => Err(AddressRefused::NoHttps),
            };
        }
        if url.scheme() != "https" {
            return Err(AddressRefused::NoHttps);
        }
        if url.port_or_known_default() != Some(443) {
            return Err(AddressRefused::Port);
        }
        match literal {
            Some(address) if !is_public(address) => Err(AddressRefused::NotPublic),
            Some(_) | None => Ok(()),
        }
    }
}

/// The beginning of a client for hosts that the configuration names, inside or outside: no guard, and no redirect to hosts that
/// it does not name.
pub fn to_named_hosts() -> ClientBuilder {
    if CryptoProvider::get_default().is_none()
        && rustls::crypto::ring::default_provider().install_default().is_err()
    {
        tracing::trace!("another thread has chosen the TLS provider meanwhile");
    }
    reqwest::Client::builder()
        .user_agent(concat!("panofleet/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
}

/// Resolves names for the client, and gives it only addresses that it may connect to.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> =
                found.filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(NotPublic(name.as_str().to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// A URL as messages show it: without user, password, query and fragment, where secrets are.
pub fn shown(url: &Url) -> String {
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{}{port}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path())
}

/// A client's error and its causes, without the URL: secrets may be in it.
pub fn plain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(guard: &Guard, url: &str) -> Result<(), AddressRefused> {
        guard.check(&Url::parse(url).unwrap())
    }

    #[test]
    fn addresses_are_judged_in_every_spelling() {
        let guard = Guard::new(Vec::new());
        for allowed in [
            "https://example.com/a.jpg",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
            "https://x:443/",
        ] {
            assert_eq!(verdict(&guard, allowed), Ok(()), "{allowed}");
        }
        for refused in [
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0177.0.0.1/",
            "https://0x7f.1/",
            "https://0x7f000001/",
            "https://0/",
            "https://①②⑦.0.0.1/",
            "https://127。0。0。1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://[::ffff:7f00:1]/",
            "https://[::]/",
            "https://[64:ff9b::7f00:1]/",
            "https://[2002:7f00:1::]/",
            "https://169.254.169.254/latest/meta-data",
            "https://[fd00:ec2::254]/",
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://100.100.100.200/",
            "https://user@127.0.0.1/",
            "https://example.com@127.0.0.1/",
            "http://example.com/",
            "https://example.com:8443/",
            "ftp://example.com/",
            "https://8.8.8.8:22/",
        ] {
            assert!(verdict(&guard, refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_named_network_may_have_any_port_and_plain_http() {
        let guard = Guard::new(vec!["10.1.0.0/16".parse().unwrap()]);
        assert_eq!(verdict(&guard, "http://10.1.2.3:8080/a"), Ok(()));
        assert!(verdict(&guard, "http://10.2.0.1:8080/a").is_err());
        assert!(verdict(&guard, "http://example.com/a").is_err());
        assert!(verdict(&guard, "ftp://10.1.2.3/a").is_err());
    }

    #[test]
    fn what_is_shown_of_an_address_has_no_secrets() {
        let url =
            Url::parse("https://user:hunter2@example.com:8443/a?sig=hunter2#hunter2").unwrap();
        assert_eq!(shown(&url), "https://example.com:8443/a");
    }
}
