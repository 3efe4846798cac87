//! The pages and `panofleet top` on a fleet that has had its failures: what they say is what PostgreSQL's rows say, by queries of
//! this test's own; what their buttons and keys promise is what happens; and they are fit to be looked at.
//!
//! | you look for | file |
//! |---|---|
//! | the fleet, who looks at it, what went wrong in it | `site.rs`, `seed.rs`, `receiver.rs` |
//! | what the rows say | `sql.rs` |
//! | the browser | `browser.rs`, `tests/browser/dashboard.mjs` |
//! | numbers of pages, of the API, and of `panofleet top --once` | `numbers.rs`, `queues.rs`, `questions.rs`, `once.rs` |
//! | how each page looks | `looks.rs` |
//! | buttons, and who has none | `buttons.rs`, `roles.rs` |
//! | keys of `panofleet top` | `terminal.rs`, `keys.rs` |
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod browser;
mod buttons;
mod keys;
mod looks;
mod numbers;
mod once;
mod questions;
mod queues;
mod receiver;
mod roles;
mod seed;
mod site;
mod sql;
mod terminal;

use browser::Browser;
use site::Site;

/// One fleet for all of it: what went wrong takes longer to come about than to be looked at.
#[tokio::test(flavor = "multi_thread")]
async fn pages_and_top_say_what_is_so_and_do_what_they_promise() {
    let mut site = Site::start().await;
    let seed = seed::seed(&mut site).await;
    let mut browser = Browser::start(&site);
    numbers::are_those_of_the_rows(&site, &seed, &mut browser);
    queues::are_those_of_the_rows(&site, &mut browser).await;
    queues::overviews_are_those_of_the_rows(&site, &mut browser).await;
    questions::are_answered_by_the_rows(&site, &mut browser).await;
    once::says_what_the_rows_say(&site);
    looks::are_good(&site, &seed, &mut browser);
    roles::decide_who_may(&site, &seed, &mut browser);
    keys::do_what_they_say(&site, &seed).await;
    buttons::do_what_they_say(&site, &seed, &mut browser).await;
}
