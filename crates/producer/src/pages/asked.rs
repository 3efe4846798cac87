//! What a form that looks for something was sent with.

use std::collections::BTreeMap;

use axum::http::Uri;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use crate::api::error::ApiError;
use crate::api::extract::parameters;

/// A page, and what is looked for on it. Fields that were left empty are not there.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    path: &'static str,
    given: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn new(
        path: &'static str,
        given: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let given = given.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { path, given }
    }

    /// Of a page's query.
    pub(super) fn of(path: &'static str, query: Option<&str>) -> Self {
        Self::new(path, form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned())
    }

    /// What a field was filled in with.
    pub(super) fn given(&self, field: &str) -> &str {
        self.given.get(field).map(String::as_str).unwrap_or_default()
    }

    /// Whether nothing is looked for.
    pub(super) fn is_empty(&self) -> bool {
        self.given.is_empty()
    }

    /// The same with another field.
    #[must_use]
    pub(super) fn with(&self, field: &str, value: &str) -> Self {
        let mut with = self.clone();
        with.given.insert(field.to_owned(), value.to_owned());
        with
    }

    /// The page with what is looked for.
    pub(super) fn address(&self) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        format!("{}?{}", self.path, query.extend_pairs(&self.given).finish())
    }

    /// What is looked for, as the API understands it.
    ///
    /// # Errors
    /// 400 for what it does not.
    pub(super) fn params<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        parameters(&self.address().parse::<Uri>().unwrap_or_default())
    }
}
