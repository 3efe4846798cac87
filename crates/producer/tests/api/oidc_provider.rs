//! A provider of identities that does what a test says, also what a good one never does. A good one is in `tests/tests/oidc.rs`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use openidconnect::core::{CoreEdDsaPrivateSigningKey, CoreJwsSigningAlgorithm};
use openidconnect::{JsonWebKeyId, PrivateSigningKey as _};
use panofleet_producer::api::OidcConfig;
use panofleet_service::clock::wall_clock;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;

pub(crate) const CLIENT_ID: &str = "panofleet";
pub(crate) const CLIENT_SECRET: &str = "a-secret-between-the-two-of-them";

/// How a token is signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Signed {
    /// With the provider's key.
    #[default]
    Well,
    /// Not at all, and it says so.
    Not,
    /// With another key that says that it is the provider's.
    ByAnother,
    /// With the secret of the client.
    BySecret,
}

/// What the provider does.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    /// Claims of tokens in place of the good ones; `null` is none.
    pub(crate) claims: HashMap<&'static str, Value>,
    pub(crate) signed: Signed,
    /// What it tells beside tokens.
    pub(crate) user_info: Option<Value>,
    pub(crate) no_id_token: bool,
    /// It never gives a token.
    pub(crate) token_hangs: bool,
    /// Bytes that say nothing in the set of its keys.
    pub(crate) padding: usize,
    /// Where it sends those who ask what it is.
    pub(crate) moved_to: Option<String>,
    /// Where it has people sign out, if it says so.
    pub(crate) sign_out_at: Option<String>,
    /// Whether it takes its client's secret in the form only.
    pub(crate) by_form: bool,
    /// Keys that it has had.
    pub(crate) generation: u8,
    /// How often somebody has asked for keys, and for tokens.
    pub(crate) keys_asked: u32,
    pub(crate) tokens_asked: u32,
    codes: HashMap<String, Asked>,
}

/// What a sign-in was begun with.
#[derive(Debug)]
struct Asked {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    ways: Arc<Mutex<Ways>>,
}

/// A key of the provider, by how many it has had before.
fn key(generation: u8) -> CoreEdDsaPrivateSigningKey {
    // PKCS #8 of an Ed25519 key is these bytes and its seed (RFC 8410 §7).
    let prefix = hex::decode("302e020100300506032b657004220420").unwrap();
    let der = STANDARD.encode([prefix, vec![generation; 32]].concat());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n");
    let id = JsonWebKeyId::new(format!("key-{generation}"));
    CoreEdDsaPrivateSigningKey::from_ed25519_pem(&pem, Some(id)).unwrap()
}

impl Provider {
    pub(crate) async fn start(servers: &mut JoinSet<()>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/realm", listener.local_addr().unwrap());
        let provider = Self { issuer, ways: Arc::default() };
        let router = Router::new()
            .route("/realm/.well-known/openid-configuration", get(discovery))
            .route("/realm/keys", get(keys))
            .route("/realm/token", post(token))
            .route("/realm/me", get(user_info))
            .with_state(provider.clone());
        servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
        provider
    }

    pub(crate) fn ways(&self) -> MutexGuard<'_, Ways> {
        self.ways.lock().unwrap()
    }

    /// Settings for people who sign in here.
    pub(crate) fn config(&self, grants: &Value) -> OidcConfig {
        let config = json!({
            "issuer": self.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET,
            "title": "Example & Co", "grants": grants,
        });
        serde_json::from_value(config).unwrap()
    }

    /// Where it would send a browser that was sent here, once its person has said who they are.
    pub(crate) fn consent(&self, to: &str) -> String {
        let url = Url::parse(to).unwrap();
        let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let code = format!("code-{}", self.ways().codes.len());
        let of = |name: &str| asked[name].clone();
        let [nonce, challenge, redirect_uri] = ["nonce", "code_challenge", "redirect_uri"].map(of);
        let answer = [("code", code.as_str()), ("state", &asked["state"]), ("iss", &self.issuer)];
        let back = Url::parse_with_params(&redirect_uri, answer).unwrap();
        let asked = Asked { nonce, challenge, redirect_uri };
        self.ways().codes.insert(code, asked);
        format!("{}?{}", back.path(), back.query().unwrap())
    }
}

async fn discovery(State(provider): State<Provider>) -> Response {
    let (issuer, ways) = (&provider.issuer, provider.ways());
    if let Some(to) = &ways.moved_to {
        return Redirect::to(to).into_response();
    }
    let method = if ways.by_form { "client_secret_post" } else { "client_secret_basic" };
    Json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/auth"),
        "token_endpoint": format!("{issuer}/token"),
        "userinfo_endpoint": format!("{issuer}/me"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
        "token_endpoint_auth_methods_supported": [method],
        "end_session_endpoint": ways.sign_out_at,
    }))
    .into_response()
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    let mut ways = provider.ways();
    ways.keys_asked += 1;
    let key = serde_json::to_value(key(ways.generation).as_verification_key()).unwrap();
    Json(json!({ "keys": [key], "padding": "x".repeat(ways.padding) }))
}

async fn user_info(State(provider): State<Provider>) -> Response {
    match &provider.ways().user_info {
        Some(told) => Json(told).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn refused(error: &str) -> Response {
    let said = json!({ "error": error, "error_description": "<b>no</b>" });
    (StatusCode::BAD_REQUEST, Json(said)).into_response()
}

async fn token(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response {
    let hangs = {
        let mut ways = provider.ways();
        ways.tokens_asked += 1;
        ways.token_hangs
    };
    if hangs {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let mut ways = provider.ways();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{CLIENT_SECRET}")));
    let by_header = headers.get(header::AUTHORIZATION).is_some_and(|given| given == basic.as_str());
    let by_form = of("client_id") == CLIENT_ID && of("client_secret") == CLIENT_SECRET;
    if if ways.by_form { !by_form } else { !by_header || form.contains_key("client_secret") } {
        return refused("invalid_client");
    }
    // A code is good once, for whoever has begun with its challenge.
    let Some(asked) = ways.codes.remove(of("code")) else { return refused("invalid_grant") };
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier")));
    if challenge != asked.challenge || of("redirect_uri") != asked.redirect_uri {
        return refused("invalid_grant");
    }
    let mut answer = json!({ "access_token": "at", "token_type": "Bearer", "expires_in": 60 });
    if !ways.no_id_token {
        answer["id_token"] = id_token(&provider.issuer, &ways, &asked.nonce).into();
    }
    Json(answer).into_response()
}

fn id_token(issuer: &str, ways: &Ways, nonce: &str) -> String {
    let now = wall_clock().as_millis() / 1000;
    let mut claims = json!({
        "iss": issuer, "sub": "248289761001", "aud": CLIENT_ID, "iat": now, "exp": now + 300,
        "nonce": nonce, "email": "kim@example.com", "email_verified": true, "groups": ["staff", "acme"],
    });
    for (name, value) in &ways.claims {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(*name)),
            value => claims[*name] = value.clone(),
        }
    }
    let alg = match ways.signed {
        Signed::Well | Signed::ByAnother => "EdDSA",
        Signed::Not => "none",
        Signed::BySecret => "HS256",
    };
    let header = json!({ "alg": alg, "kid": format!("key-{}", ways.generation), "typ": "JWT" });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let by = |key: CoreEdDsaPrivateSigningKey| {
        key.sign(&CoreJwsSigningAlgorithm::EdDsa, signed.as_bytes()).unwrap()
    };
    let signature = match ways.signed {
        Signed::Well => by(key(ways.generation)),
        Signed::ByAnother => by(key(200)),
        Signed::Not => Vec::new(),
        Signed::BySecret => {
            let mut mac = Hmac::<Sha256>::new_from_slice(CLIENT_SECRET.as_bytes()).unwrap();
            mac.update(signed.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
    };
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
