//! What one text may cost before and while it is planned.

/// Bounds on a query; each is checked before the work it bounds is done. The defaults are those of the product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub text_bytes: usize,
    /// Tokens without white space and comments.
    pub tokens: usize,
    /// How deep parentheses, queries, CASE and function calls may be nested.
    pub depth: usize,
    /// Operands of one flat AND or OR chain, elements of one IN list.
    pub chain: usize,
    /// Operators chained without parentheses, such as `a + b + c …`, other than AND and OR.
    pub operators: usize,
    /// Nodes of all expressions together.
    pub expression_nodes: usize,
    /// Columns of one SELECT list or table.
    pub columns: usize,
    /// Columns of all steps of all statements together: `*` names many at once.
    pub step_columns: usize,
    /// Nodes of the plan.
    pub plan_nodes: usize,
    /// Ways from the sources to one sink: views over views multiply them.
    pub paths: u64,
    /// Windows that one row may belong to: size / slide of HOP.
    pub windows_per_row: i64,
    /// Stack of the planning thread in bytes; touched only as far as it is used.
    pub stack_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes: 128 * 1024,
            tokens: 65_536,
            depth: 100,
            chain: 10_000,
            operators: 200,
            expression_nodes: 100_000,
            columns: 1_024,
            step_columns: 200_000,
            plan_nodes: 2_000,
            paths: 1_000,
            windows_per_row: 1_000,
            stack_bytes: 128 * 1024 * 1024,
        }
    }
}
