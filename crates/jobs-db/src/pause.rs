//! What gets no jobs until somebody resumes it.

use panofleet_job_schema::{Lane, Region, Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::row::time;

/// What can be paused.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Named", into = "Named")]
pub enum PauseTarget {
    /// Every queue of a region.
    Region(Region),
    /// One lane of a region, by the name `hangzhou.image`.
    Lane(Region, Lane),
    /// One tenant, everywhere.
    Tenant(Tenant),
}

/// A pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// What is paused.
    #[serde(flatten)]
    #[schemars(with = "Named")]
    pub target: PauseTarget,
    /// Since when, by the database's clock.
    pub since: Timestamp,
    /// Why, for people.
    pub reason: String,
}

/// Nothing that can be paused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPauseTarget {
    /// Not one of [`PauseTarget::KINDS`].
    #[error("`{0}` cannot be paused; region, lane or tenant can")]
    Kind(String),
    /// Not a name of that kind.
    #[error("`{name}` is not the name of a {kind}{hint}")]
    Name {
        /// The kind.
        kind: &'static str,
        /// The name.
        name: String,
        /// What such a name looks like.
        hint: &'static str,
    },
}

/// A target in words.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
struct Named {
    kind: String,
    name: String,
}

impl PauseTarget {
    /// The words for what can be paused.
    pub const KINDS: [&str; 3] = ["region", "lane", "tenant"];

    /// From its kind and its name.
    ///
    /// # Errors
    /// [`BadPauseTarget`], for people.
    pub fn new(kind: &str, name: &str) -> Result<Self, BadPauseTarget> {
        let bad = |kind, hint| BadPauseTarget::Name { kind, name: name.to_owned(), hint };
        match kind {
            "region" => Region::new(name).map(Self::Region).map_err(|_unfit| bad("region", "")),
            "tenant" => Tenant::new(name).map(Self::Tenant).map_err(|_unfit| bad("tenant", "")),
            "lane" => {
                let parts = name.split_once('.').and_then(|(region, lane)| {
                    let lane = Lane::ALL.into_iter().find(|known| known.as_str() == lane)?;
                    Some(Self::Lane(Region::new(region).ok()?, lane))
                });
                parts.ok_or_else(|| bad("lane", "; a lane's name is such as `hangzhou.image`"))
            }
            _ => Err(BadPauseTarget::Kind(kind.to_owned())),
        }
    }

    /// One of [`Self::KINDS`].
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Region(_) => "region",
            Self::Lane(..) => "lane",
            Self::Tenant(_) => "tenant",
        }
    }

    /// Its name among those of its kind.
    pub fn name(&self) -> String {
        match self {
            Self::Region(region) => region.to_string(),
            Self::Lane(region, lane) => format!("{region}.{lane}"),
            Self::Tenant(tenant) => tenant.to_string(),
        }
    }
}

impl TryFrom<Named> for PauseTarget {
    type Error = BadPauseTarget;
    fn try_from(Named { kind, name }: Named) -> Result<Self, BadPauseTarget> {
        Self::new(&kind, &name)
    }
}

impl From<PauseTarget> for Named {
    fn from(target: PauseTarget) -> Self {
        Self { kind: target.kind().to_owned(), name: target.name() }
    }
}

/// The columns of `pauses`: `kind`, `name`, `since`, `reason`.
pub(crate) type PauseColumns = (String, String, i64, String);

/// What this program does not know is left out: a newer one has paused it, such as a lane that is not filled here.
pub(crate) fn pauses(rows: Vec<PauseColumns>) -> Vec<Pause> {
    let known = rows.into_iter().filter_map(|(kind, name, since, reason)| {
        let target = PauseTarget::new(&kind, &name).ok()?;
        Some(Pause { target, since: time(since), reason })
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_a_kind_and_a_name() {
        for (kind, name) in [("region", "us-west"), ("lane", "us-west.image"), ("tenant", "acme")] {
            let target = PauseTarget::new(kind, name).unwrap();
            assert_eq!((target.kind(), target.name().as_str()), (kind, name));
            assert!(PauseTarget::KINDS.contains(&kind));
        }
        for (kind, name) in [
            ("queue", "us-west"),
            ("region", "US"),
            ("tenant", ""),
            ("lane", "image"),
            ("lane", "us-west.sound"),
            ("lane", "../.image"),
        ] {
            assert!(PauseTarget::new(kind, name).is_err(), "{kind} {name}");
        }
    }

    #[test]
    fn what_a_newer_program_has_paused_is_left_out() {
        let row = |kind: &str, name: &str| (kind.to_owned(), name.to_owned(), 1, String::new());
        let found =
            pauses(vec![row("lane", "us-west.sound"), row("tenant", "acme"), row("moon", "far")]);
        assert_eq!(found.iter().map(|pause| pause.target.kind()).collect::<Vec<_>>(), ["tenant"]);
    }

    #[test]
    fn a_pause_is_flat_in_json() {
        let json = serde_json::json!({
            "kind": "lane", "name": "us-west.image", "since": "2026-02-02T02:40:00.000Z", "reason": "fire"
        });
        let pause: Pause = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(serde_json::to_value(&pause).unwrap(), json);
        assert_eq!(pause.target, PauseTarget::Lane(Region::new("us-west").unwrap(), Lane::Image));
    }
}
