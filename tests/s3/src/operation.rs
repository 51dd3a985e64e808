//! Which operation of S3 a request asks for.

use hyper::{Method, Uri};

/// An operation of S3, by Amazon's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Operation {
    GetObject,
    HeadObject,
    PutObject,
    DeleteObject,
    DeleteObjects,
    ListObjectsV2,
    CreateMultipartUpload,
    UploadPart,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListMultipartUploads,
    /// Anything else: of buckets, or nothing that is served.
    Other,
}

impl Operation {
    /// The operation of a path-style request, and the key (or prefix) it is about.
    #[must_use]
    pub(crate) fn of(method: &Method, uri: &Uri) -> (Self, String) {
        let query = uri.query().unwrap_or_default();
        let value = |name: &str| query.split('&').find(|pair| pair.split_once('=').map_or(*pair, |(name, _)| name) == name);
        let has = |name| value(name).is_some();
        let key = uri.path().trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
        let operation = match (method.as_str(), key.is_empty()) {
            ("GET", true) if has("uploads") => Self::ListMultipartUploads,
            ("GET", true) if has("list-type") => Self::ListObjectsV2,
            ("POST", true) if has("delete") => Self::DeleteObjects,
            ("GET", false) => Self::GetObject,
            ("HEAD", false) => Self::HeadObject,
            ("PUT", false) if has("uploadId") => Self::UploadPart,
            ("PUT", false) => Self::PutObject,
            ("POST", false) if has("uploads") => Self::CreateMultipartUpload,
            ("POST", false) if has("uploadId") => Self::CompleteMultipartUpload,
            ("DELETE", false) if has("uploadId") => Self::AbortMultipartUpload,
            ("DELETE", false) => Self::DeleteObject,
            _ => Self::Other,
        };
        let key = match operation {
            Self::ListObjectsV2 => value("prefix").and_then(|pair| pair.split_once('=')).map_or("", |(_, prefix)| prefix),
            _ => key,
        };
        (operation, key.replace("%2F", "/").replace("%3D", "="))
    }

    /// Whether it changes what is stored.
    #[must_use]
    pub fn is_write(self) -> bool {
        matches!(
            self,
            Self::PutObject
                | Self::DeleteObject
                | Self::DeleteObjects
                | Self::CreateMultipartUpload
                | Self::UploadPart
                | Self::CompleteMultipartUpload
                | Self::AbortMultipartUpload
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_told_apart() {
        for (method, uri, operation, key) in [
            ("GET", "/b/a/c", Operation::GetObject, "a/c"),
            ("PUT", "/b/a?x-id=PutObject", Operation::PutObject, "a"),
            ("PUT", "/b/a?partNumber=1&uploadId=7", Operation::UploadPart, "a"),
            ("POST", "/b/a?uploads", Operation::CreateMultipartUpload, "a"),
            ("POST", "/b/a?uploadId=7", Operation::CompleteMultipartUpload, "a"),
            ("DELETE", "/b/a?uploadId=7", Operation::AbortMultipartUpload, "a"),
            ("GET", "/b/?list-type=2&prefix=a%2Fb", Operation::ListObjectsV2, "a/b"),
            ("GET", "/b?uploads", Operation::ListMultipartUploads, ""),
            ("POST", "/b?delete", Operation::DeleteObjects, ""),
            ("HEAD", "/b", Operation::Other, ""),
        ] {
            assert_eq!(Operation::of(&method.parse().unwrap(), &uri.parse().unwrap()), (operation, key.into()), "{method} {uri}");
        }
    }
}
