//! The settings of sign-in at a provider of identities, and what they give to whom.
//!
//! Grants stand in an order, and the first that matches is the one: nobody has more than one line of the configuration gives.

use std::collections::BTreeSet;
use std::time::Duration;

use panofleet_job_schema::{Region, Secret, Span, Tenant};
use panofleet_jobs_db::Scope;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::claims::Vouched;
use crate::api::auth::{Auth, check_scopes};
use crate::api::config::ApiConfig;

/// Longest time that somebody is signed in.
const SESSION_MAX: Duration = Duration::from_secs(12 * 3600);
/// Grants that are looked at for each sign-in.
const GRANTS_MAX: usize = 1000;

/// Where people sign in, and what that gives them.
///
/// ```toml
/// issuer = "https://login.example.com/realms/fleet"
/// client_id = "panofleet"
/// client_secret = "…"
///
/// [[grants]]
/// who = { group = "fleet-admins" }
/// scopes = ["admin"]
///
/// [[grants]]
/// who = { group = "acme" }
/// tenant = "acme"
/// scopes = ["jobs:write"]
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// The provider, to the letter as it names itself. Plain http only where it is this machine.
    pub issuer: String,
    /// What the provider calls this service.
    pub client_id: String,
    /// What it knows this service by.
    pub client_secret: Secret,
    /// What the button says after "Sign in with"; the provider's host if unset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What is asked of the provider.
    #[serde(default = "default_scopes")]
    pub scopes: Vec<String>,
    /// The claim whose values are groups. One that begins with a slash is a path (RFC 6901): `/realm_access/roles`.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// How long somebody is signed in: what the provider takes from them meanwhile, they have until then.
    #[serde(default = "default_session")]
    pub session: Span,
    /// Whether whoever signs out here is led to the provider, to sign out there too. It has to know
    /// `PUBLIC_URL/sign-in` as a place to come back to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sign_out: bool,
    /// Who gets what; the first that matches.
    pub grants: Vec<OidcGrant>,
}

/// What somebody gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcGrant {
    /// Who.
    pub who: OidcWho,
    /// What they may do.
    pub scopes: BTreeSet<Scope>,
    /// Whose jobs it is about; all tenants' if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Tenant>,
    /// The regions that their jobs may run in; all if there are none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub regions: BTreeSet<Region>,
}

/// Whom a grant is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OidcWho {
    /// Everybody whom the provider lets sign in to this service.
    Any,
    /// Those with this value in the claim of groups.
    Group(String),
    /// The one with this address, if the provider says that it has verified it.
    Email(String),
}

/// Settings of sign-in that cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOidc {
    /// Nobody has to sign in.
    #[error("needs api.auth = \"keys\": an API that asks nobody has nobody sign in")]
    Open,
    /// The provider sends browsers back to it.
    #[error(
        "needs api.public_url: the provider sends browsers back to PUBLIC_URL/sign-in/oidc/back"
    )]
    NoPublicUrl,
    /// Others could say who somebody is.
    #[error(
        "issuer `{0}` must be an https:// URL without query and fragment, or http:// of this machine"
    )]
    Issuer(String),
    /// It says nothing.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// The provider would answer as to another protocol.
    #[error("scopes must include openid")]
    NoOpenid,
    /// Past its limit.
    #[error("session is {0}; it must be 1m to 12h")]
    Session(Span),
    /// Nobody could do anything, or it is too much to look through.
    #[error("grants has {0} entries; it must have 1 to {GRANTS_MAX}")]
    Grants(usize),
    /// One that makes no sense.
    #[error("grants[{index}]: {why}")]
    Grant {
        /// Which, from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
}

fn default_scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn default_groups_claim() -> String {
    "groups".to_owned()
}

const fn default_session() -> Span {
    Span(SESSION_MAX)
}

impl OidcConfig {
    /// What the button says after "Sign in with".
    pub(crate) fn title(&self) -> String {
        let host = || Url::parse(&self.issuer).ok()?.host_str().map(str::to_owned);
        self.title.clone().or_else(host).unwrap_or_default()
    }

    /// Whether plain http goes, which it does where the provider is this machine.
    pub(super) fn is_plain(&self) -> bool {
        self.issuer.starts_with("http://")
    }

    /// What somebody gets, if anything.
    pub(super) fn grant(&self, vouched: &Vouched) -> Option<&OidcGrant> {
        self.grants.iter().find(|grant| match &grant.who {
            OidcWho::Any => true,
            OidcWho::Group(name) => vouched.groups.iter().flatten().any(|group| group == name),
            OidcWho::Email(address) => {
                vouched.email.as_ref().is_some_and(|email| email.eq_ignore_ascii_case(address))
            }
        })
    }

    /// Whether some grant is for those of a group.
    pub(super) fn asks_for_groups(&self) -> bool {
        self.grants.iter().any(|grant| matches!(grant.who, OidcWho::Group(_)))
    }

    /// Whether some grant is for an address.
    pub(super) fn asks_for_email(&self) -> bool {
        self.grants.iter().any(|grant| matches!(grant.who, OidcWho::Email(_)))
    }

    /// Checks what serde cannot.
    pub(crate) fn check(&self, api: &ApiConfig) -> Result<(), BadOidc> {
        if api.auth == Auth::Open {
            return Err(BadOidc::Open);
        }
        if api.public_url.is_none() {
            return Err(BadOidc::NoPublicUrl);
        }
        if !is_issuer(&self.issuer) {
            return Err(BadOidc::Issuer(self.issuer.clone()));
        }
        for (name, value) in [
            ("client_id", self.client_id.as_str()),
            ("client_secret", self.client_secret.expose()),
            ("groups_claim", &self.groups_claim),
            ("title", self.title.as_deref().unwrap_or("unset")),
        ] {
            if value.trim().is_empty() {
                return Err(BadOidc::Empty(name));
            }
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return Err(BadOidc::NoOpenid);
        }
        if !(Duration::from_secs(60)..=SESSION_MAX).contains(&self.session.0) {
            return Err(BadOidc::Session(self.session));
        }
        if !(1..=GRANTS_MAX).contains(&self.grants.len()) {
            return Err(BadOidc::Grants(self.grants.len()));
        }
        let checked = self.grants.iter().enumerate();
        checked
            .map(|(index, grant)| (index, grant.check(api)))
            .try_for_each(|(index, checked)| checked.map_err(|why| BadOidc::Grant { index, why }))
    }
}

impl OidcGrant {
    fn check(&self, api: &ApiConfig) -> Result<(), String> {
        match &self.who {
            OidcWho::Group(name) | OidcWho::Email(name) if name.is_empty() => {
                return Err("who must not be empty".to_owned());
            }
            OidcWho::Any | OidcWho::Group(_) | OidcWho::Email(_) => {}
        }
        if let Some(unknown) = self.regions.iter().find(|name| !api.regions.contains_key(*name)) {
            return Err(format!("region `{unknown}` is not under api.regions"));
        }
        check_scopes(self.tenant.as_ref(), &self.scopes)
    }
}

fn is_issuer(issuer: &str) -> bool {
    let Ok(url) = Url::parse(issuer) else { return false };
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    is_bare && (url.scheme() == "https" || (url.scheme() == "http" && is_this_machine(&url)))
}

/// Whether an address is of this machine, by what is written there.
pub(super) fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api() -> ApiConfig {
        let config = ApiConfig::of_one_region(Region::new("here").unwrap(), "outputs");
        let public_url = Some("https://fleet.example.com".to_owned());
        ApiConfig { auth: Auth::Keys, public_url, ..config }
    }

    fn config(grants: &str) -> OidcConfig {
        let text = format!(
            r#"{{"issuer": "https://login.example.com/realms/fleet", "client_id": "panofleet",
                "client_secret": "s3cret", "grants": {grants}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    const ONE: &str = r#"[{"who": "any", "tenant": "acme", "scopes": ["jobs:read"]}]"#;

    fn vouched(groups: &[&str], email: Option<&str>) -> Vouched {
        Vouched {
            subject: "1".to_owned(),
            name: Some("kim".to_owned()),
            email: email.map(str::to_owned),
            groups: Some(groups.iter().map(|group| (*group).to_owned()).collect()),
        }
    }

    #[test]
    fn settings_have_defaults_and_show_no_secret() {
        let config = config(ONE);
        assert_eq!(config.check(&api()), Ok(()));
        assert_eq!(config.scopes, ["openid", "profile", "email"]);
        assert_eq!((config.title().as_str(), config.session.0), ("login.example.com", SESSION_MAX));
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let good = config(ONE);
        let with = |change: &dyn Fn(&mut OidcConfig, &mut ApiConfig)| {
            let (mut config, mut api) = (good.clone(), api());
            change(&mut config, &mut api);
            config.check(&api).unwrap_err().to_string()
        };
        let grants = |text: &str| {
            let grants = config(text).grants;
            with(&|c, _| c.grants.clone_from(&grants))
        };
        for (said, expected) in [
            (with(&|_, api| api.auth = Auth::Open), "api.auth"),
            (with(&|_, api| api.public_url = None), "api.public_url"),
            (with(&|c, _| c.issuer = "http://login.example.com".into()), "issuer"),
            (with(&|c, _| c.issuer = "https://login.example.com?a=1".into()), "issuer"),
            (with(&|c, _| c.client_id = " ".into()), "client_id must not be empty"),
            (with(&|c, _| c.client_secret = Secret::new("")), "client_secret"),
            (with(&|c, _| c.scopes.clear()), "openid"),
            (with(&|c, _| c.session = Span::from_secs(13 * 3600)), "session is 13h"),
            (with(&|c, _| c.grants.clear()), "grants has 0"),
            (grants(r#"[{"who": {"group": ""}, "scopes": ["ops"]}]"#), "grants[0]: who"),
            (grants(r#"[{"who": "any", "scopes": []}]"#), "at least one scope"),
            (grants(r#"[{"who": "any", "scopes": ["jobs:read"]}]"#), "name the tenant"),
            (grants(r#"[{"who": "any", "tenant": "acme", "scopes": ["ops"]}]"#), "about the fleet"),
            (
                grants(r#"[{"who": "any", "scopes": ["ops"], "regions": ["mars"]}]"#),
                "region `mars`",
            ),
        ] {
            assert!(said.contains(expected), "{said}");
        }
        for plain in ["http://127.0.0.1:8080", "http://[::1]/x", "http://localhost/realms/a"] {
            let config = OidcConfig { issuer: plain.to_owned(), ..good.clone() };
            assert_eq!(config.check(&api()), Ok(()), "{plain}");
        }
    }

    #[test]
    fn the_first_grant_that_matches_is_the_one() {
        let config = config(
            r#"[{"who": {"group": "admins"}, "scopes": ["admin"]},
                {"who": {"email": "Kim@example.com"}, "tenant": "acme", "scopes": ["jobs:write"]},
                {"who": {"group": "acme"}, "tenant": "acme", "scopes": ["jobs:read"]},
                {"who": {"group": "other"}, "tenant": "other", "scopes": ["jobs:write"]}]"#,
        );
        for (groups, email, expected) in [
            (&["other", "admins"][..], None, Some(0)),
            (&["acme"], Some("kim@EXAMPLE.com"), Some(1)),
            (&["other", "acme"], None, Some(2)),
            (&["other"], Some("sam@example.com"), Some(3)),
            (&["Admins", "acme2"], None, None),
            (&[], None, None),
        ] {
            let found = config.grant(&vouched(groups, email));
            assert_eq!(found, expected.map(|index| &config.grants[index]), "{groups:?} {email:?}");
        }
    }
}
