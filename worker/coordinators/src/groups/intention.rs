//! What a group coordinator wants its shell to do.

use units::{Offset, PartitionId};

use super::Response;
use crate::{AppendToken, Record, Token};

/// Something for the shell to do; taken with [`super::Groups::poll`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Intention {
    /// Answer the request `token`.
    Respond {
        /// Which request.
        token: Token,
        /// With what.
        response: Response,
    },
    /// Append `records` as *one* batch to this coordinator's partition, and say when it is durable or will never be: `on_appended`.
    ///
    /// Appends of one partition are put into its log in the order in which they were handed out.
    Append {
        /// To which partition.
        partition: PartitionId,
        /// What, in this order.
        records: Vec<Record>,
        /// Given back to [`super::Groups::on_appended`].
        token: AppendToken,
    },
    /// All that lies before `below` is contained in a snapshot that is durable: DeleteRecords may take it. No answer is expected.
    Trim {
        /// Of which partition.
        partition: PartitionId,
        /// The first offset to keep.
        below: Offset,
    },
}
