//! What a user sees of the front end: plans, errors, and the values of expressions.

mod cases;
mod errors;
mod evaluation;
mod hostile;
mod identity;
mod interpreter;
mod plans;
mod tables;
