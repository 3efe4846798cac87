//! Sign-in by OpenID Connect: the authorization code flow with PKCE, at the one provider of the configuration.
//!
//! [`openidconnect`] makes and checks what goes between the provider and us; here stand what of it is asked for, what is
//! refused, and what a person gets.
//!
//! | you look for | file |
//! |---|---|
//! | settings, who gets what | `oidc/config.rs` |
//! | a sign-in under way, in its browser's cookie | `oidc/attempt.rs` |
//! | the provider, its keys, requests to it | `oidc/provider.rs` |
//! | what it says of a person | `oidc/claims.rs` |
//! | the pages | `pages/oidc.rs` |

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod,
    CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet,
    IdTokenFields, LogoutRequest, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl,
    RequestTokenError, Scope, SignatureVerificationError, StandardErrorResponse,
    StandardTokenResponse, TokenResponse as _, UserInfoClaims,
};
use panofleet_jobs_db::Person;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::super::error::ApiError;
use crate::api::ApiConfig;

mod attempt;
mod claims;
pub(crate) mod config;
mod provider;

use attempt::Attempt;
use claims::Vouched;
use config::OidcConfig;
use provider::{Away, Http, HttpError, Provider};

pub(crate) use attempt::forget;

/// Where the provider sends browsers back to.
pub(crate) const BACK: &str = "/sign-in/oidc/back";

/// Sign-ins that end at once; each has requests to the provider.
const ENDING_MAX: usize = 32;
/// Longest time that the requests of one may take together.
const END_WITHIN: Duration = Duration::from_secs(12);
/// Letters of what a provider says that are repeated.
const SAID_MAX: usize = 300;

/// What tokens are signed with: keys that only the provider has. A shared secret would let whoever reads our configuration say
/// who somebody is.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Every claim, whatever its name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Further {
    #[serde(flatten)]
    all: Map<String, Value>,
}

impl AdditionalClaims for Further {}

type Fields = IdTokenFields<
    Further,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
/// A client of a provider that was asked what it is.
type OidcClient = Client<
    Further,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Sign-in at the provider of the configuration.
#[derive(Debug)]
pub(crate) struct Oidc {
    pub(crate) config: OidcConfig,
    back: String,
    after_sign_out: String,
    provider: Provider,
    ending: Semaphore,
}

/// Where a browser goes to sign in, and what it keeps meanwhile.
pub(crate) struct Begun {
    pub(crate) to: String,
    pub(crate) cookie: HeaderValue,
}

/// With what the provider has sent a browser back.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Answer {
    state: String,
    code: String,
    error: String,
    error_description: String,
    /// Who says so (RFC 9207), where the provider does.
    iss: Option<String>,
}

impl Oidc {
    /// `None` if people sign in with keys only.
    pub(crate) fn new(api: &ApiConfig) -> Option<Self> {
        let (config, url) = (api.oidc.clone()?, api.public_url.as_ref()?);
        let (provider, ending) = (Provider::new(&config), Semaphore::new(ENDING_MAX));
        let (back, after_sign_out) = (format!("{url}{BACK}"), format!("{url}/sign-in"));
        Some(Self { back, after_sign_out, config, provider, ending })
    }

    /// Begins a sign-in that is to lead to a page.
    pub(crate) async fn begin(&self, next: &str, is_https: bool) -> Result<Begun, ApiError> {
        let asked = tokio::time::timeout(END_WITHIN, self.provider.metadata()).await;
        let asked = asked.unwrap_or_else(|_elapsed| Err(Away("it takes too long".to_owned())));
        let (metadata, _) = asked.map_err(|_logged| away())?;
        let client = self.client(&metadata)?;
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let attempt = Attempt::new(verifier.into_secret(), next);
        let (state, nonce) = (attempt.state.clone(), attempt.nonce.clone());
        let request = client.authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            || CsrfToken::new(state),
            || Nonce::new(nonce),
        );
        // The crate asks for `openid` itself.
        let scopes = self.config.scopes.iter().filter(|scope| *scope != "openid");
        let scopes = scopes.cloned().map(Scope::new);
        let (to, ..) = request.add_scopes(scopes).set_pkce_challenge(challenge).url();
        Ok(Begun { to: to.into(), cookie: attempt.cookie(is_https) })
    }

    /// Where a browser goes to end the provider's session too (OpenID Connect RP-Initiated Logout 1.0), if that is wanted and
    /// the provider says where. It asks before it does, for nothing here says who it is.
    pub(crate) async fn sign_out(&self) -> Option<String> {
        if !self.config.sign_out {
            return None;
        }
        let asked = tokio::time::timeout(END_WITHIN, self.provider.metadata()).await.ok()?;
        let (metadata, _) = asked.ok()?;
        let there = metadata.additional_metadata().end_session_endpoint.clone()?;
        let back = PostLogoutRedirectUrl::new(self.after_sign_out.clone()).ok()?;
        let request = LogoutRequest::from(there)
            .set_client_id(ClientId::new(self.config.client_id.clone()))
            .set_post_logout_redirect_uri(back);
        Some(request.http_get_url().into())
    }

    /// Ends a sign-in: who it is and what they get, and the page that they wanted to see.
    pub(crate) async fn end(
        &self,
        answer: Answer,
        headers: &HeaderMap,
        is_https: bool,
    ) -> Result<(Person, String), ApiError> {
        // Before anything else is looked at: what a stranger's link says is not shown.
        let attempt = Attempt::of(headers, &answer.state, is_https).ok_or_else(not_begun)?;
        if answer.iss.is_some_and(|iss| iss != self.config.issuer) {
            return Err(bad("the answer is another provider's"));
        }
        if !answer.error.is_empty() {
            let status = match answer.error.as_str() {
                "access_denied" => StatusCode::FORBIDDEN,
                _ => StatusCode::BAD_GATEWAY,
            };
            return Err(said_no(status, &answer.error, &answer.error_description));
        }
        let Ok(_ending) = self.ending.try_acquire() else { return Err(busy()) };
        let next = attempt.next.clone();
        let vouched = tokio::time::timeout(END_WITHIN, self.vouched(answer.code, attempt)).await;
        let vouched = vouched.map_err(|_elapsed| {
            tracing::warn!(issuer = self.config.issuer, "sign-in: the provider takes too long");
            away()
        })??;
        self.person(vouched).map(|person| (person, next))
    }

    /// What the provider says of whoever has a code.
    async fn vouched(&self, code: String, attempt: Attempt) -> Result<Vouched, ApiError> {
        let (metadata, http) = self.provider.metadata().await.map_err(|_logged| away())?;
        let client = self.client(&metadata)?;
        let request = client.exchange_code(AuthorizationCode::new(code));
        let request = request.map_err(|error| ApiError::Internal(error.to_string()))?;
        let verifier = PkceCodeVerifier::new(attempt.verifier);
        let tokens = request.set_pkce_verifier(verifier).request_async(&http).await;
        let tokens = tokens.map_err(|error| self.not_exchanged(error))?;
        let nonce = Nonce::new(attempt.nonce);
        let claims = match self.claims(&client, &tokens, &nonce) {
            // The provider may have changed its keys since we asked for them.
            Err(error) if is_of_a_key(&error) => {
                let metadata =
                    self.provider.look_again(&metadata).await.map_err(|_logged| away())?;
                self.claims(&self.client(&metadata)?, &tokens, &nonce)
            }
            checked => checked,
        };
        let mut claims = claims.map_err(|error| {
            tracing::warn!(issuer = self.config.issuer, error = %told(&error), "sign-in: a token is not good");
            bad(&told(&error))
        })?;
        let read = |claims: &Map<String, Value>| {
            Vouched::read(claims, &self.config).ok_or_else(|| bad("the token names nobody"))
        };
        let vouched = read(&claims)?;
        if vouched.lacks(&self.config) && client.user_info_url().is_some() {
            for (name, value) in self.user_info(&client, &tokens, &vouched.subject, &http).await? {
                claims.entry(name).or_insert(value);
            }
            return read(&claims);
        }
        Ok(vouched)
    }

    /// The claims of the ID token, if it is the provider's, for us, for this sign-in and still good.
    fn claims(
        &self,
        client: &OidcClient,
        tokens: &Tokens,
        nonce: &Nonce,
    ) -> Result<Map<String, Value>, ClaimsVerificationError> {
        let other = |why: &str| ClaimsVerificationError::Other(why.to_owned());
        let token = tokens.id_token().ok_or_else(|| other("there is no ID token"))?;
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let claims = token.claims(&verifier, nonce)?;
        if claims.authorized_party().is_some_and(|party| **party != self.config.client_id) {
            return Err(other("the token was given to another client"));
        }
        object(claims).ok_or_else(|| other("the claims are no object"))
    }

    /// What the provider tells beside the token, of the same person.
    async fn user_info(
        &self,
        client: &OidcClient,
        tokens: &Tokens,
        subject: &str,
        http: &Http,
    ) -> Result<Map<String, Value>, ApiError> {
        let token = tokens.access_token().clone();
        if !token.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("the access token is none"));
        }
        let subject = openidconnect::SubjectIdentifier::new(subject.to_owned());
        let request = client.user_info(token, Some(subject));
        let request = request.map_err(|error| ApiError::Internal(error.to_string()))?;
        let answer: Result<UserInfoClaims<Further, CoreGenderClaim>, _> =
            request.require_signed_response(false).request_async(http).await;
        let answer = answer.map_err(|error| {
            tracing::warn!(issuer = self.config.issuer, error = %error, "sign-in: no user info");
            away()
        })?;
        Ok(object(&answer).unwrap_or_default())
    }

    fn client(&self, metadata: &ProviderMetadataWithLogout) -> Result<OidcClient, ApiError> {
        let back = RedirectUrl::new(self.back.clone());
        let back = back.map_err(|error| ApiError::Internal(format!("api.public_url: {error}")))?;
        let secret = ClientSecret::new(self.config.client_secret.expose().to_owned());
        let id = ClientId::new(self.config.client_id.clone());
        let client = Client::from_provider_metadata(metadata.clone(), id, Some(secret));
        let methods = metadata.token_endpoint_auth_methods_supported();
        let takes = |method| methods.is_none_or(|methods| methods.contains(&method));
        let by_form = !takes(CoreClientAuthMethod::ClientSecretBasic)
            && takes(CoreClientAuthMethod::ClientSecretPost);
        let auth = if by_form { AuthType::RequestBody } else { AuthType::BasicAuth };
        Ok(client.set_auth_type(auth).set_redirect_uri(back))
    }

    fn not_exchanged(
        &self,
        error: RequestTokenError<HttpError, StandardErrorResponse<CoreErrorResponseType>>,
    ) -> ApiError {
        let issuer = &self.config.issuer;
        match error {
            RequestTokenError::ServerResponse(said) => {
                let (error, description) = (said.error().to_string(), said.error_description());
                let description = description.map(String::as_str).unwrap_or_default();
                tracing::warn!(issuer, error, "sign-in: the provider takes no code");
                said_no(StatusCode::BAD_GATEWAY, &error, description)
            }
            RequestTokenError::Request(error) => {
                tracing::warn!(issuer, %error, "sign-in: the provider gives no token");
                away()
            }
            // What it sent may hold tokens.
            RequestTokenError::Parse(error, _) => {
                let at = error.path().to_string();
                tracing::warn!(issuer, at, "sign-in: the provider gives no token");
                bad("it is no token")
            }
            RequestTokenError::Other(error) => {
                tracing::warn!(issuer, error, "sign-in: the provider gives no token");
                bad("it is no token")
            }
        }
    }

    /// What the configuration gives to somebody.
    fn person(&self, vouched: Vouched) -> Result<Person, ApiError> {
        let Some(grant) = self.config.grant(&vouched) else {
            tracing::info!(subject = vouched.subject, "sign-in: no grant matches");
            return Err(no_grant(&vouched, &self.config));
        };
        Ok(Person {
            issuer: self.config.issuer.clone(),
            name: vouched.shown(),
            subject: vouched.subject,
            tenant: grant.tenant.clone(),
            scopes: grant.scopes.clone(),
            regions: grant.regions.clone(),
        })
    }
}

fn object(claims: &impl Serialize) -> Option<Map<String, Value>> {
    match serde_json::to_value(claims) {
        Ok(Value::Object(claims)) => Some(claims),
        Ok(_) | Err(_) => None,
    }
}

/// Whether other keys may make a token good.
fn is_of_a_key(error: &ClaimsVerificationError) -> bool {
    use SignatureVerificationError as Bad;
    match error {
        ClaimsVerificationError::SignatureVerification(error) => {
            matches!(error, Bad::NoMatchingKey | Bad::CryptoError(_) | Bad::AmbiguousKeyId(_))
        }
        _ => false,
    }
}

/// What is wrong with a token, and why.
fn told(error: &ClaimsVerificationError) -> String {
    match error {
        ClaimsVerificationError::SignatureVerification(why) => format!("its signature: {why}"),
        other => other.to_string(),
    }
}

/// The provider does not answer: 503.
fn away() -> ApiError {
    let detail =
        "the sign-in service does not answer; try again in a moment, or sign in with a key";
    ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, "sign_in_away", detail)
}

/// Too many sign in at once: 503.
fn busy() -> ApiError {
    let detail = "too many people are signing in; try again in a moment";
    ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, "sign_in_busy", detail)
}

/// No sign-in of this browser is the one that has come to an end: 400.
fn not_begun() -> ApiError {
    let detail = "this sign-in was not begun in this browser, or more than ten minutes ago, or another one was begun \
                  since; begin again";
    ApiError::refused(StatusCode::BAD_REQUEST, "sign_in_not_begun", detail)
}

/// The provider says no.
fn said_no(status: StatusCode, error: &str, description: &str) -> ApiError {
    let said =
        if description.is_empty() { error.to_owned() } else { format!("{error}: {description}") };
    let said: String = said.chars().filter(|letter| !letter.is_control()).take(SAID_MAX).collect();
    ApiError::refused(status, "sign_in_refused", format!("the sign-in service says no: {said}"))
}

/// What the provider sent cannot be trusted: 502.
fn bad(why: &str) -> ApiError {
    let detail = format!(
        "what the sign-in service sent is not good: {why}; try again, and tell the operator if it stays so"
    );
    ApiError::refused(StatusCode::BAD_GATEWAY, "sign_in_not_good", detail)
}

/// Nothing was given to them: 403.
fn no_grant(vouched: &Vouched, config: &OidcConfig) -> ApiError {
    const SHOWN: usize = 20;
    let (name, claim) = (vouched.shown(), &config.groups_claim);
    let groups = match vouched.groups.as_deref() {
        None => format!("the sign-in service sent no claim `{claim}`"),
        Some([]) => format!("the claim `{claim}` is empty"),
        Some(groups) => {
            let groups =
                groups.iter().take(SHOWN).map(|group| group.chars().take(60).collect::<String>());
            format!("the claim `{claim}` has: {}", groups.collect::<Vec<_>>().join(", "))
        }
    };
    let detail = format!(
        "{name} is known and may do nothing here: {groups}; ask the operator for a grant in api.oidc.grants, or to be put \
         into a group that has one"
    );
    ApiError::refused(StatusCode::FORBIDDEN, "sign_in_no_grant", detail)
}
