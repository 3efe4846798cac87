//! Every button of the pages, pressed in the browser: what it asks first, what the rows say afterwards, and whom the audit log
//! names.

use panofleet_tests::eventually;
use serde_json::Value;

use crate::browser::{Browser, Pressed};
use crate::seed::{Seed, until};
use crate::site::{ACME, OPERATOR, PATIENCE, SUPPORT, Site};

pub(crate) async fn do_what_they_say(site: &Site, seed: &Seed, browser: &mut Browser) {
    let mut desk = Desk { site, browser };
    desk.one_job(seed).await;
    desk.all_that_match(seed).await;
    desk.a_kind_of_failure(seed).await;
    desk.an_answer(seed).await;
    desk.webhooks(seed).await;
    desk.schedules().await;
    desk.workers().await;
    desk.lanes(seed).await;
    desk.dead_letters(seed).await;
}

/// Somebody at the pages.
struct Desk<'a> {
    site: &'a Site,
    browser: &'a mut Browser,
}

impl Desk<'_> {
    /// Presses a button; it is done, and the audit log says who has done it to what.
    async fn press(
        &mut self,
        who: &str,
        button: (&str, &str, &str),
        (action, subject): (&str, &str),
    ) -> Pressed {
        let entries = format!(
            "SELECT count(*) FROM audit WHERE action = '{action}' AND doc::json->>'outcome' = 'done' \
             AND subject LIKE '%{subject}%' AND {}",
            by(who)
        );
        let before = self.site.sql.number(&entries);
        let pressed = self.browser.press(who, button);
        assert!(!pressed.calls.is_empty(), "{button:?}: {pressed:?}");
        until(self.site, &entries, before + 1).await;
        pressed
    }

    async fn job_is(&self, job: &str, what: &str) {
        until(self.site, &format!("SELECT count(*) FROM jobs WHERE id = '{job}' AND {what}"), 1)
            .await;
    }

    /// Of one job: run again, another band, cancel, run now, delete.
    async fn one_job(&mut self, seed: &Seed) {
        let dead = seed.garbage[0].to_string();
        let page = format!("/view/{dead}");
        let pressed = self.press(SUPPORT, (&page, "", "Run again"), ("job.retry", &dead)).await;
        assert_eq!((pressed.asked.len(), pressed.at), (0, page));
        self.job_is(&dead, "doc::json->>'generation' = '2' AND state = 'dead'").await;

        let good = seed.good.to_string();
        let again = (&*format!("/view/{good}"), "", "Run again");
        let pressed = self.press(SUPPORT, again, ("job.retry", &good)).await;
        assert_eq!(pressed.asked, ["It has a result. Run it once more?"]);
        self.job_is(&good, "doc::json->>'generation' = '2' AND state = 'succeeded'").await;

        let [later, other] = seed.later.map(|id| id.to_string());
        let high = (&*format!("/view/{later}"), "", "Move to high");
        let pressed = self.press(SUPPORT, high, ("job.reprioritise", &later)).await;
        assert_eq!(
            (pressed.asked.len(), pressed.calls),
            (0, vec![format!("PATCH /v1/jobs/{later}")])
        );
        self.job_is(&later, "band = 0 AND doc::json->'spec'->>'priority' = 'high'").await;

        let cancel = (&*format!("/view/{later}"), "", "Cancel");
        let pressed = self.press(SUPPORT, cancel, ("job.cancel", &later)).await;
        assert_eq!(pressed.asked, ["End this job without a result?"]);
        self.job_is(&later, "state = 'cancelled'").await;

        let now = (&*format!("/view/{other}"), "", "Run now");
        let pressed = self.press(SUPPORT, now, ("job.retry", &other)).await;
        assert!(pressed.asked.is_empty());
        self.job_is(&other, "state = 'queued' AND doc::json->>'generation' = '1'").await;
        let low = (&*format!("/view/{other}"), "", "Move to low");
        self.press(SUPPORT, low, ("job.reprioritise", &other)).await;
        self.job_is(&other, "band = 2").await;

        let delete = (&*format!("/view/{other}"), "", "Delete");
        let pressed = self.press(SUPPORT, delete, ("job.delete", &other)).await;
        assert!(pressed.asked.len() == 1 && pressed.asked[0].contains("Nobody can undo this"));
        let gone = format!(
            "SELECT count(*) FROM deletions WHERE job = '{other}' AND gone_at IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM jobs WHERE id = '{other}') \
             AND NOT EXISTS (SELECT 1 FROM history WHERE job = '{other}')"
        );
        until(self.site, &gone, 1).await;
    }

    /// What is looked for: counted first, then done to each, and to nothing else.
    async fn all_that_match(&mut self, seed: &Seed) {
        let [first, ..] = seed.queued.map(|id| id.to_string());
        let page = "/?state=queued&label=album%3Aqueued";
        let matched = "SELECT count(*) FROM jobs JOIN labels ON labels.job = id \
            WHERE state = 'queued' AND key = 'album' AND value = 'queued' AND tenant = 'acme-oslo'";
        let jobs = self.site.sql.number(matched);
        assert_eq!(jobs, 3);
        self.bulk(
            (page, "", "Move to high"),
            &format!("Let {jobs} jobs go before those of other bands?"),
            jobs,
        )
        .await;
        self.job_is(&first, "band = 0").await;
        assert_eq!(
            self.site.sql.number("SELECT count(*) FROM jobs WHERE band = 0 AND state = 'queued'"),
            jobs
        );
        self.bulk((page, "", "Cancel"), &format!("End {jobs} jobs without a result?"), jobs).await;
        until(self.site, matched, 0).await;
        let left = "SELECT count(*) FROM jobs WHERE state = 'queued'";
        assert_eq!(self.site.sql.number(left), 1, "the other tenant's waits on");
        let page = "/?label=album%3Aqueued";
        let asked = format!(
            "Delete {jobs} jobs with outputs, uploads and all that is known of them? Nobody can undo this."
        );
        self.bulk((page, "", "Delete"), &asked, jobs).await;
        let gone = format!("SELECT count(*) FROM jobs WHERE id = '{first}'");
        until(self.site, &gone, 0).await;
    }

    /// A button for many: what it asks has the count of a dry run, and its page follows it to its end.
    async fn bulk(&mut self, button: (&str, &str, &str), asked: &str, jobs: u64) {
        let pressed = self.press(SUPPORT, button, ("bulk.begin", "")).await;
        assert_eq!(pressed.asked, [asked]);
        let id = pressed.answer["id"].as_str().unwrap();
        assert_eq!(
            (&pressed.answer["matched"], &*pressed.at),
            (&jobs.into(), &*format!("/bulk/{id}"))
        );
        let done = format!(
            "SELECT count(*) FROM bulks WHERE id = '{id}' AND ended_at IS NOT NULL AND tenant = '{ACME}' \
             AND doc::json->>'matched' = '{jobs}' AND doc::json->>'done' = '{jobs}'"
        );
        until(self.site, &done, 1).await;
        let page = self.browser.read(SUPPORT, &format!("/bulk/{id}"));
        assert!(
            page.heading.ends_with("done") && page.text.contains(&format!("{jobs} jobs")),
            "{}",
            page.text
        );
    }

    /// All jobs of one failure.
    async fn a_kind_of_failure(&mut self, seed: &Seed) {
        let [first, second, third] = seed.garbage.map(|id| id.to_string());
        let failure = self.site.sql.ask(&format!("SELECT failure FROM jobs WHERE id = '{second}'"));
        let jobs = self.site.sql.number(&format!(
            "SELECT count(*) FROM jobs WHERE failure = '{failure}' AND state IN ('dead', 'expired') AND tenant = '{ACME}'"
        ));
        assert_eq!(jobs, 3);
        let button = (&*format!("/failures/{failure}"), "", "Start 3 jobs anew");
        self.bulk(button, "Start 3 jobs anew?", jobs).await;
        for (job, generation) in [(first, 3), (second, 2), (third, 2)] {
            let again = format!("doc::json->>'generation' = '{generation}' AND state = 'dead'");
            self.job_is(&job, &again).await;
        }
        let others = format!(
            "SELECT max((doc::json->>'generation')::int) FROM jobs WHERE failure = '{failure}' AND tenant <> '{ACME}'"
        );
        assert_eq!(self.site.sql.number(&others), 1, "the other tenant's are not started");
    }

    /// What makes no progress is cancelled where it is asked about.
    async fn an_answer(&mut self, seed: &Seed) {
        let stuck = seed.stuck.to_string();
        let button = ("/questions/stuck?within=2s", &*stuck, "Cancel");
        let pressed = self.press(SUPPORT, button, ("job.cancel", &stuck)).await;
        assert_eq!(pressed.asked, ["Cancel this job?"]);
        self.job_is(&stuck, "state = 'cancelled'").await;
        let told = format!(
            "SELECT doc::json->>'reason' FROM history WHERE job = '{stuck}' AND progress IS NOT NULL"
        );
        assert_eq!(self.site.sql.ask(&told), "cancel_requested", "how far it was");
    }

    /// What was given up is sent again, alone and with all others, once the receiver takes it.
    async fn webhooks(&mut self, seed: &Seed) {
        let Seed { webhook, delivery, receiver, .. } = seed;
        let page = format!("/webhooks/{webhook}");
        let failed = format!(
            "SELECT count(*) FROM deliveries WHERE webhook = '{webhook}' AND due_at IS NULL AND NOT delivered"
        );
        let delivered =
            format!("SELECT count(*) FROM deliveries WHERE id = '{delivery}' AND delivered");
        receiver.answer_with(204);
        let pressed =
            self.press(SUPPORT, (&page, "failed", "Send again"), ("webhook.replay", webhook)).await;
        assert_eq!(pressed.answer["replayed"], 1);
        until(self.site, &delivered, 1).await;

        receiver.answer_with(410);
        let pressed =
            self.press(SUPPORT, (&page, "", "Send a test"), ("webhook.test", webhook)).await;
        assert!(pressed.asked.is_empty());
        until(self.site, "SELECT count(*) FROM webhooks WHERE NOT enabled", 1).await;
        let gone = self.browser.read(SUPPORT, &page);
        assert!(gone.text.contains("its receiver answered 410"), "{}", gone.text);

        receiver.answer_with(204);
        let enable = serde_json::json!({ "enabled": true });
        self.site.acme.patch(&format!("/v1/webhooks/{webhook}"), &enable).await.unwrap();
        let before = eventually("something failed", PATIENCE, async || {
            Some(self.site.sql.number(&failed)).filter(|failed| *failed > 0)
        })
        .await;
        let all = (&*page, "", "Send all that failed again");
        let pressed = self.press(SUPPORT, all, ("webhook.replay", webhook)).await;
        assert_eq!(pressed.answer["replayed"], before);
        until(self.site, &failed, 0).await;
    }

    async fn schedules(&mut self) {
        let stands = "SELECT (doc::json->>'paused') || ' ' || (next_at IS NULL) FROM schedules WHERE name = 'nightly'";
        self.press(SUPPORT, ("/schedules", "nightly", "Pause"), ("schedule.pause", "nightly"))
            .await;
        assert_eq!(self.site.sql.ask(stands), "true true");
        self.press(SUPPORT, ("/schedules", "nightly", "Resume"), ("schedule.resume", "nightly"))
            .await;
        assert_eq!(self.site.sql.ask(stands), "false false");
        let other = "SELECT doc::json->>'paused' FROM schedules WHERE name = 'weekly'";
        assert_eq!(self.site.sql.ask(other), "false");
    }

    /// A worker finishes what it has, says so itself, and takes jobs again.
    async fn workers(&mut self) {
        let told = |draining: bool| {
            format!(
                "SELECT count(*) FROM worker_orders JOIN workers USING (worker) WHERE worker = 'worker-1' \
                 AND draining = {draining} AND workers.doc::json->>'draining' = '{draining}'"
            )
        };
        let drain = ("/fleet", "worker-1", "Drain");
        let pressed = self.press(OPERATOR, drain, ("worker.drain", "worker-1")).await;
        assert_eq!(pressed.asked, ["Have worker-1 finish what it has, and take no more?"]);
        until(self.site, &told(true), 1).await;
        let page = self.browser.read(OPERATOR, "/fleet");
        assert!(page.text.contains("draining"), "{}", page.text);
        let again = ("/fleet", "worker-1", "Take jobs again");
        self.press(OPERATOR, again, ("worker.undrain", "worker-1")).await;
        until(self.site, &told(false), 1).await;
    }

    /// Nothing is sent to a lane, and then all that waits.
    async fn lanes(&mut self, seed: &Seed) {
        let paused = "SELECT count(*) FROM pauses WHERE name = 'lanzhou.video'";
        let pause = ("/fleet", "lanzhouvideo", "Pause");
        let pressed = self.press(OPERATOR, pause, ("pause.begin", "lanzhou.video")).await;
        assert_eq!(pressed.asked, ["Send nothing more to lanzhou.video?"]);
        assert_eq!(self.site.sql.number(paused), 1);
        let resume = ("/fleet", "lanzhou.video was paused", "Resume");
        self.press(OPERATOR, resume, ("pause.end", "lanzhou.video")).await;
        assert_eq!(self.site.sql.number(paused), 0);

        // It goes again, and waits behind the pause.
        let [first, second, _] = seed.long;
        let running = format!(
            "SELECT id FROM jobs WHERE id IN ('{first}', '{second}') AND state = 'running' LIMIT 1"
        );
        let long = self.site.sql.ask(&running);
        let release = (&*format!("/view/{long}"), "", "Release");
        let pressed = self.press(SUPPORT, release, ("job.release", &long)).await;
        assert!(pressed.asked.len() == 1 && pressed.asked[0].contains("from the start"));
        let let_go = "state = 'queued' AND doc::json->'counters'->>'releases' = '1' \
            AND doc::json->'counters'->>'charged' = '0'";
        self.job_is(&long, let_go).await;
        // What held the lane's slots makes room.
        for id in &seed.long[..2] {
            drop(self.site.acme.cancel(*id).await);
        }
        let resume = ("/fleet", "hangzhou.image was paused", "Resume");
        self.press(OPERATOR, resume, ("pause.end", "hangzhou.image")).await;
        until(self.site, "SELECT count(*) FROM jobs WHERE state IN ('queued', 'sent')", 0).await;
    }

    /// A record goes back where it came from. Nobody can read it now either, so it is set aside once more.
    async fn dead_letters(&mut self, seed: &Seed) {
        let back = ("/dead-letters", "this is no event", "Put back");
        let pressed = self.press(OPERATOR, back, ("dead_letter.replay", "")).await;
        assert_eq!(pressed.asked, ["Put it back where it came from?"]);
        let gone = "SELECT count(*) FROM replays WHERE ended_at IS NOT NULL AND failure IS NULL";
        until(self.site, gone, 1).await;
        eventually("it is set aside again", PATIENCE, async || {
            let list: Value = self.site.operator.get("/v1/dead-letters").await.ok()?;
            (list["letters"].as_array()?.len() == seed.letters + 1).then_some(())
        })
        .await;
        let page = self.browser.read(OPERATOR, "/dead-letters");
        assert_eq!(page.rows(), seed.letters as u64 + 1);
        assert!(page.text.contains("went back"), "{}", page.text);
    }
}

/// How the audit log tells somebody from others.
fn by(who: &str) -> String {
    match who {
        OPERATOR => "doc::json->'actor'->>'kind' = 'admin_key'".to_owned(),
        name => format!("doc::json->'actor'->>'name' = '{name}'"),
    }
}
