//! The frame of every page, and how text gets into it.

use std::fmt::{self, Write as _};

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::Scope;

use super::language::{Language, say};
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;

/// What a page may load: from here only. Viewers keep tiles as `blob:` and `data:` pictures, and a player of streams
/// hands its segments over as a `blob:`.
const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
    media-src 'self' blob:; \
    connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'";
/// What a page with a form may do: nothing but send it here.
const CSP_FORM: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

/// Text that shows as itself, in content and in attributes with double quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Text<T>(pub(super) T);

impl<T: fmt::Display> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|char| match char {
            '&' => self.0.write_str("&amp;"),
            '<' => self.0.write_str("&lt;"),
            '>' => self.0.write_str("&gt;"),
            '"' => self.0.write_str("&quot;"),
            '\'' => self.0.write_str("&#39;"),
            other => self.0.write_char(other),
        })
    }
}

/// How long ago something was, and when.
pub(super) fn age(at: Timestamp, now: Timestamp) -> String {
    format!("<time datetime=\"{at}\" title=\"{at}\">{}</time>", words::ago(now.since(at)))
}

/// The head of a table, by the names of its columns.
pub(super) fn table_head<const COLUMNS: usize>(names: [&str; COLUMNS]) -> String {
    let cells = names.map(|name| format!("<th>{}</th>", Text(name))).concat();
    format!("<thead><tr>{cells}</tr></thead>\n")
}

/// A button that calls the API.
#[derive(Clone, Debug)]
pub(super) struct Button<'a> {
    text: &'a str,
    method: &'static str,
    path: &'a str,
    body: &'a str,
    then: &'a str,
    question: &'a str,
    count: &'a str,
    undo: Option<(&'static str, &'a str, &'a str)>,
}

impl<'a> Button<'a> {
    /// A button that calls nothing yet.
    pub(super) const fn new(text: &'a str) -> Self {
        Self {
            text,
            method: "POST",
            path: "",
            body: "",
            then: "",
            question: "",
            count: "",
            undo: None,
        }
    }

    /// It posts a JSON body, or none.
    pub(super) const fn posts(self, path: &'a str, body: &'a str) -> Self {
        Self { path, body, ..self }
    }

    /// It puts a JSON body.
    pub(super) const fn puts(self, path: &'a str, body: &'a str) -> Self {
        Self { method: "PUT", path, body, ..self }
    }

    /// It patches with a JSON body.
    pub(super) const fn patches(self, path: &'a str, body: &'a str) -> Self {
        Self { method: "PATCH", path, body, ..self }
    }

    /// It deletes.
    pub(super) const fn deletes(self, path: &'a str) -> Self {
        Self { method: "DELETE", path, ..self }
    }

    /// Once somebody has said yes to this.
    pub(super) const fn asks(self, question: &'a str) -> Self {
        Self { question, ..self }
    }

    /// Once a dry run has counted, and somebody has said yes to this with the count in place of `{}`.
    pub(super) const fn counts(self, count: &'a str) -> Self {
        Self { count, ..self }
    }

    /// Afterwards the page offers to take it back by this call.
    pub(super) const fn undone_by(self, method: &'static str, path: &'a str) -> Self {
        self.undone_with(method, path, "")
    }

    /// The same, with a JSON body.
    pub(super) const fn undone_with(
        self,
        method: &'static str,
        path: &'a str,
        body: &'a str,
    ) -> Self {
        Self { undo: Some((method, path, body)), ..self }
    }

    /// Afterwards the browser goes to the page of what came of it: this, and its id. Otherwise the page is shown anew.
    pub(super) const fn then(self, then: &'a str) -> Self {
        Self { then, ..self }
    }
}

impl fmt::Display for Button<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text, method, path, body, then, question, count, undo } = self;
        write!(f, "<button data-method=\"{method}\" data-path=\"{}\"", Text(path))?;
        for (name, value) in
            [("body", body), ("then", then), ("confirm", question), ("count", count)]
        {
            if !value.is_empty() {
                write!(f, " data-{name}=\"{}\"", Text(value))?;
            }
        }
        if let Some((method, path, body)) = undo {
            write!(f, " data-undo-method=\"{method}\" data-undo-path=\"{}\"", Text(path))?;
            write!(f, " data-undo-body=\"{}\"", Text(body))?;
        }
        write!(f, ">{}</button>", Text(text))
    }
}

/// A page.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// Of the tab.
    pub(super) title: String,
    /// HTML between the header and the end.
    pub(super) main: String,
    /// Whether the page is the viewer and nothing else.
    pub(super) bare: bool,
    /// Further style sheets and scripts, by their paths.
    pub(super) styles: Vec<&'static str>,
    pub(super) scripts: Vec<&'static str>,
    /// Whether it has a form.
    pub(super) has_form: bool,
    /// Who has signed in.
    pub(super) who: Option<Who>,
    /// The pages that it leads to, beside the first.
    pub(super) nav: Vec<(&'static str, &'static str)>,
}

/// Somebody who has signed in.
#[derive(Clone, Debug)]
pub(super) struct Who {
    name: String,
    /// Whose jobs they see; all tenants' if there is none.
    tenant: Option<String>,
    /// Whether they may see all, and choose.
    chooses: bool,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tenant, chooses } = self;
        let tenant = tenant.as_deref().unwrap_or(say("all tenants", "所有租户"));
        let (name, tenant, sign_out) = (Text(name), Text(tenant), say("Sign out", "退出"));
        write!(f, " <span class=\"who\">{name} · ")?;
        match chooses {
            true => write!(f, "<a href=\"/tenant\">{tenant}</a>")?,
            false => write!(f, "{tenant}")?,
        }
        write!(f, " <a href=\"/sign-out\">{sign_out}</a></span>")
    }
}

/// Pages by what it takes to see them.
fn nav() -> [(Option<&'static [Scope]>, &'static str, &'static str); 9] {
    [
        (Some(&[Scope::JobsRead]), "/overview", say("Overview", "概览")),
        (Some(&[Scope::JobsRead]), "/failures", say("Failures", "失败")),
        (Some(&[Scope::JobsRead]), "/questions", say("Questions", "诊断")),
        (Some(&[Scope::Ops]), "/fleet", say("Fleet", "集群")),
        (Some(&[Scope::JobsRead]), "/schedules", say("Schedules", "定时任务")),
        (Some(&[Scope::JobsRead]), "/webhooks", "Webhooks"),
        (Some(&[Scope::Ops]), "/dead-letters", say("Dead letters", "死信")),
        (Some(&[Scope::Ops, Scope::Admin]), "/audit", say("Audit", "审计")),
        (None, "/api", "API"),
    ]
}

impl Page {
    /// An empty page for whoever asks.
    pub(super) fn of(api: &Granted) -> Self {
        let who = (!api.is_open()).then(|| Who {
            name: api.principal().actor.to_string(),
            tenant: api.whose().map(ToString::to_string),
            chooses: api.principal().tenant.is_none(),
        });
        let may = |scopes: Option<&[Scope]>| {
            scopes.is_none_or(|scopes| scopes.iter().any(|scope| api.has(*scope)))
        };
        let nav = nav().into_iter().filter(|(scopes, ..)| may(*scopes));
        let nav = nav.map(|(_, path, name)| (path, name)).collect();
        Self { who, nav, ..Self::default() }
    }
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { title, main, bare, styles, scripts, has_form: _, who, nav } = self;
        let language = Language::current();
        writeln!(f, "<!doctype html>\n<html lang=\"{}\">", language.tag())?;
        f.write_str("<head>\n<meta charset=\"utf-8\">\n")?;
        f.write_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")?;
        f.write_str("<meta name=\"color-scheme\" content=\"light dark\">\n")?;
        writeln!(f, "<title>{} · Panofleet</title>", Text(title))?;
        f.write_str("<link rel=\"icon\" href=\"/pages/icon.svg\">\n")?;
        for style in styles.iter().chain(&["/pages/page.css"]) {
            writeln!(f, "<link rel=\"stylesheet\" href=\"{style}\">")?;
        }
        for script in scripts.iter().chain(&["/pages/page.js"]) {
            writeln!(f, "<script src=\"{script}\" defer></script>")?;
        }
        if *bare {
            return write!(f, "</head>\n<body class=\"bare\">\n{main}\n</body>\n</html>\n");
        }
        write!(
            f,
            "</head>\n<body>\n<header><a class=\"home\" href=\"/\">Panofleet</a> \
             <nav><a href=\"/\">{}</a>",
            say("Jobs", "任务"),
        )?;
        for (path, name) in nav {
            write!(f, " <a href=\"{path}\">{name}</a>")?;
        }
        f.write_str("</nav>")?;
        if let Some(who) = who {
            write!(f, "{who}")?;
        }
        for other in Language::ALL.into_iter().filter(|other| *other != language) {
            write!(
                f,
                " <a class=\"language\" lang=\"{}\" href=\"/language/{}\">{}</a>",
                other.tag(),
                other.code(),
                other.name(),
            )?;
        }
        f.write_str("</header>\n")?;
        write!(f, "<main>\n{main}\n</main>\n</body>\n</html>\n")
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let csp = if self.has_form { CSP_FORM } else { CSP };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(csp)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (headers, self.to_string()).into_response()
    }
}

/// A refusal, as a page.
#[derive(Debug)]
pub(super) struct PageError(ApiError);

impl From<ApiError> for PageError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (_, code, detail) = self.0.public();
        let status = self.0.into_response().status();
        let title = status.canonical_reason().unwrap_or("Refused").to_owned();
        let main = format!(
            "<h1>{}</h1>\n<p>{}</p>\n<p class=\"quiet\">{} · {code}</p>\n<p><a href=\"/\">{}</a></p>",
            Text(&title),
            Text(&detail),
            status.as_u16(),
            say("All jobs", "所有任务"),
        );
        (status, Page { title, main, ..Page::default() }).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let shown = Text("<script>alert('x') & \"y\"</script>").to_string();
        let expected = "&lt;script&gt;alert(&#39;x&#39;) &amp; &quot;y&quot;&lt;/script&gt;";
        assert_eq!(shown, expected);
    }
}
