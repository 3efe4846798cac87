//! The API for people who read: every route of its document, with what it takes and answers.

use serde_json::Value;

use super::html::{Page, Text};
use super::language::say;
use crate::api::openapi;

/// The page.
pub(super) async fn reference() -> Page {
    Page { title: "API".to_owned(), main: main(openapi::shared()), ..Page::default() }
}

fn main(document: &Value) -> String {
    let what = say(
        "JSON over HTTP. Where keys are asked for: <code>Authorization: Bearer KEY</code>. \
         Refusals are <code>application/problem+json</code> with a <code>code</code> for programs and a \
         <code>detail</code> that says what to do. For programs, the same as a document: \
         <a href=\"/v1/openapi.json\">/v1/openapi.json</a> (OpenAPI 3.1).",
        "基于 HTTP 的 JSON。需要密钥时：<code>Authorization: Bearer KEY</code>。\
         拒绝以 <code>application/problem+json</code> 返回，其中 <code>code</code> 供程序使用，\
         <code>detail</code> 说明该怎么做。供程序读取的同一份文档：\
         <a href=\"/v1/openapi.json\">/v1/openapi.json</a>（OpenAPI 3.1），以下内容为英文。",
    );
    let mut main = format!("<h1>API</h1>\n<p>{what}</p>\n");
    let mut section = None;
    for (path, method, operation) in operations(document) {
        let tag = operation["tags"][0].as_str().unwrap_or_default();
        if section != Some(tag) {
            section = Some(tag);
            let title = if tag.is_empty() { "health" } else { tag };
            main.push_str(&format!("<h2>{}</h2>\n", Text(title)));
        }
        main.push_str(&route(path, method, operation));
    }
    main.push_str("<h2>Schemas</h2>\n");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let json = serde_json::to_string_pretty(schema).unwrap_or_default();
        let name = Text(name);
        main.push_str(&format!(
            "<details id=\"{name}\"><summary>{name}</summary><pre class=\"json\">{}</pre></details>\n",
            Text(json),
        ));
    }
    main
}

/// Routes, those with one tag together.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            found.push((path.as_str(), method.as_str(), operation));
        }
    }
    found.sort_by_key(|(path, _, operation)| {
        (operation["tags"][0].as_str().unwrap_or_default(), *path)
    });
    found
}

fn route(path: &str, method: &str, operation: &Value) -> String {
    let mut text = format!(
        "<details class=\"route\"><summary><b>{}</b> <code>{}</code> <span class=\"quiet\">{}</span></summary>\n",
        method.to_uppercase(),
        Text(path),
        Text(operation["summary"].as_str().unwrap_or_default()),
    );
    let scopes: Vec<&str> = operation["security"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|need| need["key"][0].as_str())
        .collect();
    if !scopes.is_empty() {
        text.push_str(&format!("<p class=\"quiet\">scope {}</p>\n", Text(scopes.join(" or "))));
    }
    let named = |parameter: &&Value| parameter["name"].is_string();
    let parameters = operation["parameters"].as_array().into_iter().flatten().filter(named);
    let rows: String = parameters.map(row).collect();
    if !rows.is_empty() {
        text.push_str(&format!("<table>{rows}</table>\n"));
    }
    let content = |of: &Value| of["content"]["application/json"]["schema"].clone();
    if let body @ (Value::Object(_) | Value::Bool(_)) = content(&operation["requestBody"]) {
        text.push_str(&format!("<p>takes {}</p>\n", shown(&body)));
    }
    for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
        if let schema @ (Value::Object(_) | Value::Bool(_)) = content(answer) {
            text.push_str(&format!("<p>answers {status} {}</p>\n", shown(&schema)));
        }
    }
    text.push_str("</details>\n");
    text
}

fn row(parameter: &Value) -> String {
    let schema = &parameter["schema"];
    let kind = match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => {
            let kinds = kinds.iter().filter_map(Value::as_str).filter(|kind| *kind != "null");
            kinds.collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    };
    format!(
        "<tr><td><code>{}</code></td><td>{} {}</td><td>{}</td></tr>",
        Text(parameter["name"].as_str().unwrap_or_default()),
        Text(parameter["in"].as_str().unwrap_or_default()),
        Text(kind),
        Text(parameter["description"].as_str().unwrap_or_default()),
    )
}

/// A link to a schema that has a name, or the schema.
fn shown(schema: &Value) -> String {
    let name = schema["$ref"].as_str().and_then(|reference| reference.rsplit('/').next());
    match name {
        Some(name) => format!("<a href=\"#{0}\">{0}</a>", Text(name)),
        None => {
            let json = serde_json::to_string_pretty(schema).unwrap_or_default();
            format!("<pre class=\"json\">{}</pre>", Text(json))
        }
    }
}
