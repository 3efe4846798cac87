//! A browser that does what it is told: `tests/browser/dashboard.mjs`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::site::{Site, browser_script};

/// Where pictures of every page go, if somebody wants to look at them.
const PICTURES: &str = "PANOFLEET_PAGE_PICTURES";

/// A running browser. It is ended when it is dropped.
pub(crate) struct Browser {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a page shows.
#[derive(Debug, Deserialize)]
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) heading: String,
    /// The pages that it leads to.
    pub(crate) nav: Vec<String>,
    /// Jobs by state: `3 dead`.
    pub(crate) counts: Vec<String>,
    /// What is on fire.
    pub(crate) notes: Vec<String>,
    /// States beside the heading.
    pub(crate) badges: Vec<String>,
    pub(crate) summaries: Vec<String>,
    pub(crate) tables: Vec<Table>,
    /// Buttons that call the API.
    pub(crate) buttons: Vec<String>,
    pub(crate) text: String,
}

/// A table of a page.
#[derive(Debug, Deserialize)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// A row of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Row {
    pub(crate) cells: Vec<String>,
    pub(crate) links: Vec<String>,
    pub(crate) labels: Vec<String>,
}

/// What came of a button.
#[derive(Debug, Deserialize)]
pub(crate) struct Pressed {
    /// The questions before anything was done, all answered with yes.
    pub(crate) asked: Vec<String>,
    /// The calls of the API: `POST /v1/jobs/…/retry`.
    pub(crate) calls: Vec<String>,
    /// What the last of them said, if the page was there to hear it.
    #[serde(default)]
    pub(crate) answer: Value,
    /// The page that is shown then.
    pub(crate) at: String,
}

impl Shown {
    /// The cells of a column of the first table.
    pub(crate) fn column(&self, head: &str) -> Vec<&str> {
        let table = &self.tables[0];
        let place = table.head.iter().position(|name| name == head);
        let place = place.unwrap_or_else(|| panic!("no column {head}: {:?}", table.head));
        table.rows.iter().map(|row| row.cells[place].as_str()).collect()
    }

    /// How many rows the first table has, if there is one.
    pub(crate) fn rows(&self) -> u64 {
        self.tables.first().map_or(0, |table| table.rows.len()) as u64
    }
}

impl Browser {
    /// Starts it, and has everybody sign in.
    #[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
    pub(crate) fn start(site: &Site) -> Self {
        let pictures = std::env::var(PICTURES).ok();
        let mut child = Command::new("node")
            .arg(browser_script())
            .arg(&site.fleet.api.url)
            .args(pictures)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is there; ./dev test brings it and the browser");
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut browser = Self { child, orders, answers };
        for (who, key, tenant) in &site.people {
            let sign_in = json!({ "key": key, "tenant": tenant });
            let _: Value = browser.order(&json!({ "who": who, "sign_in": sign_in }));
        }
        browser
    }

    fn order<T: DeserializeOwned>(&mut self, order: &Value) -> T {
        writeln!(self.orders, "{order}").expect("the browser listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|_| panic!("{order}: the browser said: {line}"));
        assert!(answer.get("failed").is_none(), "{order}: {answer}");
        serde_json::from_value(answer.clone())
            .unwrap_or_else(|why| panic!("{order}: {why}: {answer}"))
    }

    /// Opens a page.
    pub(crate) fn read(&mut self, who: &str, path: &str) -> Shown {
        self.order(&json!({ "who": who, "read": path }))
    }

    /// What is wrong with how a page looks; pictures of it are called `name`.
    pub(crate) fn look(&mut self, who: &str, (path, name): (&str, &str)) -> Vec<String> {
        let mut answer: Value = self.order(&json!({ "who": who, "look": path, "name": name }));
        serde_json::from_value(answer["problems"].take()).unwrap()
    }

    /// Presses a button of a page, in the row that has these words if there are any.
    pub(crate) fn press(&mut self, who: &str, (on, row, button): (&str, &str, &str)) -> Pressed {
        let press = json!({ "on": on, "row": row, "button": button });
        self.order(&json!({ "who": who, "press": press }))
    }

    /// The statuses of calls that are made by hand, from a page.
    pub(crate) fn send(&mut self, who: &str, calls: &[Value]) -> Vec<u16> {
        let send = json!({ "from": "/", "calls": calls });
        let mut answer: Value = self.order(&json!({ "who": who, "send": send }));
        serde_json::from_value(answer["statuses"].take()).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
