//! A stream of rows as a query describes it, before it is turned into nodes: shared where a view is used twice, never copied.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};

use crate::error::{PlanError, Position};
use crate::lower::{AggregateCall, Budget};
use crate::plan::{SourceFrom, Window, WindowInput};
use crate::scalar::{Kind, Scalar};

mod unassign;

pub(crate) use unassign::unassign;

/// Relations above each other, so that walking them is bounded.
const HEIGHT_MAX: usize = 500;

/// Filters above each other become one as long as it has so few conditions: each of a chain copies those below it.
const MERGED_CONDITIONS_MAX: usize = 1_000;

/// Rows and what is known of them.
#[derive(Debug)]
pub(crate) struct Relation {
    pub(crate) kind: RelationKind,
    pub(crate) columns: Vec<RelationColumn>,
    /// Ways from sources to here.
    paths: u64,
    height: usize,
}

/// What makes the rows.
#[derive(Debug)]
pub(crate) enum RelationKind {
    Source(SourceFrom),
    Filter {
        input: Arc<Relation>,
        predicate: Scalar,
    },
    Project {
        input: Arc<Relation>,
        expressions: Vec<Scalar>,
    },
    /// Appends window_start, window_end, window_time.
    Assign {
        input: Arc<Relation>,
        time: usize,
        window: Window,
    },
    Union {
        inputs: Vec<Arc<Relation>>,
    },
    /// Columns: keys, aggregates, window_start, window_end, window_time.
    Aggregate {
        input: Arc<Relation>,
        windows: WindowInput,
        keys: Vec<Scalar>,
        aggregates: Vec<AggregateCall>,
    },
}

/// One column of a relation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RelationColumn {
    pub(crate) name: String,
    pub(crate) data_type: DataType,
    pub(crate) nullable: bool,
    pub(crate) role: Role,
}

/// What a column means for windows; lost by any computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Plain,
    EventTime,
    WindowStart(Window),
    WindowEnd(Window),
    /// Also an event time.
    WindowTime(Window),
}

impl Role {
    pub(crate) fn is_event_time(self) -> bool {
        matches!(self, Self::EventTime | Self::WindowTime(_))
    }
}

/// The three columns a window adds, in order.
pub(crate) fn window_columns(window: Window, time: &DataType) -> [RelationColumn; 3] {
    let column = |name: &str, data_type: DataType, role| RelationColumn { name: name.to_owned(), data_type, nullable: false, role };
    let plain = DataType::Timestamp(TimeUnit::Millisecond, None);
    [
        column("window_start", plain.clone(), Role::WindowStart(window)),
        column("window_end", plain, Role::WindowEnd(window)),
        column("window_time", time.clone(), Role::WindowTime(window)),
    ]
}

impl Relation {
    fn new(kind: RelationKind, columns: Vec<RelationColumn>) -> Self {
        let (paths, height) = match &kind {
            RelationKind::Source(_) => (1, 1),
            RelationKind::Filter { input, .. }
            | RelationKind::Project { input, .. }
            | RelationKind::Assign { input, .. }
            | RelationKind::Aggregate { input, .. } => (input.paths, input.height + 1),
            RelationKind::Union { inputs } => (
                inputs.iter().fold(0, |paths: u64, input| paths.saturating_add(input.paths)),
                1 + inputs.iter().map(|input| input.height).max().unwrap_or(0),
            ),
        };
        Self { kind, columns, paths, height }
    }

    /// Refuses what would multiply rows or nest without end.
    pub(crate) fn within(self, budget: &Budget<'_>, at: Position) -> Result<Arc<Self>, PlanError> {
        let limits = budget.limits;
        if self.paths > limits.paths {
            return Err(PlanError::new(at, format!("views over views repeat a source more than {} times here", limits.paths)));
        }
        if self.height > HEIGHT_MAX {
            return Err(PlanError::new(at, format!("more than {HEIGHT_MAX} steps from a source to here")));
        }
        if self.columns.len() > limits.columns {
            return Err(PlanError::new(at, format!("{} columns, more than {}", self.columns.len(), limits.columns)));
        }
        budget.spend_columns(self.columns.len(), at)?;
        Ok(Arc::new(self))
    }

    pub(crate) fn source(from: SourceFrom) -> Self {
        let event_time = from.event_time().map(|event_time| event_time.column);
        let column = |(index, column): (usize, &crate::catalog::Column)| RelationColumn {
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            role: if event_time == Some(index) { Role::EventTime } else { Role::Plain },
        };
        let columns = from.columns().iter().enumerate().map(column).collect();
        Self::new(RelationKind::Source(from), columns)
    }

    /// The rows for which the predicate is true. Its conditions move below what only renames columns or assigns windows, and join other
    /// filters; one that can fail does not overtake those written before it.
    pub(crate) fn filter(input: &Arc<Self>, predicate: Scalar) -> Self {
        let columns = input.columns.clone();
        match &input.kind {
            RelationKind::Filter { input: below, predicate: earlier }
                if conditions(earlier).len() + conditions(&predicate).len() <= MERGED_CONDITIONS_MAX =>
            {
                let predicate = Scalar::logic(true, [earlier.clone(), predicate]);
                return Self::new(RelationKind::Filter { input: Arc::clone(below), predicate }, columns);
            }
            RelationKind::Project { input: below, expressions } => {
                let trivial = |index: usize| Some(&expressions[index]).filter(|inner| inner.is_trivial()).map(|inner| inner.kind.clone());
                if let (Some(moved), rest) = split(&predicate, &|condition| condition.substitute(&trivial)) {
                    let filtered = Arc::new(Self::filter(below, moved));
                    let kind = RelationKind::Project { input: filtered, expressions: expressions.clone() };
                    return Self::stay(Self::new(kind, columns), rest);
                }
            }
            RelationKind::Assign { input: below, time, window } => {
                let unassigned = |index: usize| (index < below.columns.len()).then_some(index);
                if let (Some(moved), rest) = split(&predicate, &|condition| condition.remap(&unassigned)) {
                    let filtered = Arc::new(Self::filter(below, moved));
                    let kind = RelationKind::Assign { input: filtered, time: *time, window: *window };
                    return Self::stay(Self::new(kind, columns), rest);
                }
            }
            _ => {}
        }
        Self::stay_over(Arc::clone(input), predicate)
    }

    /// The relation with the conditions that did not move below it.
    fn stay(relation: Self, rest: Option<Scalar>) -> Self {
        match rest {
            None => relation,
            Some(predicate) => Self::stay_over(Arc::new(relation), predicate),
        }
    }

    fn stay_over(input: Arc<Self>, predicate: Scalar) -> Self {
        let columns = input.columns.clone();
        Self::new(RelationKind::Filter { input, predicate }, columns)
    }

    /// Named expressions over the input. Where the input only renames and picks columns, the two become one.
    pub(crate) fn project(input: &Arc<Self>, named: Vec<(String, Scalar)>) -> Self {
        let column = |(name, scalar): &(String, Scalar)| RelationColumn {
            name: name.clone(),
            data_type: scalar.data_type.clone(),
            nullable: scalar.nullable,
            role: scalar.as_column().map_or(Role::Plain, |index| input.columns[index].role),
        };
        let columns: Vec<RelationColumn> = named.iter().map(column).collect();
        let expressions: Vec<Scalar> = named.into_iter().map(|(_, scalar)| scalar).collect();
        if let RelationKind::Project { input: below, expressions: inner } = &input.kind {
            let trivial = |index: usize| Some(&inner[index]).filter(|inner| inner.is_trivial()).map(|inner| inner.kind.clone());
            let merged: Option<Vec<Scalar>> = expressions.iter().map(|expression| expression.substitute(&trivial)).collect();
            if let Some(expressions) = merged {
                return Self::new(RelationKind::Project { input: Arc::clone(below), expressions }, columns);
            }
        }
        Self::new(RelationKind::Project { input: Arc::clone(input), expressions }, columns)
    }

    /// Window columns beside every row; the event time of the rows is then window_time.
    pub(crate) fn assign(input: &Arc<Self>, time: usize, window: Window) -> Self {
        let mut columns = input.columns.clone();
        columns.iter_mut().for_each(|column| column.role = Role::Plain);
        columns.extend(window_columns(window, &input.columns[time].data_type));
        Self::new(RelationKind::Assign { input: Arc::clone(input), time, window }, columns)
    }

    /// All rows of all inputs, whose columns have the same types.
    pub(crate) fn union(inputs: Vec<Arc<Self>>) -> Self {
        let mut columns = inputs[0].columns.clone();
        for other in &inputs[1..] {
            for (column, more) in columns.iter_mut().zip(&other.columns) {
                column.nullable |= more.nullable;
                let both_times = column.role.is_event_time() && more.role.is_event_time();
                column.role = if column.role == more.role {
                    column.role
                } else if both_times {
                    Role::EventTime
                } else {
                    Role::Plain
                };
            }
        }
        Self::new(RelationKind::Union { inputs }, columns)
    }

    pub(crate) fn aggregate(input: &Arc<Self>, windows: WindowInput, keys: Vec<(String, Scalar)>, aggregates: Vec<AggregateCall>) -> Self {
        let plain = |name: String, data_type: &DataType, nullable| RelationColumn {
            name,
            data_type: data_type.clone(),
            nullable,
            role: Role::Plain,
        };
        let time = match windows {
            WindowInput::EventTime { time, .. } => input.columns[time].data_type.clone(),
            WindowInput::Attached { .. } => attached_time(input),
        };
        let key_columns = keys.iter().map(|(name, key)| plain(name.clone(), &key.data_type, key.nullable));
        let aggregate_columns = aggregates.iter().map(|call| plain(call.text(input), &call.output, call.is_nullable()));
        let columns = key_columns.chain(aggregate_columns).chain(window_columns(windows.window(), &time)).collect();
        let keys = keys.into_iter().map(|(_, key)| key).collect();
        Self::new(RelationKind::Aggregate { input: Arc::clone(input), windows, keys, aggregates }, columns)
    }

    /// The names of the columns, for texts of expressions over this relation.
    pub(crate) fn name_of(&self, index: usize) -> String {
        self.columns.get(index).map_or_else(|| format!("#{index}"), |column| column.name.clone())
    }
}

/// The conditions of a conjunction.
fn conditions(predicate: &Scalar) -> &[Scalar] {
    match &predicate.kind {
        Kind::Logic { all: true, operands } => operands,
        _ => std::slice::from_ref(predicate),
    }
}

/// The conditions of a conjunction that `below` can express there, and the others.
fn split(predicate: &Scalar, below: &impl Fn(&Scalar) -> Option<Scalar>) -> (Option<Scalar>, Option<Scalar>) {
    let (mut moved, mut rest) = (Vec::new(), Vec::new());
    for condition in conditions(predicate) {
        let overtakes = !rest.is_empty() && condition.is_fallible();
        match below(condition).filter(|_| !overtakes) {
            Some(condition) => moved.push(condition),
            None => rest.push(condition.clone()),
        }
    }
    let all = |mut conditions: Vec<Scalar>| match conditions.len() {
        0 => None,
        1 => conditions.pop(),
        _ => Some(Scalar::logic(true, conditions)),
    };
    (all(moved), all(rest))
}

/// The zone of the windows' time, where the rows still have it.
fn attached_time(input: &Relation) -> DataType {
    let time = input.columns.iter().find(|column| column.role.is_event_time());
    time.map_or(DataType::Timestamp(TimeUnit::Millisecond, None), |column| column.data_type.clone())
}

impl AggregateCall {
    pub(crate) fn is_nullable(&self) -> bool {
        !matches!(self.function, crate::plan::AggregateFunction::Count | crate::plan::AggregateFunction::CountStar)
    }

    fn text(&self, input: &Relation) -> String {
        match &self.argument {
            None => "COUNT(*)".to_owned(),
            Some(argument) => format!("{}({})", self.function.name(), argument.text(&|index| input.name_of(index))),
        }
    }
}
