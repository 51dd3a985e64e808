//! A plan as a person reads it: stages, what flows in, what each operator does, where rows change hands.

use std::fmt;

use super::{Aggregate, AggregateFunction, Node, Operator, Plan, Source, SourceFrom, WindowInput};
use crate::plan::window::duration;
use crate::types;

/// One line a node, grouped by stage; `#n` is the node's position, `*` marks the event time. A node of several stages is printed once.
impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut printed = vec![false; self.nodes.len()];
        for (index, stage) in self.stages.iter().enumerate() {
            writeln!(formatter, "stage {index}")?;
            for node in std::iter::once(stage.root).chain(stage.nodes.iter().copied()) {
                if std::mem::replace(&mut printed[node], true) {
                    writeln!(formatter, "  #{node} (above)")?;
                    continue;
                }
                writeln!(formatter, "  #{node} {}", Line { plan: self, node: &self.nodes[node] })?;
            }
            for exchange in &stage.exchanges {
                let aggregate = self.exchanges[*exchange].aggregate;
                let Operator::WindowAggregate(window) = &self.nodes[aggregate].operator else { continue };
                let keys = if window.keys.is_empty() { "nothing: one group".to_owned() } else { list(&window.keys) };
                writeln!(formatter, "  exchange by {keys} -> #{aggregate}")?;
            }
        }
        Ok(())
    }
}

struct Line<'a> {
    plan: &'a Plan,
    node: &'a Node,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs = self.node.inputs.iter().map(|input| format!("#{input}")).collect::<Vec<_>>().join(", ");
        match &self.node.operator {
            Operator::Source(source) => self.source(formatter, source),
            Operator::Filter { predicate } => write!(formatter, "filter {inputs} where {predicate}"),
            Operator::Project { .. } => write!(formatter, "project {inputs} to {}", self.outputs()),
            Operator::AssignWindow { time, window } => {
                write!(formatter, "assign {inputs} to {window} by {}", self.input_column(*time))
            }
            Operator::Union => write!(formatter, "union {inputs}"),
            Operator::WindowAggregate(aggregate) => {
                write!(formatter, "aggregate {inputs} per {}", aggregate.windows.window())?;
                match aggregate.windows {
                    WindowInput::EventTime { time, .. } => write!(formatter, " by {}", self.input_column(time))?,
                    WindowInput::Attached { end, .. } => write!(formatter, " ending at {}", self.input_column(end))?,
                }
                if !aggregate.keys.is_empty() {
                    write!(formatter, " per {}", list(&aggregate.keys))?;
                }
                write!(formatter, ": {}", list(&aggregate.aggregates))
            }
            Operator::Sink(sink) => {
                write!(formatter, "sink {inputs} into {} ({})", sink.table.name, self.columns())?;
                if !sink.key.is_empty() {
                    let names = sink.key.iter().map(|index| self.node.schema.field(*index).name().as_str()).collect::<Vec<_>>();
                    write!(formatter, " key {}", names.join(", "))?;
                }
                match sink.timestamp {
                    Some(index) => write!(formatter, " timestamp {}", self.node.schema.field(index).name()),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Line<'_> {
    fn source(&self, formatter: &mut fmt::Formatter<'_>, source: &Source) -> fmt::Result {
        match &source.from {
            SourceFrom::Topic(table) => write!(formatter, "source {} ({})", table.name, self.columns())?,
            SourceFrom::File(table) => write!(formatter, "file {} from {:?} ({})", table.name, table.path, self.columns())?,
        }
        match source.from.event_time() {
            Some(event_time) => write!(formatter, " watermark {} behind", duration(event_time.watermark_delay_ms)),
            None => Ok(()),
        }
    }

    fn input_column(&self, index: usize) -> &str {
        self.plan.nodes[self.node.inputs[0]].schema.field(index).name()
    }

    /// `name TYPE, …` with `*` behind the event time.
    fn columns(&self) -> String {
        let column = |(index, field): (usize, &arrow::datatypes::FieldRef)| {
            let mark = if self.node.event_time == Some(index) { "*" } else { "" };
            format!("{} {}{mark}", field.name(), types::name(field.data_type()))
        };
        self.node.schema.fields().iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
    }

    /// `expression AS name, …`, the name only where it adds something.
    fn outputs(&self) -> String {
        let Operator::Project { expressions } = &self.node.operator else { return String::new() };
        let output = |(index, expression): (usize, &crate::Expression)| {
            let mark = if self.node.event_time == Some(index) { "*" } else { "" };
            let name = self.node.schema.field(index).name();
            if name == expression.text() { format!("{name}{mark}") } else { format!("{expression} AS {name}{mark}") }
        };
        expressions.iter().enumerate().map(output).collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Aggregate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, &self.argument) {
            (AggregateFunction::CountStar, _) | (_, None) => formatter.write_str("COUNT(*)")?,
            (function, Some(argument)) => write!(formatter, "{}({argument})", function.name())?,
        }
        match &self.filter {
            Some(filter) => write!(formatter, " FILTER (WHERE {filter})"),
            None => Ok(()),
        }
    }
}

fn list(items: &[impl fmt::Display]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
