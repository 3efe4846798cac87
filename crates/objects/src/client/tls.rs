//! Whom a client trusts. TLS is rustls with ring.

use std::error::Error;
use std::fs;
use std::path::Path;

use aws_sdk_s3::config::SharedHttpClient;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::config::ObjectsConfig;
use crate::error::{ObjectsError, causes};

/// What makes the connections to `endpoint`. A plain one gets a client without TLS, which wants no root certificates.
pub(super) fn http_client(config: &ObjectsConfig) -> Result<SharedHttpClient, ObjectsError> {
    let builder = Builder::new();
    if !config.endpoint.starts_with("https://") {
        return Ok(builder.build_http());
    }
    let trusted = match &config.tls_ca_file {
        Some(path) => TrustStore::empty().with_pem_certificate(read_certificates(path)?),
        None => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trusted).build();
    let context = context.map_err(|error| ObjectsError::Config(error.to_string()))?;
    let provider = Provider::Rustls(CryptoMode::Ring);
    Ok(builder.tls_provider(provider).tls_context(context).build_https())
}

/// A PEM file of CAs. The SDK would panic at its first connection over one that it cannot read.
fn read_certificates(path: &Path) -> Result<Vec<u8>, ObjectsError> {
    let refused =
        |reason: &str| ObjectsError::Config(format!("tls_ca_file {}: {reason}", path.display()));
    let pem = fs::read(path).map_err(|error| refused(&error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| refused(&error.to_string()))?;
        roots.add(certificate).map_err(|error| refused(&error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("it holds no certificate"));
    }
    Ok(pem)
}

/// What is wrong with the server's certificate, if that is why no connection came about.
pub(crate) fn distrust(error: &(dyn Error + 'static)) -> Option<String> {
    let distrusted = causes(error)
        .find(|error| matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))));
    distrusted.map(ToString::to_string)
}
