//! The alerts and the dashboard ask for what is counted, by the labels that it has.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_job_schema::Metric;
use panofleet_job_schema::metric::MetricKind;
use serde::Deserialize;

use crate::operations::sections;
use crate::{docker, documents, read, typed};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    #[serde(rename = "name")]
    _name: String,
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    alert: String,
    expr: String,
    #[serde(rename = "for")]
    _for: Option<String>,
    labels: Severity,
    annotations: Annotations,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Severity {
    severity: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotations {
    summary: String,
    runbook: String,
}

fn declared() -> BTreeMap<&'static str, &'static Metric> {
    let tables: [&[Metric]; 5] = [
        panofleet_collector::metrics::METRICS,
        panofleet_objects::metrics::METRICS,
        panofleet_producer::metrics::METRICS,
        panofleet_service::metrics::METRICS,
        panofleet_worker::metrics::METRICS,
    ];
    tables.into_iter().flatten().map(|metric| (metric.name, metric)).collect()
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Checks every metric that an expression names, and the labels that it selects by and groups by. Gives the metrics.
fn check(expression: &str, place: &str) -> BTreeSet<&'static str> {
    let declared = declared();
    let mut found = BTreeSet::new();
    let mut labels = BTreeSet::new();
    let mut rest = expression;
    while let Some(at) = rest.find("panofleet_") {
        let (_, from) = rest.split_at(at);
        let end = from.find(|c| !is_of_a_name(c)).unwrap_or(from.len());
        let (name, after) = from.split_at(end);
        let metric = ["", "_bucket", "_sum", "_count"].into_iter().find_map(|part| {
            let metric = declared.get(name.strip_suffix(part)?)?;
            let fits = part.is_empty() != matches!(metric.kind, MetricKind::Histogram(_));
            fits.then_some(*metric)
        });
        let metric = metric.unwrap_or_else(|| panic!("{place}: nobody counts {name}"));
        if let Some((selector, _)) = after.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            for term in selector.split(',') {
                let label = term.split(['=', '!']).next().unwrap_or_default();
                assert!(metric.labels.contains(&label), "{place}: {name} has no label {label}");
            }
        }
        found.insert(metric.name);
        labels.extend(metric.labels.iter().copied().chain(["le"]));
        rest = after;
    }
    assert!(!found.is_empty(), "{place} asks for nothing of ours");
    for grouping in expression.split("by (").skip(1) {
        let (names, _) = grouping.split_once(')').expect("a bracket");
        for name in names.split(',').map(str::trim) {
            assert!(labels.contains(name), "{place}: nothing there has a label {name}");
        }
    }
    found
}

#[test]
fn alerts_are_about_what_is_counted_and_say_what_to_do() {
    let rules = documents(&docker().join("prometheus/alerts.yaml")).pop().expect("rules");
    let rules: Rules = typed(&rules, "alerts.yaml");
    let sections = sections();
    let mut names = BTreeSet::new();
    for rule in rules.groups.into_iter().flat_map(|group| group.rules) {
        let Rule { alert, expr, labels, annotations, .. } = rule;
        check(&expr, &alert);
        assert!(["page", "ticket"].contains(&&*labels.severity), "{alert}");
        assert!(annotations.summary.ends_with('.'), "{alert}");
        let section = annotations.runbook.strip_prefix("docs/operations.md#").expect("the manual");
        assert!(sections.contains(section), "{alert}: docs/operations.md has no #{section}");
        assert!(names.insert(alert.clone()), "{alert} is there twice");
    }
    assert!(names.len() >= 10);
}

#[test]
fn the_dashboard_shows_what_is_counted() {
    let text = read(&docker().join("grafana/panofleet.json"));
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let (mut ids, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64()), "{title}: its id is there twice");
        for target in panel["targets"].as_array().into_iter().flatten() {
            shown.extend(check(target["expr"].as_str().expect("a query"), title));
        }
    }
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    for variable in variables.iter().filter(|variable| variable["type"] == "query") {
        check(variable["query"]["query"].as_str().expect("a query"), "a variable");
    }
    assert!(shown.len() >= 25, "only {shown:?}");
}
