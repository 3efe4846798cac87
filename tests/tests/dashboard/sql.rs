//! What PostgreSQL's rows say, asked by the server's own tool: none of the product's queries or types is in between.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, Instant};

use panofleet_test_servers::PostgresServer;

/// Pages may show a count that was kept for half a minute.
const PATIENCE: Duration = Duration::from_secs(45);

/// The job database of the fleet.
pub(crate) struct Sql(String);

impl Sql {
    pub(crate) const fn new(url: String) -> Self {
        Self(url)
    }

    pub(crate) fn ask(&self, query: &str) -> String {
        PostgresServer::shared().query(&self.0, query)
    }

    pub(crate) fn number(&self, query: &str) -> u64 {
        self.ask(query).parse().unwrap_or_else(|why| panic!("{query}: {why}"))
    }

    /// Rows of columns, none of which has a `|` in it.
    pub(crate) fn rows(&self, query: &str) -> Vec<Vec<String>> {
        let text = self.ask(query);
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    }

    /// Numbers by what the first column says.
    pub(crate) fn counts(&self, query: &str) -> BTreeMap<String, u64> {
        let pair = |row: Vec<String>| (row[0].clone(), row[1].parse().unwrap());
        self.rows(query).into_iter().map(pair).collect()
    }

    /// The first column of each row, in an order of its own.
    pub(crate) fn names(&self, query: &str) -> Vec<String> {
        let mut names: Vec<String> =
            self.rows(query).into_iter().map(|row| row[0].clone()).collect();
        names.sort_unstable();
        names
    }
}

/// Looks at both sides until they are the same: each look takes its time, and a kept count is anew in the end.
#[track_caller]
pub(crate) fn agree<T: PartialEq + Debug>(
    what: &str,
    mut shown: impl FnMut() -> T,
    expected: impl Fn() -> T,
) {
    let begun = Instant::now();
    loop {
        let (shown, expected) = (shown(), expected());
        if shown == expected {
            return;
        }
        let is_over = begun.elapsed() > PATIENCE;
        assert!(!is_over, "{what}\n  shown: {shown:?}\n  rows:  {expected:?}");
    }
}
