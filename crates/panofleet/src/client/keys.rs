//! Keys and the audit log, from the client's side.

use anyhow::Result;
use panofleet_producer::api::{AuditList, KeyList, KeyView, MadeKey, NewKey, Rotation, WhoView};
use reqwest::Method;
use uuid::Uuid;

use super::Client;

impl Client {
    pub(crate) async fn whoami(&self) -> Result<WhoView> {
        self.ask(self.request(Method::GET, "/v1/whoami")).await
    }

    pub(crate) async fn keys(&self, query: &[(&str, String)]) -> Result<KeyList> {
        self.ask(self.request(Method::GET, "/v1/keys").query(query)).await
    }

    pub(crate) async fn key(&self, id: Uuid) -> Result<KeyView> {
        self.ask(self.request(Method::GET, &format!("/v1/keys/{id}"))).await
    }

    pub(crate) async fn create_key(&self, new: &NewKey) -> Result<MadeKey> {
        self.ask(self.request(Method::POST, "/v1/keys").json(new)).await
    }

    pub(crate) async fn rotate_key(&self, id: Uuid, rotation: &Rotation) -> Result<MadeKey> {
        let request = self.request(Method::POST, &format!("/v1/keys/{id}/rotate"));
        self.ask(request.json(rotation)).await
    }

    pub(crate) async fn revoke_key(&self, id: Uuid) -> Result<KeyView> {
        self.ask(self.request(Method::DELETE, &format!("/v1/keys/{id}"))).await
    }

    pub(crate) async fn audit(&self, query: &[(&str, String)]) -> Result<AuditList> {
        self.ask(self.request(Method::GET, "/v1/audit").query(query)).await
    }
}
