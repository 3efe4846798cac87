//! People sign in with a key, and have a session in its place.

use panofleet_job_schema::{Span, Timestamp};
use reqwest::Method;
use serde_json::json;

use crate::harness::{ADMIN_KEY, Answer, DEADLINE, Fleet, spec};

impl Fleet {
    /// Sends the form, as a browser would.
    pub(crate) async fn sign_in(&self, key: &str, tenant: &str, next: &str) -> Answer {
        let form = [("key", key), ("tenant", tenant), ("next", next)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.client.post(format!("{}/sign-in", self.base));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("sec-fetch-site", "same-origin").body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// Asks as a browser that has this cookie.
    pub(crate) async fn browse(
        &self,
        cookie: &str,
        (method, path): (Method, &str),
        site: Option<&str>,
    ) -> Answer {
        let request = self.client.request(method, format!("{}{path}", self.base));
        let request = request.header("cookie", cookie);
        let request =
            site.into_iter().fold(request, |request, site| request.header("sec-fetch-site", site));
        Answer::of(request.send().await.unwrap()).await
    }
}

pub(crate) fn cookie(answer: &Answer) -> &str {
    answer.header("set-cookie").unwrap().split(';').next().unwrap()
}

#[tokio::test]
async fn a_person_signs_in_sees_what_the_key_may_see_and_signs_out() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (id, key) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    let own = fleet.post_by(&key, "/v1/jobs", &spec(&json!({}))).await.ok()["id"].clone();
    let own = own.as_str().unwrap();
    let other = fleet.submitted(&json!({})).await.to_string();

    let form = fleet.by(None, (Method::GET, &format!("/sign-in?next=/view/{own}")), None).await;
    let csp = form.header("content-security-policy").unwrap();
    assert!(csp.contains("form-action 'self'") && csp.contains("script-src 'self'"), "{csp}");
    assert!(
        form.text().contains(&format!("name=\"next\" value=\"/view/{own}\"")),
        "{}",
        form.text()
    );
    let wrong = fleet.sign_in("hunter2", "", "/").await;
    assert_eq!((wrong.status.as_u16(), wrong.header("set-cookie")), (401, None));
    assert!(wrong.text().contains("there is no such API key") && !wrong.text().contains("hunter2"));

    let begun = fleet.sign_in(&key, "", &format!("/view/{own}")).await;
    assert_eq!(
        (begun.status.as_u16(), begun.header("location")),
        (303, Some(format!("/view/{own}").as_str()))
    );
    let set = begun.header("set-cookie").unwrap();
    for part in
        ["panofleet_session=", "; Path=/", "; HttpOnly", "; SameSite=Strict", "; Max-Age=43200"]
    {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure") && !set.contains(&key), "{set}");
    let cookie = cookie(&begun);

    let home = fleet.browse(cookie, (Method::GET, "/"), None).await;
    let page = home.text();
    assert!(home.status == 200 && page.contains(own) && !page.contains(&other), "{page}");
    assert!(page.contains("jobs:write · acme") && page.contains("/sign-out"), "{page}");
    let foreign = fleet.browse(cookie, (Method::GET, &format!("/view/{other}")), None).await;
    assert_eq!(foreign.status, 404);
    assert_eq!(fleet.browse(cookie, (Method::GET, "/v1/counts"), None).await.ok()["total"], 1);

    // A page of this service may act, another's may not, and neither may one that does not say whose it is.
    let cancel = format!("/v1/jobs/{own}/cancel");
    for site in [None, Some("none"), Some("same-site"), Some("cross-site")] {
        let answer = fleet.browse(cookie, (Method::POST, &cancel), site).await;
        answer.problem(403, "cross_site");
    }
    assert_eq!(
        fleet.browse(cookie, (Method::POST, &cancel), Some("same-origin")).await.status,
        200
    );
    let rows = fleet.get(&format!("/v1/audit?key={id}")).await.ok();
    let outcomes_of = |action: &str| {
        let rows = rows["entries"].as_array().unwrap().iter();
        let of_action = rows.filter(|row| row["action"] == action);
        of_action.map(|row| row["outcome"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(outcomes_of("session.begin"), ["done"]);
    // What the browser itself says is another site's comes no further than the guard before the gate.
    assert_eq!(outcomes_of("job.cancel"), ["done", "cross_site", "cross_site"]);

    assert!(fleet.browse(cookie, (Method::GET, "/sign-out"), None).await.text().contains("<form"));
    let ended = fleet.browse(cookie, (Method::POST, "/sign-out"), Some("same-origin")).await;
    assert!(ended.header("set-cookie").unwrap().contains("Max-Age=0"));
    let after = fleet.browse(cookie, (Method::GET, "/failures?x=1"), None).await;
    assert_eq!(after.header("location"), Some("/sign-in?next=%2Ffailures%3Fx%3D1"));
    fleet.browse(cookie, (Method::GET, "/v1/jobs"), None).await.problem(401, "session_over");
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let fleet = Fleet::start_with_keys(|config| config.key_cache = Span::from_secs(0)).await;
    let begun = fleet.sign_in(ADMIN_KEY, "", "/").await;
    let cookie = cookie(&begun);
    assert_eq!(fleet.browse(cookie, (Method::GET, "/v1/jobs"), None).await.status, 200);
    let end = async |at: Timestamp| {
        let query = sqlx::query("UPDATE sessions SET expires_at = ?").bind(at.as_millis());
        query.execute(&fleet.file.writer).await.unwrap();
        fleet.browse(cookie, (Method::GET, "/v1/jobs"), None).await
    };
    let now = fleet.db.now().await.unwrap();
    assert_eq!(end(now + DEADLINE).await.status, 200);
    end(now).await.problem(401, "session_over");
}

#[tokio::test]
async fn a_session_ends_with_its_key() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    let (id, key) = fleet.new_key(Some("acme"), &["jobs:read"]).await;
    let begun = fleet.sign_in(&key, "", "/").await;
    fleet.browse(cookie(&begun), (Method::GET, "/v1/jobs"), None).await.ok();
    let revoke = fleet.request(Method::DELETE, &format!("/v1/keys/{id}"));
    Answer::of(revoke.send().await.unwrap()).await.ok();
    let after = fleet.browse(cookie(&begun), (Method::GET, "/v1/jobs"), None).await;
    after.problem(401, "key_revoked");
    assert_eq!(fleet.browse(cookie(&begun), (Method::GET, "/"), None).await.status, 303);
}

#[tokio::test]
async fn whoever_may_see_all_tenants_may_choose_one() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    fleet.submitted(&json!({})).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    fleet.post_by(&acme, "/v1/jobs", &spec(&json!({}))).await.ok();
    let total = async |tenant: &str| {
        let begun = fleet.sign_in(ADMIN_KEY, tenant, "/").await;
        let cookie = cookie(&begun).to_owned();
        fleet.browse(&cookie, (Method::GET, "/v1/counts"), None).await.ok()["total"].clone()
    };
    assert_eq!(
        (total("").await, total("acme").await, total("nobody").await),
        (json!(2), json!(1), json!(0))
    );
    let all = fleet.sign_in(ADMIN_KEY, "", "/").await;
    let page = fleet.browse(cookie(&all), (Method::GET, "/"), None).await.text();
    assert!(page.contains("acme · ") && page.contains("default · "), "{page}");
    assert_eq!(fleet.sign_in(&acme, "other", "/").await.status, 403);
}

#[tokio::test]
async fn whoever_has_signed_in_may_choose_another_tenant_or_all() {
    let fleet = Fleet::start_with_keys(|_| {}).await;
    fleet.submitted(&json!({})).await;
    let (_, acme) = fleet.new_key(Some("acme"), &["jobs:write"]).await;
    fleet.post_by(&acme, "/v1/jobs", &spec(&json!({}))).await.ok();
    let begun = fleet.sign_in(ADMIN_KEY, "acme", "/").await;
    let session = cookie(&begun);
    let choose = async |cookies: &str, tenant: &str, site: &str| {
        let request = fleet.client.post(format!("{}/tenant", fleet.base)).header("cookie", cookies);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.header("sec-fetch-site", site).body(format!("tenant={tenant}"));
        Answer::of(request.send().await.unwrap()).await
    };
    let total = async |cookies: &str| {
        fleet.browse(cookies, (Method::GET, "/v1/counts"), None).await.ok()["total"].clone()
    };
    assert_eq!(total(session).await, 1);
    let form = fleet.browse(session, (Method::GET, "/tenant"), None).await;
    assert!(form.text().contains("<option value=\"default\">"), "{}", form.text());
    for (tenant, jobs, shown) in [("", 2, "all tenants"), ("default", 1, "default")] {
        let chosen = choose(session, tenant, "same-origin").await;
        assert_eq!((chosen.status.as_u16(), chosen.header("location")), (303, Some("/")));
        let set = chosen.header("set-cookie").unwrap();
        assert!(set.contains("; HttpOnly; SameSite=Strict"), "{set}");
        let both = format!("{session}; {}", cookie(&chosen));
        assert_eq!(total(&both).await, jobs, "{set}");
        let page = fleet.browse(&both, (Method::GET, "/"), None).await.text();
        assert!(page.contains(&format!("<a href=\"/tenant\">{shown}</a>")), "{page}");
    }
    assert_eq!(choose(session, "No%20name", "same-origin").await.status, 400);
    choose(session, "acme", "cross-site").await.problem(403, "cross_site");
    let ended = fleet.browse(session, (Method::POST, "/sign-out"), Some("same-origin")).await;
    let mut forgotten = ended.headers.get_all("set-cookie").iter().map(|set| set.to_str().unwrap());
    assert!(forgotten.any(|set| set.starts_with("panofleet_tenant=;")), "{ended:?}");

    // It gives nobody anything that they have not.
    let begun = fleet.sign_in(&acme, "", "/").await;
    let session = cookie(&begun);
    assert_eq!(total(&format!("{session}; panofleet_tenant=default")).await, 1);
    let page = fleet.browse(session, (Method::GET, "/tenant"), None).await.text();
    assert!(page.contains("the jobs of tenant acme") && !page.contains("<form"), "{page}");
    assert_eq!(choose(session, "default", "same-origin").await.status, 403);
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_or_signed_in_from_elsewhere() {
    let fleet =
        Fleet::start_with_keys(|config| config.public_url = Some("https://f.example".into())).await;
    for next in ["https://evil.example", "//evil.example", "/\\evil.example"] {
        let begun = fleet.sign_in(ADMIN_KEY, "", next).await;
        assert_eq!(begun.header("location"), Some("/"), "{next}");
    }
    let begun = fleet.sign_in(ADMIN_KEY, "", "/").await;
    let set = begun.header("set-cookie").unwrap();
    assert!(set.starts_with("__Host-panofleet_session=") && set.ends_with("; Secure"), "{set}");
    let request = fleet.client.post(format!("{}/sign-in", fleet.base));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let foreign = request.body(format!("key={ADMIN_KEY}")).send().await.unwrap();
    assert_eq!((foreign.status().as_u16(), foreign.headers().get("set-cookie")), (403, None));
    let open = Fleet::start().await;
    let form = open.get("/sign-in?next=/failures").await;
    assert_eq!((form.status.as_u16(), form.header("location")), (303, Some("/failures")));
}
