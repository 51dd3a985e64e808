//! The authority: made once, succeeded after two thirds of its life, in steps that cut nobody off.
//!
//! ```text
//! Make       no authority                                          current
//! Prepare    two thirds of current's life have passed              current + next: both trusted, current signs
//! Promote    next has been trusted for a month (or current ends)   current (was next) + previous: both trusted, the new one signs
//! Forget     what previous signed has been replaced long since     current
//! ```
//! The step is read off the certificates' own times, so that no other memory is needed.

use crds::Timestamp;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use std::{collections::BTreeMap, fmt};

use super::{CLOCK_SKEW, CertificateError, DAY, Issued, Parsed, Unreadable, at, is_due};

/// Name of the Secret, in the operator's namespace.
pub const SECRET: &str = "streamwright-ca";

/// How long an authority holds.
const LIFE: i64 = 5 * 365 * DAY;
/// How long a new one is trusted before it signs: the time that clients outside have to learn of it.
const TRUSTED_BEFORE_SIGNING: i64 = 30 * DAY;
/// How long the one before stays trusted: longer than anything lives that it signed.
const TRUSTED_AFTER_SIGNING: i64 = 91 * DAY;
/// So long before its end it signs no more, trusted successor or not.
const LAST_DAYS: i64 = 7 * DAY;

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing to do.
    Keep,
    /// The first authority.
    Make,
    /// A successor, trusted but not yet signing.
    Prepare,
    /// The successor signs from now on.
    Promote,
    /// The predecessor is trusted no more.
    Forget,
}

/// An authority that can sign.
#[derive(Clone, PartialEq, Eq)]
struct Signer {
    pair: Issued,
    parsed: Parsed,
}

/// The authority, with its successor and predecessor while it has them.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    current: Signer,
    next: Option<Signer>,
    previous: Option<String>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("trusted", &self.trusted()).finish_non_exhaustive()
    }
}

impl Authority {
    /// Reads the `data` of the Secret; `None` where it is empty.
    ///
    /// # Errors
    /// [`Unreadable`] where something is there that is no authority.
    pub fn read(data: &BTreeMap<String, String>) -> Result<Option<Self>, Unreadable> {
        if data.is_empty() {
            return Ok(None);
        }
        let signer = |name: &str| -> Result<Option<Signer>, Unreadable> {
            let (certificate, key) = (format!("{name}.crt"), format!("{name}.key"));
            match (data.get(&certificate), data.get(&key)) {
                (Some(pem), Some(secret)) => {
                    KeyPair::from_pem(secret).map_err(|_| Unreadable { what: key })?;
                    let parsed = Parsed::read(pem, &certificate)?;
                    Ok(Some(Signer { pair: Issued { certificate: pem.clone(), key: secret.clone() }, parsed }))
                }
                (None, None) => Ok(None),
                (None, Some(_)) => Err(Unreadable { what: certificate }),
                (Some(_), None) => Err(Unreadable { what: key }),
            }
        };
        let current = signer("ca")?.ok_or_else(|| Unreadable { what: "ca.crt".into() })?;
        let previous = data.get("previous.crt").cloned();
        if let Some(previous) = &previous {
            Parsed::read(previous, "previous.crt")?;
        }
        Ok(Some(Self { current, next: signer("next")?, previous }))
    }

    /// The `data` of the Secret.
    #[must_use]
    pub fn data(&self) -> BTreeMap<String, String> {
        let mut data = BTreeMap::new();
        let mut put = |name: &str, signer: &Signer| {
            data.insert(format!("{name}.crt"), signer.pair.certificate.clone());
            data.insert(format!("{name}.key"), signer.pair.key.clone());
        };
        put("ca", &self.current);
        self.next.iter().for_each(|next| put("next", next));
        data.extend(self.previous.iter().map(|previous| ("previous.crt".to_owned(), previous.clone())));
        data
    }

    /// All certificates (PEM) that are to be trusted now; public.
    #[must_use]
    pub fn trusted(&self) -> String {
        let next = self.next.as_ref().map(|next| next.pair.certificate.as_str());
        [Some(self.current.pair.certificate.as_str()), next, self.previous.as_deref()].into_iter().flatten().collect()
    }

    /// Seconds since 1970 until which what signs now holds.
    #[must_use]
    pub fn not_after(&self) -> i64 {
        self.current.parsed.not_after
    }

    pub(crate) fn key_id(&self) -> &[u8] {
        &self.current.parsed.key_id
    }

    pub(crate) fn issuer(&self) -> Result<Issuer<'static, KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_pem(&self.current.pair.certificate, KeyPair::from_pem(&self.current.pair.key)?)
    }
}

/// The next step of the authority that is there.
#[must_use]
pub fn decide(now: Timestamp, authority: Option<&Authority>) -> Step {
    let Some(Authority { current, next, previous }) = authority else { return Step::Make };
    let second = now.as_second();
    match next {
        Some(next) => {
            let is_known = second >= next.parsed.not_before + CLOCK_SKEW + TRUSTED_BEFORE_SIGNING;
            let is_late = second >= current.parsed.not_after - LAST_DAYS;
            if is_known || is_late { Step::Promote } else { Step::Keep }
        }
        None if previous.is_some() && second >= signs_since(current) + TRUSTED_AFTER_SIGNING => Step::Forget,
        None if is_due(now, &current.parsed) => Step::Prepare,
        None => Step::Keep,
    }
}

/// Since when one that succeeded another has signed, at the latest.
fn signs_since(current: &Signer) -> i64 {
    current.parsed.not_before + CLOCK_SKEW + TRUSTED_BEFORE_SIGNING
}

/// Takes the step that is due; the same authority where there is none. One step a call: what one step gave must have reached the workers
/// before the next.
///
/// # Errors
/// [`CertificateError::Make`] where the library makes none.
pub fn advance(now: Timestamp, authority: Option<Authority>) -> Result<Authority, CertificateError> {
    let step = decide(now, authority.as_ref());
    Ok(match (step, authority) {
        (Step::Keep, Some(authority)) => authority,
        (Step::Prepare, Some(authority)) => Authority { next: Some(make(now)?), ..authority },
        (Step::Promote, Some(Authority { current, next: Some(next), .. })) => {
            Authority { current: next, next: None, previous: Some(current.pair.certificate) }
        }
        (Step::Forget, Some(authority)) => Authority { previous: None, ..authority },
        (_, _) => Authority { current: make(now)?, next: None, previous: None },
    })
}

fn make(now: Timestamp) -> Result<Signer, CertificateError> {
    let error = |source| CertificateError::Make { what: SECRET.into(), source };
    let key = KeyPair::generate().map_err(error)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::CommonName, format!("Streamwright authority {}", now.strftime("%Y-%m-%dT%H:%M:%SZ")));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = at(now, -CLOCK_SKEW);
    params.not_after = at(now, LIFE);
    let pem = params.self_signed(&key).map_err(error)?.pem();
    let parsed = Parsed::read(&pem, "ca.crt")?;
    Ok(Signer { pair: Issued { certificate: pem, key: key.serialize_pem() }, parsed })
}
