//! Planning users' SQL outside of this process: what a query does to its planner, it does to that alone.
//!
//! A plan is asked for by the resolver, which cannot wait: [`Plans`] says at once whether it has it. What it has not goes to a few child
//! processes (`streamwright-operator plan`), which take one query after another; when one dies, takes too long or too much, the query that it
//! had is in error, with a sentence, and the next query gets a new child.

mod child;

pub use child::serve;

use desired::{Catalog, PlanError, Planned, Planner, Question};
use std::{
    collections::{HashMap, HashSet},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tokio::{
    sync::{Notify, mpsc},
    task::JoinSet,
};

/// Children at once.
const CHILDREN: usize = 2;
/// Plans kept; above, those that nobody asked for of late are forgotten.
const PLANS_MAX: usize = 5000;

type Fingerprint = [u8; 32];
type Outcome = Result<Planned, PlanError>;

/// After the planner itself failed on a query, it is asked again so much later: the machine may have been busy.
const AGAIN: Duration = Duration::from_secs(120);

struct Plan {
    outcome: Outcome,
    again_at: Option<Instant>,
}

#[derive(Default)]
struct Known {
    plans: HashMap<Fingerprint, Plan>,
    under_way: HashSet<Fingerprint>,
    /// Asked for since plans were forgotten last.
    asked: HashSet<Fingerprint>,
}

/// Plans, by what was asked: a text and its tables always give the same one.
pub struct Plans {
    known: Arc<Mutex<Known>>,
    questions: mpsc::UnboundedSender<(Fingerprint, Question)>,
    news: Arc<Notify>,
    _children: JoinSet<()>,
}

/// How a child is started.
#[derive(Clone, Debug)]
pub struct Command {
    /// The program: this one.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

impl Plans {
    /// Plans by children started so. `news` is told of every plan that is made. Must be called within a runtime.
    #[must_use]
    pub fn new(command: &Command, news: Arc<Notify>) -> Self {
        let known: Arc<Mutex<Known>> = Arc::default();
        let (questions, receiver) = mpsc::unbounded_channel();
        let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
        let mut children = JoinSet::new();
        for _ in 0..CHILDREN {
            children.spawn(plan_all(command.clone(), receiver.clone(), known.clone(), news.clone()));
        }
        Self { known, questions, news, _children: children }
    }

    /// Told of every plan that is made.
    #[must_use]
    pub fn news(&self) -> Arc<Notify> {
        self.news.clone()
    }

    /// How many wait.
    #[must_use]
    pub fn under_way(&self) -> usize {
        lock(&self.known).under_way.len()
    }
}

fn lock(known: &Mutex<Known>) -> std::sync::MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn plan_all(
    command: Command,
    questions: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<(Fingerprint, Question)>>>,
    known: Arc<Mutex<Known>>,
    news: Arc<Notify>,
) {
    let mut child = None;
    loop {
        let next = async { questions.lock().await.recv().await };
        // A child that has nothing to do keeps no memory.
        let next = match child {
            None => next.await,
            Some(_) => match tokio::time::timeout(child::IDLE, next).await {
                Ok(next) => next,
                Err(_) => {
                    child = None;
                    continue;
                }
            },
        };
        let Some((fingerprint, question)) = next else { return };
        let plan = match child::ask(&command, &mut child, &question).await {
            Ok(outcome) => Plan { outcome, again_at: None },
            Err(failed) => Plan { outcome: Err(failed), again_at: Some(Instant::now() + AGAIN) },
        };
        let mut known = lock(&known);
        known.under_way.remove(&fingerprint);
        known.plans.insert(fingerprint, plan);
        drop(known);
        news.notify_one();
    }
}

impl Planner for Plans {
    fn plan(&self, text: &str, catalog: &Catalog) -> Outcome {
        let missing = || PlanError { line: 1, column: 1, message: "the query is not planned yet".into(), hint: None };
        self.ask(text, catalog).unwrap_or_else(|| Err(missing()))
    }

    fn ask(&self, text: &str, catalog: &Catalog) -> Option<Outcome> {
        let question = Question::new(text, catalog);
        let fingerprint = question.fingerprint();
        let mut known = lock(&self.known);
        known.asked.insert(fingerprint);
        let plan = known.plans.get(&fingerprint);
        let is_to_stay = plan.is_some_and(|plan| plan.again_at.is_none_or(|at| Instant::now() < at));
        // One that failed is given until there is another: what it says is the best that is known.
        let outcome = plan.map(|plan| plan.outcome.clone());
        if is_to_stay {
            return outcome;
        }
        if known.plans.len() >= PLANS_MAX {
            let asked = std::mem::take(&mut known.asked);
            known.plans.retain(|fingerprint, _| asked.contains(fingerprint));
        }
        if known.under_way.insert(fingerprint) {
            // The children end only with this.
            let _ = self.questions.send((fingerprint, question));
        }
        outcome
    }
}
