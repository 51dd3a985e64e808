//! One certificate that the authority signs: when it is made anew, and how.

use crds::Timestamp;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use std::{collections::BTreeSet, fmt};

use super::{Authority, CLOCK_SKEW, CertificateError, Parsed, Place, at, is_due};

/// Whom a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where it is kept.
    pub place: Place,
    /// Hosts (perhaps with `*` as the first label) and addresses; at least one.
    pub names: BTreeSet<String>,
    /// Which side of a connection it speaks for.
    pub usage: Usage,
    /// How long it holds.
    pub life_seconds: i64,
}

/// Which side of a connection a certificate speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// The side that listens.
    Server,
    /// The side that connects.
    Client,
}

/// Whether a certificate stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays.
    Keep,
    /// It is made anew.
    Issue(Why),
}

/// Why a certificate is made anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is none, or half of one.
    Missing,
    /// What is there is none.
    Unreadable,
    /// Two thirds of its life have passed.
    Due,
    /// It lacks one of the names.
    NamesMissing,
    /// Another authority signed it.
    OtherAuthority,
    /// It holds from a time that is still to come: the clock was wrong.
    FromTheFuture,
}

/// A certificate and its key, both in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Issued {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS #8): never shown.
    pub key: String,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued").field("certificate", &self.certificate).field("key", &"***").finish()
    }
}

/// Whether the certificate that is kept for `identity` (`None`: there is none, or its key is missing) stays. Names too many do not matter: an
/// address that is gone is not worth a new certificate before its time.
#[must_use]
pub fn decide(now: Timestamp, identity: &Identity, kept: Option<&str>, authority: &Authority) -> Decision {
    let Some(pem) = kept else { return Decision::Issue(Why::Missing) };
    let Ok(parsed) = Parsed::read(pem, "certificate") else { return Decision::Issue(Why::Unreadable) };
    if parsed.authority_key_id != authority.key_id() {
        Decision::Issue(Why::OtherAuthority)
    } else if !identity.names.is_subset(&parsed.names) {
        Decision::Issue(Why::NamesMissing)
    } else if is_due(now, &parsed) {
        Decision::Issue(Why::Due)
    } else if parsed.not_before > now.as_second() + CLOCK_SKEW {
        Decision::Issue(Why::FromTheFuture)
    } else {
        Decision::Keep
    }
}

/// Makes a certificate with a new key. It ends with its authority at the latest.
///
/// # Errors
/// [`CertificateError::Make`] where a name is none.
pub fn issue(now: Timestamp, identity: &Identity, authority: &Authority) -> Result<Issued, CertificateError> {
    let make = |source| CertificateError::Make { what: format!("{}{:?}", identity.place.prefix, identity.names), source };
    let key = KeyPair::generate().map_err(make)?;
    let mut params = CertificateParams::new(identity.names.iter().cloned().collect::<Vec<_>>()).map_err(make)?;
    // The names that count are the alternative ones; this one has at most 64 letters, and people read it.
    let common: String = identity.names.iter().next().into_iter().flat_map(|name| name.chars()).take(64).collect();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, common);
    params.not_before = at(now, -CLOCK_SKEW);
    params.not_after = at(now, identity.life_seconds).min(at(Timestamp::UNIX_EPOCH, authority.not_after()));
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![match identity.usage {
        Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
        Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
    }];
    let certificate = params.signed_by(&key, &authority.issuer().map_err(make)?).map_err(make)?;
    Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem() })
}
