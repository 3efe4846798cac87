//! The layers of the configuration, and what they make together.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};
use serde::Serialize;
use toml::{Table, Value};

use super::Config;

/// Variables of the environment that set something begin with this.
const PREFIX: &str = "PANOFLEET__";

/// Where values came from, by path.
type Origins = BTreeMap<String, String>;

/// A configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub(crate) struct Layered {
    /// The result.
    pub(crate) config: Config,
    /// Each of its values by path; secrets are not shown.
    pub(crate) settings: BTreeMap<String, Setting>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Setting {
    /// The value.
    pub(crate) value: Value,
    /// Where it came from.
    pub(crate) origin: String,
}

/// Where the layers come from; the caller reads the environment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources<'a> {
    /// The file, if there is one.
    pub(crate) file: Option<&'a Path>,
    /// The environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// `path=value`, in order.
    pub(crate) flags: &'a [String],
}

/// Merges the layers and checks the result.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Layered> {
    let (mut layers, mut origins) = (Table::new(), Origins::new());
    if let Some(path) = sources.file {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
        let layer: Table = text.parse().with_context(|| format!("{shown} is not TOML"))?;
        note(&mut origins, "", &layer, &format!("file {shown}"));
        merge(&mut layers, layer);
    }
    for (name, text) in &sources.environment {
        if let Some(path) = name.strip_prefix(PREFIX) {
            let path = path.to_lowercase().replace("__", ".");
            set(&mut layers, &mut origins, (&path, text), &format!("environment {name}"))?;
        }
    }
    for flag in sources.flags {
        let (path, text) = flag.split_once('=').ok_or_else(|| {
            anyhow!("--set {flag} needs the form path=value, such as policy.lease=30s")
        })?;
        set(&mut layers, &mut origins, (path, text), "flag")?;
    }
    let mut table = defaults(layers.contains_key("fleet"))?;
    merge(&mut table, layers);
    let config: Config = table.try_into().context("the configuration does not fit")?;
    config.check()?;
    let mut settings = BTreeMap::new();
    list(&mut settings, "", &Table::try_from(&config)?, &origins);
    Ok(Layered { config, settings })
}

/// The layer below all others. Which regions a fleet has, nobody can guess.
fn defaults(of_a_fleet: bool) -> Result<Table> {
    let config = if of_a_fleet { Config::of_a_fleet() } else { Config::of_one_process() };
    let mut table = Table::try_from(config).context("the defaults cannot be written as TOML")?;
    if of_a_fleet && let Some(Value::Table(api)) = table.get_mut("api") {
        api.remove("regions");
        api.remove("default_region");
    }
    Ok(table)
}

/// Lays one table over another; a value takes the place of a value or a whole table.
fn merge(below: &mut Table, above: Table) {
    for (key, value) in above {
        match (below.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                below.insert(key, value);
            }
        }
    }
}

fn set(
    table: &mut Table,
    origins: &mut Origins,
    (path, text): (&str, &str),
    origin: &str,
) -> Result<()> {
    let value = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let layer = path
        .rsplit('.')
        .fold(value, |inner, key| Value::Table(Table::from_iter([(key.to_owned(), inner)])));
    let Value::Table(layer) = layer else { bail!("{origin}: no setting is named") };
    note(origins, "", &layer, origin);
    merge(table, layer);
    Ok(())
}

/// Notes the origin of every value of a layer.
fn note(origins: &mut Origins, below: &str, layer: &Table, origin: &str) {
    for (key, value) in layer {
        let path = if below.is_empty() { key.clone() } else { format!("{below}.{key}") };
        match value {
            Value::Table(layer) => note(origins, &path, layer, origin),
            _ => {
                origins.insert(path, origin.to_owned());
            }
        }
    }
}

/// Lists every value with its origin.
fn list(settings: &mut BTreeMap<String, Setting>, below: &str, table: &Table, origins: &Origins) {
    for (key, value) in table {
        let path = if below.is_empty() { key.clone() } else { format!("{below}.{key}") };
        match value {
            Value::Table(table) => list(settings, &path, table, origins),
            value => {
                let origin = origins.get(&path).map_or("default", String::as_str).to_owned();
                settings.insert(path, Setting { value: value.clone(), origin });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use panofleet_job_schema::Span;

    use super::*;

    fn environment(variables: &[(&str, &str)]) -> BTreeMap<String, String> {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn flags_go_before_the_environment_and_that_before_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("panofleet.toml");
        std::fs::write(
            &file,
            "[policy]\nlease = \"90s\"\nheartbeat = \"20s\"\n[worker]\nslots = 3\n",
        )
        .unwrap();
        let flags = ["policy.heartbeat=15s".to_owned(), "api.listen=127.0.0.1:0".to_owned()];
        let sources = Sources {
            file: Some(&file),
            environment: environment(&[("PANOFLEET__POLICY__LEASE", "80s"), ("HOME", "/")]),
            flags: &flags,
        };
        let loaded = load(&sources).unwrap();
        assert_eq!(loaded.config.policy.lease, Span::from_secs(80));
        assert_eq!(loaded.config.policy.heartbeat, Span::from_secs(15));
        assert_eq!(loaded.config.worker.slots.map(NonZeroU32::get), Some(3));
        assert_eq!(loaded.config.api.listen.port(), 0);
        let origin = |path: &str| loaded.settings[path].origin.clone();
        assert_eq!(origin("policy.lease"), "environment PANOFLEET__POLICY__LEASE");
        assert_eq!(origin("policy.heartbeat"), "flag");
        assert!(origin("worker.slots").starts_with("file "));
        assert_eq!(origin("policy.deadline"), "default");
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let refusal = |flag: &str| {
            let flags = [flag.to_owned()];
            let refused = load(&Sources { flags: &flags, ..Sources::default() }).unwrap_err();
            format!("{refused:#}")
        };
        for (flag, expected) in [
            ("policy.laese=3s", "laese"),
            ("policy.lease=5s", "policy.lease"),
            ("policy.lease=soon", "`soon`"),
            ("worker.slots=0", "slots"),
            ("worker.region=mars", "mars"),
            ("policy", "path=value"),
        ] {
            let said = refusal(flag);
            assert!(said.contains(expected), "{flag}: {said}");
        }
    }

    const FLEET: &str = r#"
        [fleet.postgres]
        url = "postgres://me:hunter2@db.example.org/panofleet"
        [fleet.objects]
        endpoint = "https://s3.example.org"
        access_key = "me"
        secret_key = "hunter2"
        [fleet.signing.hangzhou]
        key = "hangzhou-2"
        [fleet.signing.hangzhou.keys]
        hangzhou-1 = "0101010101010101010101010101010101010101010101010101010101010101"
        hangzhou-2 = "6868686868686868686868686868686868686868686868686868686868686868"
        [api]
        default_region = "hangzhou"
        regions.hangzhou.bucket = "panofleet"
        [worker]
        region = "hangzhou"
    "#;

    fn load_text(text: &str, flags: &[&str]) -> Result<Layered> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("panofleet.toml");
        std::fs::write(&file, text).unwrap();
        let flags: Vec<_> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        load(&Sources { file: Some(&file), flags: &flags, ..Sources::default() })
    }

    #[test]
    fn a_fleet_is_patient_and_shows_no_secret() {
        let admin_key = format!("api.admin_key={}", "hunter2".repeat(9));
        let loaded = load_text(FLEET, &["client.key=hunter2", &admin_key]).unwrap();
        assert_eq!(loaded.config.policy.lease, Span::from_secs(60));
        assert_eq!(loaded.config.api.regions.len(), 1);
        let shown = format!("{:?}", loaded.settings);
        assert!(!shown.contains("hunter2") && !shown.contains("6868"), "{shown}");
        assert!(loaded.settings["fleet.postgres.url"].origin.starts_with("file "), "{shown}");
        let fleet = loaded.config.fleet.unwrap();
        assert!(fleet.region_keys().is_ok());
        assert!(fleet.key_ring(&loaded.config.worker.region).is_ok());
    }

    #[test]
    fn the_manual_shows_a_configuration_that_fits() {
        let manual = include_str!("../../../../docs/fleet.md");
        let (_, rest) = manual.split_once("```toml\n").unwrap();
        let (text, _) = rest.split_once("```").unwrap();
        let loaded = load_text(text, &[]).unwrap();
        assert_eq!(loaded.config.fleet.unwrap().kafka.bootstrap_servers.len(), 3);
    }

    #[test]
    fn what_a_fleet_cannot_run_with_is_named() {
        for (flag, expected) in [
            ("fleet.signing.hangzhou.key=hangzhou-3", "hangzhou-3"),
            (
                "fleet.signing.hangzhou.keys.hangzhou-2=secret",
                "fleet.signing.hangzhou: keys.hangzhou-2",
            ),
            ("fleet.signing.hangzhou.keys.hangzhou-2=abcd", "at least 32"),
            ("fleet.kafka.timeout=60s", "policy.place_timeout"),
            ("fleet.objects.endpoint=s3", "http://"),
            ("api.default_region=mars", "mars"),
        ] {
            let said = format!("{:#}", load_text(FLEET, &[flag]).unwrap_err());
            assert!(said.contains(expected) && !said.contains("abcd"), "{flag}: {said}");
        }
        let said = format!("{:#}", load_text("[fleet]", &[]).unwrap_err());
        assert!(said.contains("missing field"), "{said}");
    }
}
