//! Windows of an aggregate's input that nothing but the grouping needs.

use std::sync::Arc;

use super::{Relation, RelationKind};
use crate::plan::Window;
use crate::scalar::{Kind, Scalar};

/// A relation without the window columns that an aggregate above it would only group by.
pub(crate) struct Unassigned {
    pub(crate) relation: Arc<Relation>,
    /// Position of the event time in it.
    pub(crate) time: usize,
    pub(crate) window: Window,
    /// For each column of the relation as it was, its position now; none for window columns.
    positions: Vec<Option<usize>>,
}

impl Unassigned {
    /// The expression over the columns as they are now; `None` when it reads a window column.
    pub(crate) fn remap(&self, scalar: &Scalar) -> Option<Scalar> {
        scalar.remap(&|index| self.positions[index])
    }
}

/// Takes the assignment of windows out of a chain of filters and projections, so that the aggregate assigns rows to slices itself.
/// `None` when something in between computes with the window, or there is no such chain.
pub(crate) fn unassign(relation: &Arc<Relation>) -> Option<Unassigned> {
    match &relation.kind {
        RelationKind::Assign { input, time, window } => {
            let mut positions: Vec<Option<usize>> = (0..input.columns.len()).map(Some).collect();
            positions.extend([None; 3]);
            Some(Unassigned { relation: Arc::clone(input), time: *time, window: *window, positions })
        }
        RelationKind::Filter { input, predicate } => {
            let below = unassign(input)?;
            let filtered = Relation::filter(&below.relation, below.remap(predicate)?);
            Some(Unassigned { relation: Arc::new(filtered), ..below })
        }
        RelationKind::Project { input, expressions } => {
            let below = unassign(input)?;
            let mut named = Vec::new();
            let mut positions = Vec::new();
            for (expression, column) in expressions.iter().zip(&relation.columns) {
                let is_window_column = matches!(expression.kind, Kind::Column(index) if below.positions[index].is_none());
                positions.push(if is_window_column { None } else { Some(named.len()) });
                if !is_window_column {
                    named.push((column.name.clone(), below.remap(expression)?));
                }
            }
            let time = named.len();
            let time_column = &below.relation.columns[below.time];
            named.push((time_column.name.clone(), Scalar::column(below.time, time_column.data_type.clone(), time_column.nullable)));
            let projected = Arc::new(Relation::project(&below.relation, named));
            Some(Unassigned { relation: projected, time, window: below.window, positions })
        }
        _ => None,
    }
}
