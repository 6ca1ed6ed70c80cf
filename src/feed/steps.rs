//! Places where a test may hold a listener still, so that a schedule is made by naming its steps.
//!
//! In a release build nobody is ever held: `reached` is empty.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;

/// A place on the listener's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// It listens for every channel with subscribers.
    Listened,
    /// It holds the locks of those channels.
    Locked,
    /// It has a fence.
    Fenced,
    /// It is about to read the log.
    Drains,
    /// It let go of its locks to look all the time.
    LetGo,
}

type Hold = Arc<dyn Fn(Step) -> BoxFuture<'static, ()> + Send + Sync>;

/// What a test does at each step; nothing until it says so.
#[derive(Default)]
pub struct Steps(Mutex<Option<Hold>>);

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Steps")
    }
}

impl Steps {
    /// From now on the listener goes on from a step only when this is done. Without effect in a release build.
    pub fn hold<F>(&self, at: impl Fn(Step) -> F + Send + Sync + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Arc::new(move |step| Box::pin(at(step))));
    }

    pub(super) async fn reached(&self, step: Step) {
        if cfg!(debug_assertions) {
            let hold = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(hold) = hold {
                hold(step).await;
            }
        }
    }
}
