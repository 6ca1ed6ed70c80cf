//! What a drain is to each topic that is about some rows: asked of PostgreSQL once per topic, before anybody is told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::pg::link::Link;
use crate::pg::log::Batch;
use crate::pg::resource::{Images, RowFilter, judge_all};
use crate::words::{Op, Result, Topic};

/// How often filters are looked after although nothing changed in their channels: a column may be altered.
const LOOK: Duration = Duration::from_secs(1);

/// What a topic is told of the changes of its channel.
#[derive(Debug, Clone)]
pub(super) enum Told {
    /// What each of them is to it; none where it is nothing.
    Changes(Vec<Option<Op>>),
    /// A column of its filter was altered, or is gone.
    Altered,
}

/// One drain, sifted for every topic that has a filter.
#[derive(Debug, Default)]
pub(super) struct Sifted(HashMap<Topic, Told>);

/// Topics with their filters.
pub(super) type Filters = Vec<(Topic, Arc<RowFilter>)>;

/// When the filters were last looked after.
#[derive(Debug)]
pub(super) struct Looked(Option<Instant>);

impl Looked {
    /// At no time yet.
    pub(super) fn never() -> Self {
        Self(None)
    }
}

impl Sifted {
    /// Asks the filters of all topics what a drain is to them.
    pub(super) async fn sift(
        link: &Link,
        batch: &Batch,
        filters: Filters,
        looked: &mut Looked,
    ) -> Result<Self> {
        let mut sifted = Self::default();
        let Batch::Commits(commits) = batch else { return Ok(sifted) };
        let due = looked.0.is_none_or(|looked| looked.elapsed() >= LOOK);
        let mut channels: HashMap<Arc<str>, Filters> = HashMap::new();
        for (topic, filter) in filters {
            let Some([channel]) = topic.channels() else { continue };
            channels.entry(Arc::clone(channel)).or_default().push((topic, filter));
        }
        for (channel, topics) in channels {
            let mut images = Images::default();
            let changes = commits.iter().flat_map(|commit| &commit.changes);
            let mut any = false;
            for change in changes.filter(|change| change.channel == channel) {
                images.add(change);
                any = true;
            }
            if !any && !due {
                continue;
            }
            let filters: Vec<&RowFilter> = topics.iter().map(|(_, filter)| &**filter).collect();
            let verdicts = judge_all(&link.client, &filters, images.texts()).await?;
            for ((topic, _), verdict) in topics.into_iter().zip(verdicts) {
                let told = images.told(&verdict).map_or(Told::Altered, Told::Changes);
                sifted.0.insert(topic, told);
            }
        }
        if due {
            looked.0 = Some(Instant::now());
        }
        Ok(sifted)
    }

    /// What a topic is told; none where its filter was not asked.
    pub(super) fn told(&self, topic: &Topic) -> Option<&Told> {
        self.0.get(topic)
    }
}
