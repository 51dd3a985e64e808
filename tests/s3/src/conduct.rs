//! How a server deals with conditions: soundly, or as one of those in the wild that do not.

use std::time::Duration;

/// What the server makes of `If-None-Match` and `If-Match`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Conduct {
    /// One step under the bucket's lock decides and performs.
    #[default]
    Arbitrates,
    /// Conditions are accepted and ignored (garage 2.5 does so).
    IgnoresConditions,
    /// Only `If-Match` is ignored.
    IgnoresMatch,
    /// The condition is checked before the body is read, and then the object is written without a lock (s3s-fs 0.14 does so). The
    /// pause lies between the two.
    ChecksThenWrites(Duration),
    /// Every `If-Match` is answered with 412, also of the ETag that is there (radosgw 16 does so).
    MatchesNothing,
    /// A plain put arbitrates; the condition of a multipart upload's last step is ignored.
    IgnoresConditionsOfParts,
    /// Conditional writes are answered with 501.
    KnowsNoConditions,
    /// The metadata of objects is not kept.
    ForgetsMetadata,
}
