//! The language that a page is made in. Each text stands in the code once, in all of them side by side, so none is missing.
//!
//! What comes from jobs stays as it is: messages of failures, names, labels; and what the API answers is English.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawPathParams, State};
use axum::http::{HeaderMap, Uri, header};
use axum::response::Response;

use crate::api::Api;
use crate::api::auth::gate::{go_to, local_path};
use crate::api::auth::identity::{SameSite, cookie, set_cookie};

/// The cookie of somebody who has chosen.
const COOKIE: &str = "panofleet_language";
/// How long a choice is remembered: a year.
const REMEMBERED: Duration = Duration::from_secs(365 * 24 * 3600);

tokio::task_local! {
    /// The language of the request that this task answers.
    pub(crate) static LANGUAGE: Language;
}

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Language {
    #[default]
    English,
    Chinese,
}

impl Language {
    pub(super) const ALL: [Self; 2] = [Self::English, Self::Chinese];

    /// The language of the request that this task answers; English outside of one.
    pub(super) fn current() -> Self {
        LANGUAGE.try_with(|language| *language).unwrap_or_default()
    }

    /// What somebody has chosen, else what their browser asks for.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let chosen = cookie(headers, COOKIE).and_then(|tag| Self::tagged(&tag));
        let accepted = || Self::accepted(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?);
        chosen.or_else(accepted).unwrap_or_default()
    }

    /// The one that is liked best (RFC 9110, section 12.5.4), of those that there are.
    fn accepted(list: &str) -> Option<Self> {
        let mut best: Option<(f64, Self)> = None;
        for entry in list.split(',') {
            let mut parts = entry.split(';').map(str::trim);
            let Some(language) = parts.next().and_then(Self::tagged) else { continue };
            let weight =
                parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
            if weight > best.map_or(0.0, |(most, _)| most) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// By a tag of BCP 47, whatever the script or the region: `zh-Hans-CN`.
    fn tagged(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }

    /// Its code, which its page of choice is called by.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// What a page's `lang` says.
    pub(super) const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh-Hans",
        }
    }

    /// What it calls itself.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Chinese => "中文",
        }
    }
}

/// A text in the language of the page.
pub(super) fn say(english: &'static str, chinese: &'static str) -> &'static str {
    match Language::current() {
        Language::English => english,
        Language::Chinese => chinese,
    }
}

/// A text in the language of the page, with what stands in braces as [`format!`] puts it.
macro_rules! say_with {
    ($english:literal, $chinese:literal $(, $($value:tt)*)?) => {
        match $crate::pages::language::Language::current() {
            $crate::pages::language::Language::English => format!($english $(, $($value)*)?),
            $crate::pages::language::Language::Chinese => format!($chinese $(, $($value)*)?),
        }
    };
}
pub(super) use say_with as say;

/// `GET /language/{code}`: remembers a choice, and goes back to the page where it was made.
pub(super) async fn choose(
    State(api): State<Arc<Api>>,
    path: RawPathParams,
    headers: HeaderMap,
) -> Response {
    let chosen = path.iter().find_map(|(_, tag)| Language::tagged(tag)).unwrap_or_default();
    let came_from = headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let page = came_from.and_then(|url| url.parse::<Uri>().ok());
    let page = page.as_ref().and_then(|url| url.path_and_query()).map_or("/", |page| page.as_str());
    let mut response = go_to(local_path(page));
    let cookie = set_cookie((COOKIE, chosen.code()), REMEMBERED, SameSite::Lax, api.is_https());
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_choice_goes_before_what_a_browser_asks_for() {
        use Language::{Chinese, English};
        for (cookie, accepted, expected) in [
            ("", "", English),
            ("", "zh-CN,zh;q=0.9,en;q=0.8", Chinese),
            ("", "en-GB,zh;q=0.9", English),
            ("", "zh;q=0.5, en;q=0.7", English),
            ("", "fr, zh;q=0.1", Chinese),
            ("", "zh;q=0, *", English),
            ("a=b; panofleet_language=en", "zh", English),
            ("panofleet_language=zh", "en", Chinese),
            ("panofleet_language=xx", "zh", Chinese),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(accepted));
            assert_eq!(Language::of(&headers), expected, "{cookie} {accepted}");
        }
    }

    #[tokio::test]
    async fn a_text_is_in_the_language_of_its_request() {
        let (count, told) = (3, || (say("Jobs", "任务"), say("Cancel", "取消")));
        assert_eq!(told(), ("Jobs", "Cancel"));
        LANGUAGE
            .scope(Language::Chinese, async {
                assert_eq!(told(), ("任务", "取消"));
                assert_eq!(say!("{count} left", "剩余 {count} 个"), "剩余 3 个");
            })
            .await;
    }
}
