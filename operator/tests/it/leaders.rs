//! Two operators, one lease.

use operator::lease::{Campaign, DURATION, HOLDS, LeaseError};
use std::time::Duration;

use crate::fake::{Fake, Fault};

fn campaign(fake: &Fake, identity: &str) -> Campaign {
    Campaign::new(fake.client(), "system", "streamwright-operator", identity.into())
}

#[tokio::test(start_paused = true)]
async fn the_second_leads_when_the_first_gives_back_and_waits_while_it_renews() {
    let fake = Fake::new();
    let (mut first, mut second) = (campaign(&fake, "a"), campaign(&fake, "b"));
    first.win().await;
    let (one, two) = (first.leadership(), second.leadership());
    assert!(one.holds());
    let keeping = tokio::spawn(async move { tokio::time::timeout(Duration::from_secs(120), first.keep()).await.is_err().then_some(first) });
    let early = tokio::time::timeout(Duration::from_secs(100), second.win()).await;
    assert!(early.is_err() && one.holds() && !two.holds(), "it led beside the first");
    let mut first = keeping.await.unwrap().expect("it was renewed all the time");
    first.give_back().await;
    assert!(!one.holds());
    tokio::time::timeout(Duration::from_secs(5), second.win()).await.expect("it need not wait");
    assert!(two.holds());
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_renew_stops_before_another_begins() {
    let fake = Fake::new();
    let (mut first, mut second) = (campaign(&fake, "a"), campaign(&fake, "b"));
    first.win().await;
    let (one, two) = (first.leadership(), second.leadership());
    // From here on the first reaches nobody.
    drop(first);
    let started = tokio::time::Instant::now();
    second.win().await;
    assert!(two.holds() && !one.holds());
    let took = started.elapsed();
    assert!(took >= DURATION && took < DURATION * 2, "{took:?}");
    assert!(HOLDS < DURATION);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_taken_is_lost_at_once_and_one_slow_answer_is_nothing() {
    let fake = Fake::new();
    let mut first = campaign(&fake, "a");
    first.win().await;
    let calls = fake.state().calls.len();
    fake.state().fault = Some((calls, Fault::Silence));
    let kept = tokio::time::timeout(Duration::from_secs(30), first.keep()).await;
    assert!(kept.is_err() && first.leadership().holds(), "one lost answer cost the lease");
    let mut second = campaign(&fake, "b");
    // It believes that nobody has it: as with a lease that somebody edited.
    let key = operator::resource::Key::new(operator::resource::Resource::Lease, "system", "streamwright-operator");
    fake.user(|store| store.patch(&key, &serde_json::json!({"spec": {"holderIdentity": ""}}))).unwrap();
    second.win().await;
    let lost = tokio::time::timeout(Duration::from_secs(5), first.keep()).await.expect("it looks every few seconds");
    assert!(matches!(lost, LeaseError::Taken { .. }), "{lost}");
    assert!(!first.leadership().holds());
}
