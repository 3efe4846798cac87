//! What a provider says of a person, read once it is known that the provider has said it.

use serde_json::{Map, Value};

use super::config::OidcConfig;

/// Groups that are looked at; a person is in fewer.
const GROUPS_MAX: usize = 2000;
/// Bytes of a name that are kept.
const NAME_BYTES_MAX: usize = 128;
/// Longest subject there is (OpenID Connect Core §2).
const SUBJECT_BYTES_MAX: usize = 255;

/// A person, as the provider vouches for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vouched {
    /// Who, among those that it knows.
    pub(super) subject: String,
    /// What people call them; none if the provider does not say.
    pub(super) name: Option<String>,
    /// Their address, if the provider has verified it.
    pub(super) email: Option<String>,
    /// Their groups; none if the provider does not say.
    pub(super) groups: Option<Vec<String>>,
}

impl Vouched {
    /// Of the claims of an ID token, and of what else the provider told. `None` if they say nothing of whom they are about.
    pub(super) fn read(claims: &Map<String, Value>, config: &OidcConfig) -> Option<Self> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let subject = text("sub").filter(|id| (1..=SUBJECT_BYTES_MAX).contains(&id.len()))?;
        let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
        let email = text("email").filter(|_| is_verified);
        // An address that nobody has verified may be another person's, so it names somebody only for want of anything else.
        let names = [email, text("preferred_username"), text("name"), text("email")];
        let name = names.into_iter().flatten().map(plain).find(|name| !name.is_empty());
        Some(Self {
            subject: subject.to_owned(),
            name,
            email: email.map(str::to_owned),
            groups: claim(claims, &config.groups_claim).map(values),
        })
    }

    /// Whether something was not said that the configuration asks for, or what people call them.
    pub(super) fn lacks(&self, config: &OidcConfig) -> bool {
        let groups = self.groups.is_none() && config.asks_for_groups();
        let email = self.email.is_none() && config.asks_for_email();
        groups || email || self.name.is_none()
    }

    /// What people read.
    pub(super) fn shown(&self) -> String {
        self.name.clone().unwrap_or_else(|| plain(&self.subject))
    }
}

fn claim<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let Some(path) = name.strip_prefix('/') else { return claims.get(name) };
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let found = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
    if rest.is_empty() { Some(found) } else { found.pointer(&format!("/{rest}")) }
}

/// The texts of a claim that is one or has some.
fn values(claim: &Value) -> Vec<String> {
    let one = claim.as_str().into_iter();
    let many = claim.as_array().into_iter().flatten().filter_map(Value::as_str);
    one.chain(many).take(GROUPS_MAX).map(str::to_owned).collect()
}

/// A stranger's words on one line, cut.
fn plain(text: &str) -> String {
    let mut kept: String = text.chars().filter(|letter| !letter.is_control()).collect();
    let end = (0..=NAME_BYTES_MAX.min(kept.len())).rev().find(|end| kept.is_char_boundary(*end));
    kept.truncate(end.unwrap_or(0));
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: &Value, groups_claim: &str) -> Option<Vouched> {
        let text = format!(
            r#"{{"issuer": "https://a.example", "client_id": "c", "client_secret": "s",
                "groups_claim": "{groups_claim}",
                "grants": [{{"who": {{"group": "g"}}, "scopes": ["admin"]}}]}}"#
        );
        Vouched::read(claims.as_object().unwrap(), &serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_person_is_named_by_what_is_sure() {
        for (claims, name, email) in [
            (
                json!({ "sub": "7", "email": "a@b.c", "email_verified": true }),
                "a@b.c",
                Some("a@b.c"),
            ),
            (
                json!({ "sub": "7", "email": "a@b.c", "email_verified": false, "name": "Kim" }),
                "Kim",
                None,
            ),
            (json!({ "sub": "7", "email": "a@b.c", "preferred_username": "kim" }), "kim", None),
            (json!({ "sub": "7", "email": "a@b.c" }), "a@b.c", None),
            (json!({ "sub": "7", "name": " \u{0}\n", "email_verified": true }), "7", None),
        ] {
            let vouched = read(&claims, "groups").unwrap();
            assert_eq!(
                (vouched.shown().as_str(), vouched.email.as_deref()),
                (name, email),
                "{claims}"
            );
            assert!(vouched.groups.is_none());
        }
        assert_eq!(
            read(&json!({ "sub": "7", "name": "é".repeat(99) }), "g").unwrap().shown().len(),
            128
        );
        for nobody in [json!({}), json!({ "sub": "" }), json!({ "sub": "x".repeat(256) })] {
            assert_eq!(read(&nobody, "groups"), None);
        }
    }

    #[test]
    fn groups_are_found_where_the_configuration_says() {
        let claims = json!({
            "sub": "7", "groups": ["a", 1, "b"], "https://x/roles": "c", "realm": { "roles": ["d"] },
        });
        for (claim, expected) in [
            ("groups", Some(&["a", "b"][..])),
            ("https://x/roles", Some(&["c"])),
            ("/realm/roles", Some(&["d"])),
            ("/groups", Some(&["a", "b"])),
            ("/https:~1~1x~1roles", Some(&["c"])),
            ("realm", Some(&[])),
            ("/realm/none", None),
            ("none", None),
        ] {
            let groups = read(&claims, claim).unwrap().groups;
            let groups = groups.as_ref().map(|groups| groups.iter().map(String::as_str).collect());
            assert_eq!(groups, expected.map(<[&str]>::to_vec), "{claim}");
        }
    }
}
