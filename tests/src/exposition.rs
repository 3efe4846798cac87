//! Prometheus's text format, read strictly: what this takes, a scraper takes.
//! (Prometheus documentation, "Exposition formats", text-based format, version 0.0.4.)

use std::collections::{BTreeMap, BTreeSet};

/// Label names and values.
pub type Labels = BTreeMap<String, String>;

/// One metric, as it was scraped.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// What it says of itself.
    pub help: String,
    /// Its values, each with its labels; of a histogram the counts, without `le`.
    pub values: Vec<(Labels, f64)>,
}

impl Family {
    /// The sum of the values that have all these labels.
    pub fn sum(&self, labels: &[(&str, &str)]) -> f64 {
        let has = |found: &Labels| {
            labels.iter().all(|(name, value)| found.get(*name).is_some_and(|other| other == value))
        };
        self.values.iter().filter(|(found, _)| has(found)).map(|(_, value)| value).sum()
    }
}

/// Reads everything that was scraped, by name.
///
/// # Panics
/// If it is not in the format: a line that cannot be read, a value before its `TYPE`, a sample twice, a histogram whose
/// buckets do not rise to its count.
pub fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut samples = BTreeSet::new();
    let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
    assert!(text.ends_with('\n'), "the last line has an end");
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').expect("a name, then the help");
            families.entry(name.to_owned()).or_default().help = help.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name, then the type");
            let family = families.entry(name.to_owned()).or_default();
            assert!(family.kind.is_empty(), "{name} has two types");
            kind.clone_into(&mut family.kind);
        } else {
            assert!(!line.starts_with('#'), "an odd comment: {line}");
            let (name, mut labels, value) = sample(line);
            assert!(samples.insert((name.clone(), labels.clone())), "twice: {line}");
            let bound = labels.remove("le");
            match family_of(&name, &families) {
                (family, "bucket") => {
                    let bound: f64 = bound.expect("a bucket has a bound").parse().expect("a bound");
                    buckets.entry((family, labels)).or_default().push((bound, value));
                }
                (family, part) => {
                    assert!(bound.is_none(), "le belongs to buckets: {line}");
                    let family = families.get_mut(&family).expect("it was found there");
                    if part != "sum" {
                        family.values.push((labels, value));
                    }
                }
            }
        }
    }
    for ((name, labels), buckets) in buckets {
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{name}: {buckets:?}");
        let last = buckets.last().expect("an entry is made with its first bucket");
        let count = families[&name].values.iter().find(|(found, _)| *found == labels);
        assert_eq!(
            Some((f64::INFINITY, last.1)),
            count.map(|(_, count)| (last.0, *count)),
            "{name}"
        );
    }
    families
}

/// The family of a sample, and which part of it the sample is.
fn family_of(name: &str, families: &BTreeMap<String, Family>) -> (String, &'static str) {
    for part in ["bucket", "sum", "count"] {
        if let Some(family) = name.strip_suffix(part).and_then(|family| family.strip_suffix('_'))
            && families.get(family).is_some_and(|found| found.kind == "histogram")
        {
            return (family.to_owned(), part);
        }
    }
    let known = families.get(name).is_some_and(|family| !family.kind.is_empty());
    assert!(known, "{name} has no TYPE before its value");
    (name.to_owned(), "value")
}

/// `name{label="value",…} 1.5`
fn sample(line: &str) -> (String, Labels, f64) {
    let (name, value) = line.rsplit_once(' ').expect("a name, then the value");
    let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
    let Some((name, labels)) = name.split_once('{') else {
        return (checked(name), Labels::new(), value);
    };
    let mut rest = labels.strip_suffix('}').expect("labels end with a brace");
    let mut found = Labels::new();
    while !rest.is_empty() {
        let (label, text) = rest.split_once("=\"").expect("a label, then its value in quotes");
        let mut end = 0;
        let mut escaped = false;
        for (at, letter) in text.char_indices() {
            end = at;
            if letter == '"' && !escaped {
                break;
            }
            escaped = letter == '\\' && !escaped;
        }
        let (value, after) = text.split_at(end);
        assert!(found.insert(checked(label), value.to_owned()).is_none(), "{line}");
        rest = after.strip_prefix('"').expect("a quote");
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    (checked(name), found, value)
}

fn checked(name: &str) -> String {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    assert!(!name.is_empty() && name.bytes().all(fits), "no name: {name}");
    assert!(!name.starts_with(|first: char| first.is_ascii_digit()), "no name: {name}");
    name.to_owned()
}
