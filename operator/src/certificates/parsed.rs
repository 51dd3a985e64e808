//! What a certificate says, as far as it is asked.

use std::{collections::BTreeSet, net::IpAddr};
use x509_parser::{
    extensions::{GeneralName, ParsedExtension},
    pem::parse_x509_pem,
};

/// The text is no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} is not a certificate in PEM")]
pub struct Unreadable {
    /// The key of the Secret.
    pub what: String,
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed {
    /// Seconds since 1970 from which it holds, inclusive.
    pub not_before: i64,
    /// Seconds since 1970 until which it holds, inclusive.
    pub not_after: i64,
    /// Hosts and addresses that it is for.
    pub names: BTreeSet<String>,
    /// Identifier of its own key.
    pub key_id: Vec<u8>,
    /// Identifier of the key that signed it.
    pub authority_key_id: Vec<u8>,
}

impl Parsed {
    /// Reads the first certificate of `pem`; `what` names it in the error.
    ///
    /// # Errors
    /// [`Unreadable`] where there is none.
    pub fn read(pem: &str, what: &str) -> Result<Self, Unreadable> {
        let unreadable = || Unreadable { what: what.into() };
        let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| unreadable())?;
        let certificate = block.parse_x509().map_err(|_| unreadable())?;
        let validity = certificate.validity();
        let mut parsed = Self {
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            names: BTreeSet::new(),
            key_id: Vec::new(),
            authority_key_id: Vec::new(),
        };
        for extension in certificate.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(names) => parsed.names.extend(names.general_names.iter().filter_map(name)),
                ParsedExtension::SubjectKeyIdentifier(id) => parsed.key_id = id.0.to_vec(),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    parsed.authority_key_id = id.key_identifier.as_ref().map(|id| id.0.to_vec()).unwrap_or_default();
                }
                _ => {}
            }
        }
        Ok(parsed)
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(host) => Some((*host).to_owned()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|bytes| IpAddr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    }
}
