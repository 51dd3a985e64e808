//! [`Versions`]: what the broker at the other end has.

use std::{collections::HashMap, ops::RangeInclusive, time::Duration};

use wire::{ApiKey, ApiVersionsRequest, ApiVersionsResponse, ErrorCode};

use super::Connection;
use crate::{CallError, ClientError};

/// The versions of each API that a broker has, and the features in force (KIP-584).
#[derive(Clone, Debug, Default)]
pub(crate) struct Versions {
    apis: HashMap<i16, RangeInclusive<i16>>,
    features: HashMap<String, i16>,
}

impl Versions {
    /// Before the broker has said anything only ApiVersions may be asked.
    pub(crate) fn first_contact() -> Self {
        Self { apis: HashMap::from([(ApiKey::ApiVersions.code(), ApiKey::ApiVersions.versions())]), features: HashMap::new() }
    }

    fn told(response: &ApiVersionsResponse) -> Self {
        let apis = response.api_keys.iter().map(|api| (api.api_key, api.min_version..=api.max_version)).collect();
        let features = response.finalized_features.iter().map(|feature| (feature.name.to_string(), feature.max_version_level)).collect();
        Self { apis, features }
    }

    /// The highest version that both sides have, if it is at least `needed`.
    pub(crate) fn pick(&self, api: ApiKey, needed: i16) -> Option<i16> {
        let (ours, theirs) = (api.versions(), self.apis.get(&api.code())?);
        let highest = *ours.end().min(theirs.end());
        (highest >= *ours.start().max(theirs.start()) && highest >= needed).then_some(highest)
    }

    pub(crate) fn feature(&self, name: &str) -> Option<i16> {
        self.features.get(name).copied()
    }
}

/// Asks in our highest version. A broker that does not have it answers in version 0, naming those it has; then that one is asked (KIP-511).
pub(super) async fn ask(connection: &Connection) -> Result<Versions, ClientError> {
    let request =
        ApiVersionsRequest { client_software_name: "streamwright".into(), client_software_version: env!("CARGO_PKG_VERSION").into() };
    let highest = *ApiKey::ApiVersions.versions().end();
    let mut response = ask_in(connection, &request, highest).await?;
    if response.error_code == ErrorCode::UnsupportedVersion {
        let theirs = response.api_keys.iter().find(|api| api.api_key == ApiKey::ApiVersions.code());
        let highest = theirs.map_or(0, |api| api.max_version.clamp(0, highest));
        response = ask_in(connection, &request, highest).await?;
    }
    response.error_code.check().map_err(|code| ClientError::refused(ApiKey::ApiVersions, code))?;
    Ok(Versions::told(&response))
}

async fn ask_in(connection: &Connection, request: &ApiVersionsRequest, version: i16) -> Result<ApiVersionsResponse, CallError> {
    let mut pending = connection.send_as(request, version, Duration::ZERO).await?;
    pending.or_version = Some(0);
    pending.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_of_both_is_picked_if_it_is_enough() {
        let told = |min, max| Versions { apis: HashMap::from([(ApiKey::Fetch.code(), min..=max)]), ..Default::default() };
        assert_eq!(told(0, 99).pick(ApiKey::Fetch, 4), Some(17));
        assert_eq!(told(4, 12).pick(ApiKey::Fetch, 4), Some(12));
        assert_eq!(told(4, 12).pick(ApiKey::Fetch, 13), None);
        assert_eq!(told(18, 20).pick(ApiKey::Fetch, 4), None);
        assert_eq!(told(0, 3).pick(ApiKey::Fetch, 0), None);
        assert_eq!(told(4, 12).pick(ApiKey::Produce, 3), None);
    }
}
