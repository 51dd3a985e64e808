//! Several blocking calls at once, where one after the other would take the sum of their waits.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// What `one` makes of every item, in their order; up to `threads` of them are asked at once. After the first that fails no other is begun.
///
/// # Errors
/// The first of the failures, by the order of the items.
///
/// # Panics
/// Where `one` does.
pub(crate) fn at_once<I: Sync, T: Send, E: Send>(
    items: &[I],
    threads: usize,
    one: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let next = AtomicUsize::new(0);
    let some = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            let outcome = one(item);
            if outcome.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            done.push((index, outcome));
        }
    };
    let mut done = match threads.min(items.len()) {
        // In the caller's own thread a simulation can replay it.
        0 | 1 => some(),
        threads => thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        }),
    };
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn all_are_done_in_order_and_at_once() {
        // Nobody passes unless all four are there.
        let barrier = Barrier::new(4);
        let double = |item: &usize| {
            barrier.wait();
            Ok::<_, ()>(item * 2)
        };
        assert_eq!(at_once(&[1, 2, 3, 4], 4, double), Ok(vec![2, 4, 6, 8]));
    }

    #[test]
    fn the_first_failure_ends_it() {
        let begun = AtomicUsize::new(0);
        let odd = |item: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if item % 2 == 1 { Err(*item) } else { Ok(()) }
        };
        assert_eq!(at_once(&[2, 3, 4, 5], 1, odd), Err(3));
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        assert_eq!(at_once(&[], 8, odd), Ok(vec![]));
    }
}
