//! The floor of any feed by NOTIFY: one connection that listens and then selects the row.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

use rowbell::pg::link::{Link, Message};
use tokio::task::{AbortHandle, spawn_local};
use tokio_postgres::Statement;

/// Its trigger.
pub const TRIGGER: &str = "
    create function ring() returns trigger language plpgsql as $$ begin perform pg_notify('bare', ''); return null; end $$;
    create trigger ring after insert on bare for each row execute function ring();
";

/// What arrived when.
pub struct Listener {
    pub arrivals: Rc<RefCell<Vec<(usize, Instant)>>>,
    task: AbortHandle,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Listener {
    /// Listens from now on. Bells that come together are answered by one look.
    pub async fn start(mut link: Link) -> Self {
        link.client.batch_execute("listen bare").await.expect("listens");
        let newer =
            link.client.prepare("select k, row_to_json(b)::text from bare b where id > $1 order by id").await;
        let newer = newer.expect("prepares");
        let arrivals = Rc::new(RefCell::new(Vec::new()));
        let seen = Rc::clone(&arrivals);
        let task = spawn_local(async move { listen(&mut link, &newer, &seen).await });
        Self { arrivals, task: task.abort_handle() }
    }
}

async fn listen(link: &mut Link, newer: &Statement, seen: &RefCell<Vec<(usize, Instant)>>) {
    let mut last = 0_i64;
    while let Some(Message::Bell { .. }) = link.messages.recv().await {
        while link.messages.try_recv().is_ok() {}
        let rows = link.client.query(newer, &[&last]).await.expect("selects");
        let now = Instant::now();
        last += i64::try_from(rows.len()).expect("few rows");
        let ks = rows.iter().map(|row| usize::try_from(row.get::<_, i64>(0)).expect("a number"));
        seen.borrow_mut().extend(ks.map(|k| (k, now)));
    }
}
