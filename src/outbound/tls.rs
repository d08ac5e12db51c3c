//! What a server's certificate is checked against: the platform's roots, plus the operator's own.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls_platform_verifier::Verifier;

use super::OutboundError;

/// The TLS settings of all outgoing sessions. The platform's roots honour `SSL_CERT_FILE` and `SSL_CERT_DIR`.
///
/// # Errors
/// `extra_ca_pem` holds no certificate, or there is no root at all.
pub(super) fn client_config(extra_ca_pem: Option<&[u8]>) -> Result<ClientConfig, OutboundError> {
    let extra = extra_ca_pem.map(certificates).transpose()?.unwrap_or_default();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier =
        Verifier::new_with_extra_roots(extra, Arc::clone(&provider)).map_err(OutboundError::Tls)?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(OutboundError::Tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(config)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, OutboundError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found),
        _ => Err(OutboundError::Ca),
    }
}
