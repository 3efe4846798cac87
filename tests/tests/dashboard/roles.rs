//! Whoever may only read has no button, and a call that is made by hand is refused.

use serde_json::json;

use crate::browser::Browser;
use crate::seed::Seed;
use crate::site::{READER, SUPPORT, Site};

pub(crate) fn decide_who_may(site: &Site, seed: &Seed, browser: &mut Browser) {
    let Seed { good, garbage, crashed, later, webhook, delivery, .. } = seed;
    let failure = site.sql.ask(&format!("SELECT failure FROM jobs WHERE id = '{}'", garbage[0]));
    for path in [
        "/",
        "/?state=dead",
        &format!("/view/{good}"),
        &format!("/view/{}", garbage[0]),
        &format!("/view/{crashed}"),
        &format!("/view/{}", later[0]),
        "/failures",
        &format!("/failures/{failure}"),
        "/questions/retries-due?within=24h",
        "/questions/stuck?within=2s",
        "/schedules",
        &format!("/webhooks/{webhook}"),
    ] {
        let page = browser.read(READER, path);
        assert_eq!((page.status, page.buttons), (200, Vec::new()), "{path}");
        let other = browser.read(SUPPORT, path);
        let shows_none = ["/", "/failures"].contains(&path);
        assert_eq!(other.buttons.is_empty(), shows_none, "{path}: {:?}", other.buttons);
        assert_eq!(
            page.nav,
            ["Jobs", "Overview", "Failures", "Questions", "Schedules", "Webhooks", "API"]
        );
    }
    for path in ["/fleet", "/dead-letters", "/audit"] {
        assert_eq!(browser.read(SUPPORT, path).status, 403, "{path}");
    }
    let job = &garbage[0];
    let bulk = json!({ "action": "retry", "filter": { "states": ["dead"] } });
    let calls = [
        ("POST", format!("/v1/jobs/{job}/retry"), None),
        ("POST", format!("/v1/jobs/{crashed}/cancel"), None),
        ("PATCH", format!("/v1/jobs/{}", later[0]), Some(json!({ "priority": "high" }))),
        ("DELETE", format!("/v1/jobs/{job}"), None),
        ("POST", "/v1/bulk".to_owned(), Some(bulk)),
        ("POST", "/v1/schedules/nightly/pause".to_owned(), None),
        ("POST", format!("/v1/webhooks/{webhook}/replay"), Some(json!({ "delivery": delivery }))),
        ("PUT", "/v1/workers/worker-1/drain".to_owned(), Some(json!({ "reason": "" }))),
        ("PUT", "/v1/pauses/lane/lanzhou.image".to_owned(), Some(json!({ "reason": "" }))),
        ("DELETE", "/v1/pauses/lane/hangzhou.image".to_owned(), None),
        ("POST", "/v1/dead-letters/1/replay".to_owned(), None),
    ];
    let before = state(site);
    let orders = calls
        .each_ref()
        .map(|(method, path, body)| json!({ "method": method, "path": path, "body": body }));
    assert_eq!(browser.send(READER, &orders), [403; 11]);
    assert_eq!(state(site), before, "nothing has changed");
    let refused = format!(
        "SELECT count(*) FROM audit WHERE doc::json->'actor'->>'name' = '{READER}' AND doc::json->>'status' = '403'"
    );
    assert_eq!(site.sql.number(&refused), 11, "the audit log has each of them");
}

/// What such calls would change.
fn state(site: &Site) -> String {
    site.sql.ask(
        "SELECT (SELECT string_agg(id || state || band || (doc::json->>'generation'), ',' ORDER BY id) FROM jobs), \
         (SELECT count(*) FROM deletions), (SELECT count(*) FROM bulks), (SELECT count(*) FROM replays), \
         (SELECT count(*) FROM pauses), (SELECT count(*) FROM worker_orders WHERE draining), \
         (SELECT string_agg(name || version, ',' ORDER BY name) FROM schedules)",
    )
}
