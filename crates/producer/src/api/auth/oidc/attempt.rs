//! A sign-in that is under way, as its browser keeps it.
//!
//! It lies in a cookie, so that any producer can end what another has begun. Nothing vouches for the cookie, and nothing needs
//! to: whoever writes one of their own gives themselves a state, a nonce and a verifier, which are good for a code of the same
//! browser's only, and the provider has bound that code to the verifier and its token to the nonce. Scripts cannot read it, and
//! where pages come by https no other host can set it.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::api::auth::gate::local_path;
use crate::api::auth::identity::{SameSite, cookie, set_cookie};
use crate::api::auth::token;

/// How long somebody may take at the provider.
const LASTS: Duration = Duration::from_secs(600);
/// A page's address that is longer is not kept: browsers keep 4096 bytes of a cookie.
const NEXT_BYTES_MAX: usize = 1500;

const COOKIE: &str = "panofleet_oidc";
/// The same where every page comes by https: no other name of the domain can set it.
const COOKIE_HTTPS: &str = "__Host-panofleet_oidc";

/// A sign-in that is under way.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// Comes back with the answer: the answer is to this browser's question.
    pub(super) state: String,
    /// Comes back in the token: the token is for this sign-in.
    pub(super) nonce: String,
    /// Proves to the provider that whoever has the code has begun the sign-in.
    pub(super) verifier: String,
    /// The page that they wanted to see.
    pub(super) next: String,
}

impl Attempt {
    pub(super) fn new(verifier: String, next: &str) -> Self {
        let random = || hex::encode(rand::random::<[u8; 32]>());
        let next = Some(local_path(next)).filter(|next| next.len() <= NEXT_BYTES_MAX);
        Self { state: random(), nonce: random(), verifier, next: next.unwrap_or("/").to_owned() }
    }

    /// The one that these headers carry, if it is the one with this state.
    pub(super) fn of(headers: &HeaderMap, state: &str, is_https: bool) -> Option<Self> {
        let attempt = Self::parse(&cookie(headers, name(is_https))?)?;
        let hash = |text: &str| token::hash(text.as_bytes());
        token::equal(&hash(&attempt.state), &hash(state)).then_some(attempt)
    }

    fn parse(text: &str) -> Option<Self> {
        let [state, nonce, verifier, next] = text.split('.').collect::<Vec<_>>().try_into().ok()?;
        let next = String::from_utf8(BASE64.decode(next).ok()?).ok()?;
        let owned = [state, nonce, verifier].map(str::to_owned);
        let [state, nonce, verifier] = owned;
        let is_one = !state.is_empty() && !nonce.is_empty() && !verifier.is_empty();
        is_one.then(|| Self { state, nonce, verifier, next: local_path(&next).to_owned() })
    }

    fn text(&self) -> String {
        let Self { state, nonce, verifier, next } = self;
        format!("{state}.{nonce}.{verifier}.{}", BASE64.encode(next))
    }

    /// The cookie. A browser sends it along when the provider sends it back here, which is a top-level visit.
    pub(super) fn cookie(&self, is_https: bool) -> HeaderValue {
        set(&self.text(), LASTS, is_https)
    }
}

/// Has a browser forget it.
pub(crate) fn forget(is_https: bool) -> HeaderValue {
    set("", Duration::ZERO, is_https)
}

fn set(text: &str, lasts: Duration, is_https: bool) -> HeaderValue {
    set_cookie((name(is_https), text), lasts, SameSite::Lax, is_https)
}

const fn name(is_https: bool) -> &'static str {
    if is_https { COOKIE_HTTPS } else { COOKIE }
}

#[cfg(test)]
mod tests {
    use axum::http::header;

    use super::*;

    fn headers(attempt: &Attempt, is_https: bool) -> HeaderMap {
        let set = attempt.cookie(is_https).to_str().unwrap().to_owned();
        let pair = set.split(';').next().unwrap();
        [(header::COOKIE, HeaderValue::try_from(format!("a=b; {pair}")).unwrap())]
            .into_iter()
            .collect()
    }

    #[test]
    fn an_attempt_is_read_as_it_was_kept_by_those_who_know_its_state() {
        let attempt = Attempt::new("verifier-_~".to_owned(), "/view/1?a=.&b=é");
        assert_eq!(attempt.next, "/", "an address is ASCII");
        let attempt = Attempt::new("verifier-_~".to_owned(), "/view/1?a=.&b=%C3;c");
        for is_https in [false, true] {
            let headers = headers(&attempt, is_https);
            let of = |state: &str| Attempt::of(&headers, state, is_https);
            assert!(of(&attempt.state) == Some(attempt.clone()));
            assert!(of("").is_none() && of("x").is_none());
            assert!(Attempt::of(&headers, &attempt.state, !is_https).is_none());
        }
        assert_ne!(Attempt::new(String::new(), "/").state, attempt.state);
    }

    #[test]
    fn what_a_stranger_wrote_leads_nowhere_else() {
        let with = |next: &str| {
            Attempt::parse(&format!("s.n.v.{}", BASE64.encode(next))).map(|attempt| attempt.next)
        };
        assert_eq!(with("/a").as_deref(), Some("/a"));
        for next in ["https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nb"] {
            assert_eq!(with(next).as_deref(), Some("/"), "{next}");
        }
        for text in ["", "s", "s.n.v", "s.n.v.%", "s.n.v.L2E.x", ".n.v.L2E", "s..v.L2E", "s.n..L2E"]
        {
            assert!(Attempt::parse(text).is_none(), "{text}");
        }
        let long = format!("/{}", "a".repeat(NEXT_BYTES_MAX));
        assert_eq!(Attempt::new("v".to_owned(), &long).next, "/");
        assert!(Attempt::new("v".to_owned(), &"/a".repeat(700)).cookie(true).len() < 4096);
    }
}
