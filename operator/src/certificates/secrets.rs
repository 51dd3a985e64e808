//! The Secrets of one namespace: what is in them, and what is to be written.

use crds::{ObjectMeta, Timestamp};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use std::collections::BTreeMap;

use super::{
    Authority, CertificateError, Identity, SECRETS,
    leaf::{self, Decision, Why},
    place::AUTHORITIES,
};

/// Keys and files of one Secret, as text.
pub type Data = BTreeMap<String, String>;

/// What is to be done with a Secret.
#[derive(Clone, Debug, PartialEq)]
pub enum Intention {
    /// It is applied, whole.
    Apply(Box<Secret>),
    /// It is deleted: nobody needs it any more.
    Delete {
        /// Its name.
        name: String,
    },
}

/// What is to be done, and the certificates that are new.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of the names; empty where everything is as it shall be.
    pub intentions: Vec<Intention>,
    /// Beginning of the keys of each certificate made, and why.
    pub issued: Vec<(String, Why)>,
    /// Certificates that could not be made; everything else goes on.
    pub failed: Vec<CertificateError>,
}

/// What is to be written in `namespace`, which has the Secrets `existing` (by name; only those of [`SECRETS`]) and needs the certificates
/// `wanted` and no others. Writes nothing that is as it shall be.
#[must_use]
pub fn plan(now: Timestamp, namespace: &str, authority: &Authority, wanted: &[Identity], existing: &BTreeMap<String, Data>) -> Plan {
    let mut plan = Plan::default();
    for name in SECRETS {
        let here: Vec<_> = wanted.iter().filter(|identity| identity.place.secret == name).collect();
        let before = existing.get(name);
        if here.is_empty() {
            plan.intentions.extend(before.map(|_| Intention::Delete { name: name.into() }));
            continue;
        }
        let mut data = Data::from([(AUTHORITIES.to_owned(), authority.trusted())]);
        for identity in here {
            data.extend(plan.pair(now, identity, before, authority));
        }
        if before != Some(&data) {
            plan.intentions.push(Intention::Apply(Box::new(secret(namespace, name, data))));
        }
    }
    plan
}

impl Plan {
    /// The certificate that is kept, or a new one; the kept one where no new one can be made.
    fn pair(&mut self, now: Timestamp, identity: &Identity, before: Option<&Data>, authority: &Authority) -> Data {
        let (certificate, key) = (identity.place.certificate(), identity.place.key());
        let kept = before.and_then(|before| Some((before.get(&certificate)?, before.get(&key)?)));
        let kept_pair = || kept.map(|(pem, secret)| Data::from([(certificate.clone(), pem.clone()), (key.clone(), secret.clone())]));
        let Decision::Issue(why) = leaf::decide(now, identity, kept.map(|(pem, _)| pem.as_str()), authority) else {
            return kept_pair().unwrap_or_default();
        };
        match leaf::issue(now, identity, authority) {
            Ok(issued) => {
                self.issued.push((identity.place.prefix.clone(), why));
                Data::from([(certificate, issued.certificate), (key, issued.key)])
            }
            Err(error) => {
                self.failed.push(error);
                kept_pair().unwrap_or_default()
            }
        }
    }
}

/// A Secret as it is applied; of the authority as well, by [`super::authority::SECRET`].
#[must_use]
pub fn secret(namespace: &str, name: &str, data: Data) -> Secret {
    let labels = [
        ("app.kubernetes.io/name", "streamwright"),
        ("app.kubernetes.io/component", "certificates"),
        ("app.kubernetes.io/managed-by", "streamwright-operator"),
        ("app.kubernetes.io/part-of", "streamwright"),
    ];
    Secret {
        metadata: ObjectMeta {
            name: Some(name.into()),
            namespace: Some(namespace.into()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        },
        data: Some(data.into_iter().map(|(key, text)| (key, ByteString(text.into_bytes()))).collect()),
        type_: Some("Opaque".into()),
        ..Secret::default()
    }
}
