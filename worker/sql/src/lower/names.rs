//! The names of functions: those there are, those that cannot be, and what to say of the others.

use sqlparser::ast::Function;

use super::{Lowerer, closest};
use crate::error::PlanError;

/// Functions whose answer depends on when or where they run.
pub(super) const NOT_DETERMINISTIC: [&str; 18] = [
    "NOW",
    "CURRENT_TIMESTAMP",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "CURRENT_ROW_TIMESTAMP",
    "RAND",
    "RANDOM",
    "RAND_INTEGER",
    "UUID",
    "UNIX_TIMESTAMP",
    "PROCTIME",
    "CURRENT_WATERMARK",
    "CURRENT_DATABASE",
    "SYSDATE",
    "GETDATE",
    "USER",
];

/// How each function is called, by its name.
const USAGE: [&str; 72] = [
    "ABS(x)",
    "ACOS(x)",
    "ASIN(x)",
    "ATAN(x)",
    "ATAN2(y, x)",
    "AVG(x)",
    "BTRIM(s)",
    "CEIL(x), CEIL(ts TO HOUR)",
    "CEILING(x)",
    "CHARACTER_LENGTH(s)",
    "CHAR_LENGTH(s)",
    "COALESCE(a, b, …)",
    "CONCAT(a, b, …)",
    "CONCAT_WS('-', a, b, …)",
    "COS(x)",
    "COUNT(*), COUNT(x)",
    "DATE_FORMAT(ts, 'yyyy-MM-dd')",
    "DAYOFMONTH(ts)",
    "DAYOFWEEK(ts)",
    "DAYOFYEAR(ts)",
    "DEGREES(x)",
    "ENDSWITH(s, end)",
    "EXP(x)",
    "FLOOR(x), FLOOR(ts TO HOUR)",
    "HOUR(ts)",
    "IF(condition, a, b)",
    "IFNULL(a, b)",
    "INSTR(s, part)",
    "LEFT(s, count)",
    "LN(x)",
    "LOG10(x)",
    "LOG2(x)",
    "LOWER(s)",
    "LPAD(s, length, '0')",
    "LTRIM(s)",
    "MAX(x)",
    "MIN(x)",
    "MINUTE(ts)",
    "MOD(a, b)",
    "MONTH(ts)",
    "NULLIF(a, b)",
    "PI()",
    "POSITION(part IN s)",
    "POWER(x, y)",
    "QUARTER(ts)",
    "RADIANS(x)",
    "REPEAT(s, count)",
    "REPLACE(s, part, other)",
    "REVERSE(s)",
    "RIGHT(s, count)",
    "ROUND(x), ROUND(x, digits)",
    "RPAD(s, length, '0')",
    "RTRIM(s)",
    "SECOND(ts)",
    "SIGN(x)",
    "SIN(x)",
    "SPLIT_INDEX(s, ',', index)",
    "SQRT(x)",
    "STARTSWITH(s, start)",
    "SUBSTR(s, from), SUBSTR(s, from, count)",
    "SUBSTRING(s, from), SUBSTRING(s, from, count)",
    "SUM(x)",
    "TAN(x)",
    "TIMESTAMPADD(HOUR, count, ts)",
    "TIMESTAMPDIFF(SECOND, from, to)",
    "TO_DATE('2013-01-31')",
    "TO_TIMESTAMP('2013-01-31 10:00:00')",
    "TO_TIMESTAMP_LTZ(number, 0), TO_TIMESTAMP_LTZ(number, 3)",
    "TRIM(s), TRIM(BOTH 'x' FROM s)",
    "UPPER(s)",
    "WEEK(ts)",
    "YEAR(ts)",
];

/// The name that a usage begins with.
fn name_of(usage: &str) -> &str {
    usage.split('(').next().unwrap_or(usage)
}

impl Lowerer<'_> {
    pub(super) fn no_such_function(&self, call: &Function, name: &str, arguments: usize) -> PlanError {
        if let Some(usage) = USAGE.iter().find(|usage| name_of(usage) == name) {
            return self.error(call, format!("{name} does not take {arguments} arguments")).hint(format!("write {usage}"));
        }
        let error = match name {
            "TUMBLE" | "HOP" | "CUMULATE" | "SESSION" | "TUMBLE_START" | "TUMBLE_END" | "HOP_START" | "HOP_END" => {
                return self
                    .error(call, format!("{name} is a table function"))
                    .hint("write FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end");
            }
            "CUBE" | "ROLLUP" | "GROUPING" => {
                return self.error(call, "GROUPING SETS, CUBE and ROLLUP are not supported yet").hint("write one INSERT per grouping");
            }
            _ => self.error(call, format!("function {name} is not supported")),
        };
        error.hint(match closest(name, USAGE.into_iter().map(name_of)) {
            Some(close) => format!("did you mean {close}?"),
            None if name.starts_with("REGEXP") => "write LIKE, POSITION, STARTSWITH or ENDSWITH".to_owned(),
            None if name.starts_with("JSON") => "declare the field of the value as a column of its own".to_owned(),
            None => "there are functions of texts (UPPER, SUBSTRING …), of numbers (ROUND, POWER …) and of times (FLOOR TO, DATE_FORMAT …)"
                .to_owned(),
        })
    }
}
