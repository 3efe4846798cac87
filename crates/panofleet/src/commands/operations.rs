//! `panofleet operations`: what can be asked for.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use panofleet_job_schema::Operation;
use panofleet_job_schema::operation::{OperationDoc, ParameterKind};

use super::Shared;
use crate::terminal::{Paint, paint, say, table};

/// Describe the operations
#[derive(Debug, Args)]
pub(crate) struct Operations {
    /// Only this one, such as pano.tiles
    name: Option<String>,
    /// The JSON Schema instead
    #[arg(long)]
    schema: bool,
}

impl Operations {
    pub(crate) fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let docs: Vec<&OperationDoc> = Operation::docs()
            .iter()
            .filter(|doc| self.name.as_deref().is_none_or(|name| name == doc.name))
            .collect();
        if docs.is_empty() {
            let names: Vec<_> = Operation::docs().iter().map(|doc| doc.name).collect();
            bail!(
                "there is no operation `{}`; there are {}",
                self.name.as_deref().unwrap_or(""),
                names.join(", ")
            );
        }
        if self.schema {
            let schemas: Vec<_> = docs.iter().map(|doc| doc.json_schema()).collect();
            say(serde_json::to_string_pretty(&schemas)?);
        } else if shared.json {
            say(serde_json::to_string_pretty(&docs)?);
        } else {
            for doc in docs {
                describe(doc);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(doc: &OperationDoc) {
    say(format!("{}  {}", paint(Paint::Strong, doc.name), doc.summary));
    say(format!("  writes   {}", doc.writes));
    say(format!("  example  {}", doc.example));
    if doc.parameters.is_empty() {
        say("");
        return;
    }
    let rows: Vec<Vec<String>> = doc
        .parameters
        .iter()
        .map(|parameter| {
            let default = if parameter.default == "null" { "–" } else { parameter.default };
            vec![
                format!("  {}", parameter.name),
                interval(&parameter.kind),
                default.trim_matches('"').to_owned(),
                parameter.summary.to_owned(),
            ]
        })
        .collect();
    say(table(&["  parameter", "values", "default", ""], &rows));
}

fn interval(kind: &ParameterKind) -> String {
    match kind {
        ParameterKind::Integer { min, max } => format!("{min} to {max}"),
        ParameterKind::Number { min, max } => format!("{min:.1} to {max:.1}"),
        ParameterKind::Choice { of } => of.join(" | "),
        ParameterKind::Choices { of } => format!("[{}, …]", of.join(" | ")),
        ParameterKind::Integers { min, max, count_max } => {
            format!("[{min} to {max}, …], {count_max} at most")
        }
        ParameterKind::Color => "#rrggbb".to_owned(),
        ParameterKind::Switch => "true | false".to_owned(),
        ParameterKind::Url => "https://…".to_owned(),
        ParameterKind::Regions { count_max } | ParameterKind::Lenses { count_max } => {
            format!("[{{…}}, …], {count_max} at most")
        }
    }
}
