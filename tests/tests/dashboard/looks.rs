//! Each page in a real browser, wide and as on a phone, light and dark: nothing in its console, nothing asked of others, nothing
//! beside the edge of a phone, nothing that keeps people out.

use crate::browser::Browser;
use crate::seed::Seed;
use crate::site::{OPERATOR, READER, SUPPORT, Site};

pub(crate) fn are_good(site: &Site, seed: &Seed, browser: &mut Browser) {
    let Seed { good, garbage, crashed, stuck, later, webhook, .. } = seed;
    let failure = site.sql.ask(&format!("SELECT failure FROM jobs WHERE id = '{}'", garbage[0]));
    let mut wrong = Vec::new();
    for (who, path, name) in [
        (SUPPORT, "/", "home"),
        (SUPPORT, "/overview", "overview"),
        (OPERATOR, "/overview", "overview-of-all"),
        (SUPPORT, "/?state=dead&label=file%3Ascan-0.jpg", "home-looked-for"),
        (OPERATOR, "/", "home-of-all"),
        (READER, "/", "home-of-reader"),
        (SUPPORT, &format!("/view/{good}"), "job-succeeded"),
        (SUPPORT, &format!("/view/{}", garbage[0]), "job-dead"),
        (SUPPORT, &format!("/view/{crashed}"), "job-crashed"),
        (SUPPORT, &format!("/view/{stuck}"), "job-running"),
        (SUPPORT, &format!("/view/{}", later[0]), "job-waiting"),
        (SUPPORT, "/failures", "failures"),
        (SUPPORT, &format!("/failures/{failure}"), "failure"),
        (SUPPORT, "/questions", "questions"),
        (SUPPORT, "/questions/retries-due?within=24h", "question-of-jobs"),
        (OPERATOR, "/questions/time-lost", "question-of-attempts"),
        (SUPPORT, "/questions/retry-forecast?within=24h", "question-of-times"),
        (OPERATOR, "/questions/failed-since-deploy", "question-of-deploy"),
        (OPERATOR, "/fleet", "fleet"),
        (SUPPORT, "/schedules", "schedules"),
        (OPERATOR, "/dead-letters", "dead-letters"),
        (OPERATOR, "/audit", "audit"),
        (OPERATOR, "/audit?action=job.cancel&within=24h", "audit-looked-for"),
        (OPERATOR, "/tenant", "tenant"),
        (SUPPORT, "/tenant", "tenant-of-one"),
        (SUPPORT, "/webhooks", "webhooks"),
        (SUPPORT, &format!("/webhooks/{webhook}"), "webhook"),
        (SUPPORT, "/api", "api"),
        (SUPPORT, "/sign-out", "sign-out"),
        ("nobody", "/sign-in", "sign-in"),
    ] {
        let found = browser.look(who, (path, name));
        wrong.extend(found.into_iter().map(|problem| format!("{path}, {who}: {problem}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
