//! Headers: what stands between a frame's length and its message.

use bytes::Bytes;

use crate::{
    ApiKey, DecodeError, Decoder, EncodeError, Encoder, ErrorCode, Message, Request, Str,
    api::api_versions::{ApiVersion, ApiVersionsResponse},
    field::{Field, Shape},
    frame::{Encoded, PREFIX_BYTES},
};

/// What a request's frame says before its message (header versions 1 and 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader {
    /// The API; its message follows.
    pub api: ApiKey,
    /// The version in which the message follows; one that we have.
    pub version: i16,
    /// Repeated in front of the answer.
    pub correlation_id: i32,
    /// What the client calls itself.
    pub client_id: Option<Str>,
}

/// A request that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// No such API here: close the connection, as Kafka does.
    #[error("API key {key} in version {version} is not known")]
    UnknownApi {
        /// The key asked for.
        key: i16,
        /// The version asked for.
        version: i16,
    },
    /// The API is known, the version is not. ApiVersions is answered by [`unsupported_api_versions`]; for others close the connection,
    /// as Kafka does.
    #[error("version {version} of {api} is not known")]
    UnsupportedVersion {
        /// The API asked for.
        api: ApiKey,
        /// The version asked for.
        version: i16,
        /// To be repeated in front of the answer.
        correlation_id: i32,
    },
    /// The bytes are no header.
    #[error(transparent)]
    Malformed(#[from] DecodeError),
}

impl RequestHeader {
    /// Reads the header of a request; the message follows in `decoder`.
    ///
    /// # Errors
    /// [`HeaderError`], each with what to do about it.
    pub fn decode(decoder: &mut Decoder) -> Result<Self, HeaderError> {
        let key = i16::from_be_bytes(decoder.array()?);
        let version = i16::from_be_bytes(decoder.array()?);
        let correlation_id = i32::from_be_bytes(decoder.array()?);
        let api = ApiKey::from_code(key).ok_or(HeaderError::UnknownApi { key, version })?;
        if !api.versions().contains(&version) {
            return Err(HeaderError::UnsupportedVersion { api, version, correlation_id });
        }
        let client_id = <Option<Str>>::decode(decoder, client_id_shape())?;
        if api.request_header_version(version) >= 2 {
            decoder.tagged_fields(|_, _| Ok(false))?;
        }
        Ok(Self { api, version, correlation_id, client_id })
    }
}

/// The client id keeps its two-byte length in flexible headers too (KIP-482).
fn client_id_shape() -> Shape {
    Shape { version: 1, flexible: false, nullable: true }
}

/// A whole frame that asks `request` in `version`.
///
/// # Errors
/// [`EncodeError`] where the version cannot say it.
pub fn encode_request<R: Request>(request: &R, version: i16, correlation_id: i32, client_id: Option<&Str>) -> Result<Encoded, EncodeError> {
    framed(|encoder| {
        encoder.put(&R::API.code().to_be_bytes());
        encoder.put(&version.to_be_bytes());
        encoder.put(&correlation_id.to_be_bytes());
        client_id.cloned().encode(encoder, client_id_shape())?;
        if R::API.request_header_version(version) >= 2 {
            encoder.put_unsigned_varint(0);
        }
        request.encode(encoder, version)
    })
}

/// A whole frame that answers with `response` a request that came in `version`.
///
/// # Errors
/// [`EncodeError`] where the version cannot say it.
pub fn encode_response<R: Message>(response: &R, version: i16, correlation_id: i32) -> Result<Encoded, EncodeError> {
    framed(|encoder| {
        encoder.put(&correlation_id.to_be_bytes());
        if R::API.response_header_version(version) >= 1 {
            encoder.put_unsigned_varint(0);
        }
        response.encode(encoder, version)
    })
}

/// Reads the frame that answers a request of `version`: its correlation id, and the message.
///
/// # Errors
/// [`DecodeError`] where the frame is not that answer.
pub fn decode_response<R: Message>(frame: Bytes, version: i16) -> Result<(i32, R), DecodeError> {
    let mut decoder = Decoder::new(frame);
    let correlation_id = i32::from_be_bytes(decoder.array()?);
    if R::API.response_header_version(version) >= 1 {
        decoder.tagged_fields(|_, _| Ok(false))?;
    }
    Ok((correlation_id, R::decode(&mut decoder, version)?))
}

/// The answer to an ApiVersions request of a version that we do not have: version 0 with UNSUPPORTED_VERSION and the versions of
/// ApiVersions that we do have, so that the client can ask again (KIP-511).
#[must_use]
pub fn unsupported_api_versions(correlation_id: i32) -> Encoded {
    let versions = ApiKey::ApiVersions.versions();
    let known = ApiVersion { api_key: ApiKey::ApiVersions.code(), min_version: *versions.start(), max_version: *versions.end() };
    let response = ApiVersionsResponse { error_code: ErrorCode::UnsupportedVersion, api_keys: vec![known], ..Default::default() };
    encode_response(&response, 0, correlation_id).expect("three numbers and a list of one fit into version 0")
}

fn framed(write: impl FnOnce(&mut Encoder) -> Result<(), EncodeError>) -> Result<Encoded, EncodeError> {
    let mut encoder = Encoder::new();
    encoder.put(&[0; PREFIX_BYTES]);
    write(&mut encoder)?;
    let length = encoder.len() - PREFIX_BYTES;
    encoder.patch_i32(0, i32::try_from(length).map_err(|_| EncodeError::Length(length))?);
    Ok(Encoded::new(encoder.finish()))
}
