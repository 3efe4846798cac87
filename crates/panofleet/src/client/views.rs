//! Filters by name.

use anyhow::Result;
use panofleet_jobs_db::View;
use panofleet_producer::api::{NewView, ViewList};
use reqwest::{Method, Url};

use super::Client;

impl Client {
    pub(crate) async fn views(&self) -> Result<ViewList> {
        self.ask(self.request(Method::GET, "/v1/views")).await
    }

    pub(crate) async fn save_view(&self, name: &str, view: &NewView) -> Result<View> {
        self.ask(self.request(Method::PUT, &path(name)).json(view)).await
    }

    pub(crate) async fn remove_view(&self, name: &str) -> Result<View> {
        self.ask(self.request(Method::DELETE, &path(name))).await
    }
}

/// A name may have any letters.
fn path(name: &str) -> String {
    let mut url = Url::parse("http://localhost/v1/views").expect("an address");
    url.path_segments_mut().expect("it has a path").push(name);
    url.path().to_owned()
}

#[cfg(test)]
mod tests {
    use super::path;

    #[test]
    fn a_name_is_one_part_of_the_path() {
        assert_eq!(path("Album 42/?#"), "/v1/views/Album%2042%2F%3F%23");
    }
}
