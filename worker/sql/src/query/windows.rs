//! `TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE))` and HOP, by position or by name (Flink's window table-valued functions).

use std::sync::Arc;

use sqlparser::ast::{Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName};

use super::{Names, Planner};
use crate::error::{PlanError, Position};
use crate::lower::literals::interval;
use crate::lower::{Lowerer, Scope, closest};
use crate::plan::{SourceFrom, Window};
use crate::relation::{Relation, RelationKind};
use crate::text::{named_at, position, single};

const TUMBLE: &str = "write TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)";
const HOP: &str = "write HOP(TABLE t, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '1' MINUTE): first the slide, then the size";

/// Sizes are far from the ends of time, so that window ends do not overflow.
const SIZE_MS_MAX: i64 = 100 * 366 * 86_400_000;

impl Planner<'_> {
    pub(super) fn windowed(&self, expression: &Expr, names: &Names<'_>, at: Position) -> Result<Arc<Relation>, PlanError> {
        let Expr::Function(call) = expression else {
            return Err(PlanError::new(position(expression, at), "TABLE(…) takes a window function").hint(TUMBLE));
        };
        let at = position(call, at);
        let name = single(&call.name, at)?.value.to_ascii_uppercase();
        let (parameters, usage): (&[&str], _) = match name.as_str() {
            "TUMBLE" => (&["DATA", "TIMECOL", "SIZE", "OFFSET"], TUMBLE),
            "HOP" => (&["DATA", "TIMECOL", "SLIDE", "SIZE", "OFFSET"], HOP),
            "CUMULATE" | "SESSION" => {
                return Err(PlanError::new(at, format!("{name} windows are not supported yet")).hint("there are TUMBLE and HOP"));
            }
            _ => {
                let error = PlanError::new(at, format!("{name} is not a window function"));
                return Err(error.hint(match closest(&name, ["TUMBLE", "HOP"].into_iter()) {
                    Some(close) => format!("did you mean {close}?"),
                    None => "there are TUMBLE and HOP".to_owned(),
                }));
            }
        };
        let arguments = arguments(call, parameters, usage, at)?;
        let argument = |parameter: &str| parameters.iter().position(|name| *name == parameter).and_then(|index| arguments[index]);
        let required = |parameter: &str| {
            argument(parameter).ok_or_else(|| PlanError::new(at, format!("{name} is called without {parameter}")).hint(usage))
        };
        let data = self.window_data(required("DATA")?, names, usage, at)?;
        let time = self.time_column(&data, required("TIMECOL")?, at)?;
        let milliseconds = |argument: &Expr| length(argument, at, usage);
        let size_ms = positive(milliseconds(required("SIZE")?)?)?;
        let slide_ms = if name == "HOP" { positive(milliseconds(required("SLIDE")?)?)? } else { size_ms };
        let offset_ms = argument("OFFSET").map_or(Ok((0, at)), milliseconds)?.0.rem_euclid(slide_ms);
        let window = Window { size_ms, slide_ms, offset_ms };
        self.check_window(window, at)?;
        Relation::assign(&data, time, window).within(&self.budget, at)
    }

    fn check_window(&self, window: Window, at: Position) -> Result<(), PlanError> {
        let most = self.limits.windows_per_row;
        if window.slide_ms > window.size_ms {
            return Err(PlanError::new(at, "the slide of HOP is longer than its size, so that rows would be left out").hint(HOP));
        }
        if window.size_ms > SIZE_MS_MAX {
            return Err(PlanError::new(at, "the window is longer than 100 years").hint("write INTERVAL '30' DAY"));
        }
        if window.size_ms / window.slide_ms > most {
            return Err(PlanError::new(at, format!("each row would be in more than {most} windows")).hint("take a longer slide"));
        }
        if window.size_ms / window.slice_ms() > most {
            return Err(PlanError::new(at, format!("each window would be cut into more than {most} slices"))
                .hint("take a slide that divides the size"));
        }
        Ok(())
    }

    /// `TABLE t` or `(SELECT …)`.
    fn window_data(&self, data: &Expr, names: &Names<'_>, usage: &str, at: Position) -> Result<Arc<Relation>, PlanError> {
        let at = position(data, at);
        match data {
            Expr::Prefixed { value, .. } => match value.as_ref() {
                Expr::CompoundIdentifier(parts) => self.table(&ObjectName::from(parts.clone()), names, at),
                _ => Err(PlanError::new(at, "a table name belongs here").hint(usage)),
            },
            Expr::Subquery(query) => self.query(query, names, at),
            Expr::Identifier(name) => {
                Err(PlanError::new(at, "a table is passed with the word TABLE").hint(format!("write TABLE {}", name.value)))
            }
            _ => Err(PlanError::new(at, "a table belongs here").hint(usage)),
        }
    }

    /// `DESCRIPTOR(ts)`: the event time.
    fn time_column(&self, data: &Relation, descriptor: &Expr, at: Position) -> Result<usize, PlanError> {
        let at = position(descriptor, at);
        let wrong = || PlanError::new(at, "the time column is given as DESCRIPTOR(column)");
        let Expr::Function(call) = descriptor else { return Err(wrong()) };
        if !single(&call.name, at)?.value.eq_ignore_ascii_case("DESCRIPTOR") {
            return Err(wrong());
        }
        let FunctionArguments::List(list) = &call.args else { return Err(wrong()) };
        let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(name)))] = list.args.as_slice() else { return Err(wrong()) };
        let scope = Scope { relation: data, qualifier: None };
        let column = Lowerer::new(&self.budget, &scope, "DESCRIPTOR", at).column(name)?;
        let index = column.as_column().expect("a name is a column");
        if data.columns[index].role.is_event_time() {
            return Ok(index);
        }
        let error = PlanError::new(named_at(name, at), format!("column {} is not an event time", name.value));
        Err(error.hint(match (data.columns.iter().find(|column| column.role.is_event_time()), &data.kind) {
            (Some(column), _) => format!("the event time here is {}", column.name),
            (None, RelationKind::Source(SourceFrom::Topic(table))) => format!("declare schema.eventTime in the Topic {}", table.name),
            (None, RelationKind::Source(SourceFrom::File(_))) => {
                format!("declare WATERMARK FOR {0} AS {0} - INTERVAL '5' SECOND in CREATE TABLE", name.value)
            }
            _ => "select the event time column unchanged; behind a window it is window_time".to_owned(),
        }))
    }
}

/// One expression per parameter, given by position or by name.
fn arguments<'e>(call: &'e Function, parameters: &[&str], usage: &str, at: Position) -> Result<Vec<Option<&'e Expr>>, PlanError> {
    let wrong = |message: String| PlanError::new(at, message).hint(usage);
    let FunctionArguments::List(list) = &call.args else { return Err(wrong("arguments are missing".to_owned())) };
    let mut found = vec![None; parameters.len()];
    let mut by_name = false;
    for (index, argument) in list.args.iter().enumerate() {
        let (slot, value) = match argument {
            FunctionArg::Named { name, arg: FunctionArgExpr::Expr(value), .. } => {
                by_name = true;
                let upper = name.value.to_ascii_uppercase();
                let slot = parameters.iter().position(|parameter| *parameter == upper);
                let unknown = || wrong(format!("{} is not a parameter: there are {}", name.value, parameters.join(", ")));
                (slot.ok_or_else(unknown)?, value)
            }
            FunctionArg::Unnamed(FunctionArgExpr::Expr(value)) if !by_name && index < parameters.len() => (index, value),
            _ => return Err(wrong("these arguments are not understood".to_owned())),
        };
        if found[slot].replace(value).is_some() {
            return Err(wrong(format!("{} is given twice", parameters[slot])));
        }
    }
    Ok(found)
}

fn length(argument: &Expr, at: Position, usage: &str) -> Result<(i64, Position), PlanError> {
    let at = position(argument, at);
    let Expr::Interval(written) = argument else { return Err(PlanError::new(at, "an INTERVAL belongs here").hint(usage)) };
    let span = interval(written, at)?;
    if span.months != 0 {
        return Err(PlanError::new(at, "windows have a fixed length, months and years have not").hint("write INTERVAL '30' DAY"));
    }
    Ok((span.milliseconds, at))
}

fn positive((milliseconds, at): (i64, Position)) -> Result<i64, PlanError> {
    if milliseconds < 1 {
        return Err(PlanError::new(at, "the interval is not longer than zero").hint("write INTERVAL '1' MINUTE"));
    }
    Ok(milliseconds)
}
