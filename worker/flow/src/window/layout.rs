//! What a window aggregate's rows look like on each of their ways: to the exchange, into the state, out.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use sql::{AggregateFunction, Node, Operator, WindowInput};

use super::{accumulator::AggregateKind, pane::Panes};
use crate::{
    column::{Column, UnsupportedType},
    operand::Operand,
};

/// Columns of a partial batch before the keys: `key_hash`, `pane_end`, `rows`.
pub(crate) const PARTIAL_HEAD: usize = 3;
/// Columns of a delta before the keys: `key_hash`, `op`, `pane_end`, `watermark`.
pub(crate) const DELTA_HEAD: usize = 4;
/// Column `pane_end` of a delta.
pub(crate) const DELTA_PANE: usize = 2;

/// A window aggregate, compiled. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub panes: Panes,
    pub key_types: Vec<DataType>,
    pub aggregates: Arc<[AggregateKind]>,
    /// How many state columns each aggregate has.
    pub state_widths: Vec<usize>,
    pub partial: SchemaRef,
    pub delta: SchemaRef,
    pub output: SchemaRef,
}

/// The node at hand is another operator than a window aggregate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// A column of a type that no aggregate holds.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
    /// Not a window aggregate.
    #[error("node {0} is not a window aggregate")]
    OtherOperator(String),
}

/// What a window aggregate asks of its rows.
#[derive(Clone, Debug)]
pub(crate) struct Specification {
    pub windows: WindowInput,
    pub keys: Vec<Operand>,
    pub aggregates: Vec<AggregateOperands>,
    pub output: SchemaRef,
}

/// One aggregate and what it asks of a row.
#[derive(Clone, Debug)]
pub(crate) struct AggregateOperands {
    pub function: AggregateFunction,
    pub argument: Option<Operand>,
    pub filter: Option<Operand>,
    pub output: DataType,
}

impl Specification {
    pub fn of(node: &Node) -> Result<Self, LayoutError> {
        let Operator::WindowAggregate(aggregate) = &node.operator else { return Err(LayoutError::OtherOperator(node.name())) };
        let operands = |aggregate: &sql::Aggregate| AggregateOperands {
            function: aggregate.function,
            argument: aggregate.argument.as_ref().map(Operand::of),
            filter: aggregate.filter.as_ref().map(Operand::of),
            output: aggregate.output.clone(),
        };
        Ok(Self {
            windows: aggregate.windows,
            keys: aggregate.keys.iter().map(Operand::of).collect(),
            aggregates: aggregate.aggregates.iter().map(operands).collect(),
            output: Arc::clone(&node.schema),
        })
    }
}

impl Layout {
    pub fn of(specification: &Specification) -> Result<Self, LayoutError> {
        let kind = |aggregate: &AggregateOperands| AggregateKind {
            function: aggregate.function,
            argument: aggregate.argument.as_ref().map(|argument| argument.data_type().clone()),
            output: aggregate.output.clone(),
        };
        let aggregates: Arc<[AggregateKind]> = specification.aggregates.iter().map(kind).collect();
        let key_types: Vec<DataType> = specification.keys.iter().map(|key| key.data_type().clone()).collect();
        key_types.iter().try_for_each(|data_type| Column::new(data_type).map(drop))?;
        let states = aggregates.iter().enumerate().map(|(index, kind)| kind.state_fields(index)).collect::<Result<Vec<_>, _>>()?;
        let keys = key_types.iter().enumerate().map(|(index, data_type)| Field::new(format!("key{index}"), data_type.clone(), true));
        let own: Vec<Field> = keys.chain(states.iter().flatten().cloned()).collect();
        let schema = |head: Vec<Field>| Arc::new(Schema::new(head.into_iter().chain(own.iter().cloned()).collect::<Vec<_>>()));
        let partial = schema(vec![
            Field::new("key_hash", DataType::UInt64, false),
            Field::new("pane_end", DataType::Int64, false),
            Field::new("rows", DataType::UInt32, false),
        ]);
        let delta = schema(vec![
            Field::new("key_hash", DataType::UInt64, false),
            Field::new("op", DataType::Int8, false),
            Field::new("pane_end", DataType::Int64, false),
            Field::new("watermark", DataType::Int64, true),
        ]);
        Ok(Self {
            panes: Panes::of(&specification.windows),
            key_types,
            aggregates,
            state_widths: states.iter().map(Vec::len).collect(),
            partial,
            delta,
            output: Arc::clone(&specification.output),
        })
    }
}
