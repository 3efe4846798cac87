//! People sign in at a provider of identities.

use std::time::Duration;

use panofleet_job_schema::Span;
use panofleet_producer::api::ApiConfig;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use url::Url;

use crate::harness::{ADMIN_KEY, Answer, Fleet, spec};
use crate::oidc_provider::{CLIENT_ID, CLIENT_SECRET, Provider, Signed};

const PUBLIC: &str = "http://fleet.example";

/// A service whose people sign in at a provider.
struct Place {
    fleet: Fleet,
    provider: Provider,
    _servers: JoinSet<()>,
}

/// A sign-in that has come to the provider.
struct Begun {
    to: String,
    cookie: String,
}

fn set_cookies(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect()
}

/// The cookie of the session that an answer begins.
fn session(answer: &Answer) -> Option<&str> {
    let mut pairs = set_cookies(answer).into_iter().filter_map(|set| set.split(';').next());
    pairs.find(|pair| pair.contains("panofleet_session="))
}

impl Fleet {
    async fn visit(&self, base: &str, cookie: &str, path: &str) -> Answer {
        let request = self.client.get(format!("{base}{path}")).header("cookie", cookie);
        // As a browser says it of a visit that another site's page led to.
        let request = request.header("sec-fetch-site", "cross-site");
        Answer::of(request.send().await.unwrap()).await
    }
}

impl Place {
    async fn start() -> Self {
        Self::start_with(
            json!([
                { "who": { "group": "fleet-admins" }, "scopes": ["admin"] },
                { "who": { "group": "acme" }, "tenant": "acme", "scopes": ["jobs:write"] },
            ]),
            |_| {},
        )
        .await
    }

    async fn start_with(grants: Value, change: impl FnOnce(&mut ApiConfig)) -> Self {
        let mut servers = JoinSet::new();
        let provider = Provider::start(&mut servers).await;
        let fleet = Fleet::start_with_keys(|config| {
            config.public_url = Some(PUBLIC.to_owned());
            config.oidc = Some(provider.config(&grants));
            change(config);
        })
        .await;
        Self { fleet, provider, _servers: servers }
    }

    async fn begin(&self, next: &str) -> Begun {
        let path = format!("/sign-in/oidc?next={next}");
        let answer = self.fleet.by(None, (Method::GET, &path), None).await;
        assert_eq!(answer.status, 303, "{}", answer.text());
        let cookie = set_cookies(&answer)[0].split(';').next().unwrap().to_owned();
        Begun { to: answer.header("location").unwrap().to_owned(), cookie }
    }

    /// Comes back from the provider, with what it says.
    async fn back(&self, cookie: &str, path: &str) -> Answer {
        self.fleet.visit(&self.fleet.base, cookie, path).await
    }

    async fn sign_in(&self) -> Answer {
        let begun = self.begin("/").await;
        self.back(&begun.cookie, &self.provider.consent(&begun.to)).await
    }

    async fn signs_in(&self) -> String {
        let answer = self.sign_in().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        session(&answer).unwrap().to_owned()
    }

    /// Nobody is signed in, and the page says why.
    async fn refuses(&self, status: u16, expected: &str) -> String {
        let answer = self.sign_in().await;
        check_refused(&answer, status, expected)
    }
}

#[track_caller]
fn check_refused(answer: &Answer, status: u16, expected: &str) -> String {
    let page = answer.text();
    assert_eq!(answer.status, status, "{expected}: {page}");
    assert!(page.contains(expected) && page.contains("href=\"/sign-in\""), "{expected}: {page}");
    assert!(session(answer).is_none() && !page.contains(CLIENT_SECRET));
    assert!(answer.header("content-security-policy").unwrap().contains("default-src 'none'"));
    page
}

#[tokio::test]
async fn a_person_signs_in_at_the_provider_and_is_named_by_what_they_do() {
    let place = Place::start().await;
    let fleet = &place.fleet;
    let other = fleet.submitted(&json!({})).await.to_string();
    let page = fleet.by(None, (Method::GET, "/sign-in?next=/failures?x=1"), None).await.text();
    let link = "<a class=\"button\" href=\"/sign-in/oidc?next=%2Ffailures%3Fx%3D1\">\
                Sign in with Example &amp; Co</a>";
    assert!(page.contains(link) && page.contains("name=\"key\""), "{page}");

    let answer = fleet.by(None, (Method::GET, "/sign-in/oidc?next=/failures?x=1"), None).await;
    let set = set_cookies(&answer)[0].to_owned();
    for part in ["panofleet_oidc=", "; HttpOnly", "; SameSite=Lax", "; Max-Age=600"] {
        assert!(set.contains(part), "{set}");
    }
    let to = answer.header("location").unwrap();
    let asked: std::collections::HashMap<_, _> =
        Url::parse(to).unwrap().query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", CLIENT_ID),
        ("redirect_uri", "http://fleet.example/sign-in/oidc/back"),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked.get(name).map(String::as_str), Some(value), "{to}");
    }
    assert!(
        asked["state"].len() >= 43 && asked["nonce"].len() >= 43 && !to.contains(CLIENT_SECRET)
    );

    let cookie = set.split(';').next().unwrap();
    let begun = place.back(cookie, &place.provider.consent(to)).await;
    assert_eq!(begun.status, 200, "{}", begun.text());
    assert_eq!(begun.header("refresh"), Some("0; url=/failures?x=1"));
    assert!(begun.text().contains("href=\"/failures?x=1\"") && begun.header("location").is_none());
    let sets = set_cookies(&begun);
    for part in ["; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"] {
        assert!(sets[0].starts_with("panofleet_session=") && sets[0].contains(part), "{sets:?}");
    }
    assert!(sets[1].starts_with("panofleet_oidc=;") && sets[1].contains("Max-Age=0"), "{sets:?}");

    let cookie = session(&begun).unwrap();
    let who = fleet.browse(cookie, (Method::GET, "/v1/whoami"), None).await.ok();
    let actor = json!({
        "kind": "person", "issuer": place.provider.issuer, "subject": "248289761001",
        "name": "kim@example.com",
    });
    assert_eq!((&who["actor"], &who["tenant"]), (&actor, &json!("acme")));
    assert_eq!(who["scopes"], json!(["jobs:read", "jobs:write"]));
    assert!(who["expires_at"].is_string(), "{who}");
    let home = fleet.browse(cookie, (Method::GET, "/"), None).await.text();
    assert!(home.contains("kim@example.com · acme") && !home.contains(&other), "{home}");
    fleet.browse(cookie, (Method::GET, "/v1/workers"), None).await.problem(403, "missing_scope");

    let (_, key) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let own = fleet.post_by(&key, "/v1/jobs", &spec(&json!({}))).await.ok()["id"].clone();
    let cancel = format!("/v1/jobs/{}/cancel", own.as_str().unwrap());
    fleet.browse(cookie, (Method::POST, &cancel), None).await.problem(403, "cross_site");
    fleet.browse(cookie, (Method::POST, &cancel), Some("same-origin")).await.ok();
    let rows = fleet.get("/v1/audit").await.ok();
    let theirs = rows["entries"].as_array().unwrap().iter().filter(|row| row["actor"] == actor);
    let theirs: Vec<_> =
        theirs.map(|row| (&row["action"], &row["outcome"], &row["tenant"])).collect();
    let row = |action, outcome| (json!(action), json!(outcome), json!("acme"));
    let expected =
        [row("job.cancel", "done"), row("job.cancel", "cross_site"), row("session.begin", "done")];
    assert_eq!(theirs, expected.each_ref().map(|(action, outcome, of)| (action, outcome, of)));

    fleet.browse(cookie, (Method::POST, "/sign-out"), Some("same-origin")).await;
    fleet.browse(cookie, (Method::GET, "/v1/jobs"), None).await.problem(401, "session_over");
}

#[tokio::test]
async fn a_token_that_is_not_good_signs_nobody_in() {
    let place = Place::start().await;
    let other_client = json!(["another", CLIENT_ID]);
    for (claim, value, expected) in [
        ("nonce", json!("another"), "nonce"),
        ("nonce", Value::Null, "nonce"),
        ("aud", json!("another"), "audience"),
        ("aud", other_client, "audience"),
        ("azp", json!("another"), "another client"),
        ("iss", json!("https://evil.example"), "issuer"),
        ("exp", json!(1_700_000_000), "xpired"),
        ("exp", Value::Null, "it is no token"),
        ("sub", Value::Null, "it is no token"),
        ("sub", json!("x".repeat(256)), "names nobody"),
    ] {
        place.provider.ways().claims = [(claim, value.clone())].into();
        let page = place.refuses(502, expected).await;
        assert!(!page.contains("eyJ"), "{claim} {value}: {page}");
    }
    place.provider.ways().claims.clear();
    for (signed, expected) in [
        (Signed::Not, "signature"),
        (Signed::ByAnother, "signature"),
        (Signed::BySecret, "signature"),
    ] {
        place.provider.ways().signed = signed;
        place.refuses(502, expected).await;
    }
    place.provider.ways().signed = Signed::Well;
    place.provider.ways().no_id_token = true;
    place.refuses(502, "there is no ID token").await;
    place.provider.ways().no_id_token = false;
    place.signs_in().await;
}

#[tokio::test]
async fn an_answer_counts_in_the_browser_that_asked_and_once() {
    let place = Place::start().await;
    let (one, two) = (place.begin("/").await, place.begin("/").await);
    let (of_one, of_two) = (place.provider.consent(&one.to), place.provider.consent(&two.to));
    for (cookie, path) in [
        ("", of_one.as_str()),
        (one.cookie.as_str(), &of_two),
        (&one.cookie, "/sign-in/oidc/back?code=code-0"),
        (&one.cookie, "/sign-in/oidc/back?code=code-0&state="),
        ("panofleet_oidc=", "/sign-in/oidc/back?code=code-0&state="),
        // What a stranger's link says is not shown.
        (&one.cookie, "/sign-in/oidc/back?error=call_0900&error_description=now&state=x"),
    ] {
        let page = check_refused(&place.back(cookie, path).await, 400, "not begun in this browser");
        assert!(!page.contains("call_0900"), "{page}");
    }
    assert_eq!(place.provider.ways().tokens_asked, 0, "nothing was sent");
    // Somebody else's code, put into a sign-in of one's own: the provider has bound it to the other's verifier.
    let stolen = of_two.replace(&two.state(), &one.state());
    let page = check_refused(&place.back(&one.cookie, &stolen).await, 502, "invalid_grant");
    assert!(page.contains("&lt;b&gt;no&lt;/b&gt;"), "{page}");
    // Another provider's answer.
    let mixed = of_one.replace(&encoded(&place.provider.issuer), "https%3A%2F%2Fevil.example");
    check_refused(&place.back(&one.cookie, &mixed).await, 502, "another provider");

    assert_eq!(place.back(&one.cookie, &of_one).await.status, 200);
    check_refused(&place.back(&one.cookie, &of_one).await, 502, "invalid_grant");

    let denied = format!(
        "/sign-in/oidc/back?error=access_denied&error_description=%3Cscript%3E%0Ax&state={}",
        two.state()
    );
    let page = check_refused(&place.back(&two.cookie, &denied).await, 403, "access_denied");
    assert!(page.contains("&lt;script&gt;x") && !page.contains("<script>"), "{page}");
    let twice = format!("{denied}&state=x");
    check_refused(&place.back(&two.cookie, &twice).await, 400, "duplicate field");
}

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

impl Begun {
    fn state(&self) -> String {
        let url = Url::parse(&self.to).unwrap();
        let state = url.query_pairs().find(|(name, _)| name == "state");
        state.unwrap().1.into_owned()
    }
}

#[tokio::test]
async fn a_sign_in_that_one_producer_began_ends_at_another_and_is_good_at_both() {
    let mut place = Place::start().await;
    let other = place.fleet.start_another(|_| {}).await;
    let without = place.fleet.start_another(|config| config.oidc = None).await;
    let begun = place.begin("https://evil.example").await;
    let back = place.provider.consent(&begun.to);
    let answer = place.fleet.visit(&other, &begun.cookie, &back).await;
    assert_eq!(answer.header("refresh"), Some("0; url=/"), "nobody is sent elsewhere");
    let cookie = session(&answer).unwrap();
    for base in [place.fleet.base.as_str(), &other] {
        place.fleet.visit(base, cookie, "/v1/counts").await.ok();
    }
    // Where nobody signs in there any more, nobody is signed in.
    place.fleet.visit(&without, cookie, "/v1/counts").await.problem(401, "session_over");
    let gone = place.fleet.visit(&without, cookie, "/sign-in/oidc").await;
    check_refused(&gone, 404, "sign in with keys");
    let form = place.fleet.visit(&without, "", "/sign-in").await.text();
    assert!(!form.contains("/sign-in/oidc"), "{form}");
}

#[tokio::test]
async fn a_key_that_is_new_is_looked_for_and_not_too_often() {
    let place = Place::start().await;
    for _ in 0..3 {
        place.signs_in().await;
    }
    assert_eq!(place.provider.ways().keys_asked, 1, "what is known is not asked for");
    place.provider.ways().generation = 1;
    place.signs_in().await;
    place.signs_in().await;
    assert_eq!(place.provider.ways().keys_asked, 2);
    place.provider.ways().generation = 2;
    for _ in 0..3 {
        place.refuses(502, "No matching key").await;
    }
    assert_eq!(place.provider.ways().keys_asked, 2, "not again so soon");
}

#[tokio::test]
async fn a_provider_that_does_not_answer_keeps_nobody_with_a_key_out() {
    let place = Place::start().await;
    place.provider.ways().padding = 300_000;
    let get = async |path: &str| place.fleet.by(None, (Method::GET, path), None).await;
    let huge = get("/sign-in/oidc").await;
    check_refused(&huge, 503, "the sign-in service does not answer");
    assert_eq!(huge.header("retry-after"), Some("3"));
    // A failure stands for a moment: nobody else waits for the same.
    place.provider.ways().padding = 0;
    check_refused(&get("/sign-in/oidc").await, 503, "sign in with a key");
    assert_eq!(place.provider.ways().keys_asked, 1);
    assert_eq!(place.fleet.sign_in(ADMIN_KEY, "", "/").await.status, 303);
    assert_eq!(get("/readyz").await.status, 200);

    let moved = Place::start().await;
    let target = format!("{}/keys", moved.provider.issuer);
    moved.provider.ways().moved_to = Some(target);
    let answer = moved.fleet.by(None, (Method::GET, "/sign-in/oidc"), None).await;
    check_refused(&answer, 503, "does not answer");
    assert_eq!(moved.provider.ways().keys_asked, 0, "nobody goes where they are sent");

    // Nobody listens there.
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let grants = json!([{ "who": "any", "scopes": ["admin"] }]);
    let nobody = Place::start_with(grants, |config| {
        config.oidc.as_mut().unwrap().issuer = format!("http://{free}");
    })
    .await;
    let answer = nobody.fleet.by(None, (Method::GET, "/sign-in/oidc"), None).await;
    check_refused(&answer, 503, "does not answer");
}

#[tokio::test]
async fn a_token_that_does_not_come_is_waited_for_a_few_seconds() {
    let place = Place::start().await;
    let begun = place.begin("/").await;
    place.provider.ways().token_hangs = true;
    let asked = Instant::now();
    let answer = place.back(&begun.cookie, &place.provider.consent(&begun.to)).await;
    check_refused(&answer, 503, "does not answer");
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

#[tokio::test]
async fn whoever_has_no_grant_is_told_what_to_ask_for() {
    let place = Place::start().await;
    place.provider.ways().claims = [("groups", json!(["staff", "<acme>"]))].into();
    let page = place.refuses(403, "kim@example.com is known and may do nothing here").await;
    assert!(page.contains("claim `groups` has: staff, &lt;acme&gt;"), "{page}");
    assert!(page.contains("api.oidc.grants"), "{page}");
    let rows = place.fleet.get("/v1/audit").await.ok();
    assert_eq!(rows["entries"], json!([]));

    // A provider may tell of groups and names beside the token, of the same person only.
    place.provider.ways().claims = [("groups", Value::Null)].into();
    place.refuses(503, "does not answer").await;
    let told = |sub: &str| Some(json!({ "sub": sub, "groups": ["fleet-admins"], "name": "Kim" }));
    place.provider.ways().user_info = told("another");
    place.refuses(503, "does not answer").await;
    place.provider.ways().user_info = told("248289761001");
    let cookie = place.signs_in().await;
    let who = place.fleet.browse(&cookie, (Method::GET, "/v1/whoami"), None).await.ok();
    assert_eq!((&who["tenant"], &who["actor"]["name"]), (&Value::Null, &json!("kim@example.com")));
    place.provider.ways().claims.insert("email", Value::Null);
    let cookie = place.signs_in().await;
    let who = place.fleet.browse(&cookie, (Method::GET, "/v1/whoami"), None).await.ok();
    assert_eq!(who["actor"]["name"], "Kim");
    assert_eq!(who["scopes"], json!(["jobs:read", "jobs:write", "ops", "admin", "scale"]));
}

#[tokio::test]
async fn an_address_counts_if_it_is_verified_and_a_session_lasts_as_configured() {
    let grants = json!([{
        "who": { "email": "kim@example.com" }, "tenant": "acme", "scopes": ["jobs:read"],
    }]);
    let place = Place::start_with(grants, |config| {
        config.oidc.as_mut().unwrap().session = Span::from_secs(600);
        config.public_url = Some("https://fleet.example".to_owned());
    })
    .await;
    place.provider.ways().by_form = true;
    place.provider.ways().user_info = Some(json!({ "sub": "248289761001" }));
    place.provider.ways().claims = [("email_verified", json!(false))].into();
    place.refuses(403, "may do nothing here").await;
    place.provider.ways().claims.clear();
    let begun = place.begin("/").await;
    assert!(begun.cookie.starts_with("__Host-panofleet_oidc="), "{}", begun.cookie);
    let answer = place.back(&begun.cookie, &place.provider.consent(&begun.to)).await;
    let sets = set_cookies(&answer);
    assert!(
        sets.iter().all(|set| set.starts_with("__Host-") && set.ends_with("; Secure")),
        "{sets:?}"
    );
    assert!(sets[0].contains("Max-Age=600;"), "{sets:?}");
}

#[tokio::test]
async fn an_open_api_has_nobody_sign_in() {
    let open = Fleet::start().await;
    let answer = open.get("/sign-in/oidc?next=/failures").await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, Some("/failures")));
    check_refused(&open.get("/sign-in/oidc/back?code=x&state=y").await, 404, "sign in with keys");
}

#[tokio::test]
async fn signing_out_leads_to_the_provider_where_that_is_wanted() {
    let everybody = json!([{ "who": "any", "tenant": "acme", "scopes": ["jobs:read"] }]);
    for wanted in [false, true] {
        let place = Place::start_with(everybody.clone(), |config| {
            config.oidc.as_mut().unwrap().sign_out = wanted;
        })
        .await;
        let there = format!("{}/out?theme=1", place.provider.issuer);
        place.provider.ways().sign_out_at = Some(there.clone());
        let sign_out = async |session: &str| {
            let post = (Method::POST, "/sign-out");
            place.fleet.browse(session, post, Some("same-origin")).await
        };
        let session = place.signs_in().await;
        let answer = sign_out(&session).await;
        let after = place.fleet.browse(&session, (Method::GET, "/v1/jobs"), None).await;
        after.problem(401, "session_over");
        if wanted {
            let to = format!(
                "0; url={there}&client_id={CLIENT_ID}&post_logout_redirect_uri=http%3A%2F%2Ffleet.example%2Fsign-in"
            );
            assert_eq!((answer.status.as_u16(), answer.header("refresh")), (200, Some(&*to)));
        } else {
            assert_eq!(answer.header("location"), Some("/sign-in"));
        }
        // Whoever came with a key has nothing to end there.
        let by_key = place.fleet.sign_in(ADMIN_KEY, "", "/").await;
        let answer = sign_out(crate::sign_in::cookie(&by_key)).await;
        assert_eq!(answer.header("location"), Some("/sign-in"));
    }
}

#[tokio::test]
async fn nobody_is_led_to_sign_out_where_others_can_read_it() {
    let place = Place::start().await;
    place.provider.ways().sign_out_at = Some("http://login.example.com/out".to_owned());
    let answer = place.fleet.by(None, (Method::GET, "/sign-in/oidc?next=/"), None).await;
    assert_eq!(answer.status, 503, "{}", answer.text());
}
