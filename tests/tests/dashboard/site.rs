//! The fleet, and who looks at it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use panofleet_tests::api::Api;
use panofleet_tests::fleet::{ADMIN_KEY, Fleet, Roles};
use panofleet_tests::{processes, root};
use serde_json::{Value, json};

use crate::sql::Sql;

/// Long enough for a loaded machine, short enough to notice a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const ACME: &str = "acme-oslo";
pub(crate) const ZEBRA: &str = "zebra-lima";
/// The one whose key may read and write the jobs of [`ACME`]; its key is called like that too.
pub(crate) const SUPPORT: &str = "support-desk";
/// The one whose key may read them.
pub(crate) const READER: &str = "reader";
/// The one who has the key of the configuration, and looks at all tenants.
pub(crate) const OPERATOR: &str = "operator";

/// A retry waits for up to an hour, so that one can be looked at; a runner that stands still is left alone; no worker but the one
/// that is killed falls silent for as long as a lease, however busy the machine is.
const SETTINGS: [&str; 10] = [
    "api.auth=keys",
    "api.key_cache=200ms",
    "api.webhooks.networks=[\"127.0.0.0/8\"]",
    "worker.slots=2",
    "worker.video_slots=2",
    "worker.image_stall=15m",
    "policy.image_timeout=30m",
    "policy.lease=6s",
    "policy.backoff_base=1h",
    "policy.backoff_cap=1h",
];

/// A running fleet.
pub(crate) struct Site {
    pub(crate) fleet: Fleet,
    pub(crate) sql: Sql,
    /// Of [`ACME`], with all rights over its jobs.
    pub(crate) acme: Api,
    /// Of [`ZEBRA`].
    pub(crate) zebra: Api,
    /// Of all tenants.
    pub(crate) operator: Api,
    /// Who looks at pages: their name, their key, and for which tenant they sign in.
    pub(crate) people: Vec<(&'static str, String, &'static str)>,
}

impl Site {
    /// Two regions, two workers in the first and one in the second.
    pub(crate) async fn start() -> Self {
        let admin_key = format!("api.admin_key={ADMIN_KEY}");
        let settings = [SETTINGS.as_slice(), &[&admin_key]].concat();
        let roles = Roles {
            workers: 2,
            workers_abroad: 1,
            dispatchers: 1,
            api_only: true,
            ..Roles::default()
        };
        let fleet = Fleet::of_roles(&roles, &settings).await;
        let sql = Sql::new(fleet.database.clone().unwrap());
        let operator = fleet.api.with_key(ADMIN_KEY);
        let support = key(&operator, SUPPORT, ACME, &["jobs:read", "jobs:write"]).await;
        let reader = key(&operator, READER, ACME, &["jobs:read"]).await;
        let zebra = key(&operator, "all", ZEBRA, &["jobs:write"]).await;
        let (acme, zebra) = (fleet.api.with_key(&support), fleet.api.with_key(&zebra));
        let people = vec![
            (SUPPORT, support, ""),
            (READER, reader, ""),
            (OPERATOR, ADMIN_KEY.to_owned(), ""),
        ];
        Self { fleet, sql, acme, zebra, operator, people }
    }

    /// What a command says to somebody with the key of the configuration.
    #[expect(clippy::disallowed_methods, reason = "the test is a person at a terminal")]
    pub(crate) fn panofleet(&self, arguments: &[&str]) -> String {
        let output = Command::new(processes::program("panofleet"))
            .args(["--api", &self.fleet.api.url])
            .args(arguments)
            .env("PANOFLEET_API_KEY", ADMIN_KEY)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        said
    }
}

async fn key(operator: &Api, name: &str, tenant: &str, scopes: &[&str]) -> String {
    let asked = json!({ "name": name, "tenant": tenant, "scopes": scopes });
    let made: Value = operator.post("/v1/keys", &asked).await.unwrap();
    made["secret"].as_str().unwrap().to_owned()
}

/// Where the browser's script and its packages are.
pub(crate) fn browser_script() -> PathBuf {
    let folder = root().join("tests/browser");
    let axe = folder.join("node_modules/axe-core");
    assert!(axe.is_dir(), "{} is missing; ./dev test brings it", axe.display());
    folder.join("dashboard.mjs")
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = root().join("fixtures").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
