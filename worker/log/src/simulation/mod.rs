//! The engine over a simulated volume and store: seeded, single-threaded, with every order of persistence, crashes at any
//! step, torn writes, flipped bits, no room, a store that loses answers or is away, processes that go on although another has
//! taken over, and volumes that are lost.
//!
//! `SW_SEEDS` says how many seeds each property is tried with; a failing seed is printed, and `SW_SEED` replays it.

mod ledger;
mod random;
mod tests;
mod transactor;
mod world;

use crate::rules::Rules;
use world::{Sights, World};

/// What a seed has shown, if it failed.
pub(crate) type Outcome = Result<(), String>;

/// Steps of one run.
const STEPS: usize = 400;

/// Runs one seed under `rules`. Gives what the store repaired of the volume, and what else has happened.
pub(crate) fn run(seed: u64, rules: Rules) -> Result<(Vec<String>, Sights), String> {
    let attempt = std::panic::catch_unwind(|| {
        let mut world = World::new(seed, rules)?;
        for _ in 0..STEPS {
            world.step()?;
        }
        world.finish()?;
        Ok((world.repaired, world.seen))
    });
    attempt.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(format!("panic: {}", text.unwrap_or_default()))
    })
}
