//! Schedules made by naming their steps: a writer that stayed silent commits at each of them.

use rowbell::feed::{Mode, Start, Step};

use super::{Stop, asleep, hurry, no_heartbeat, restless, shop, until};
use crate::support::feed::{Reader, RunningFeed};
use crate::support::soon;

const STEPS: [Step; 4] = [Step::Listened, Step::Locked, Step::Fenced, Step::Drains];

#[tokio::test]
async fn who_looked_before_the_lock_is_read_without_a_bell() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, no_heartbeat());
    let writer = shop.link().await;
    writer.client.batch_execute("begin; insert into orders values (1, 'silent')").await.unwrap();
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    until(&feed, Mode::Settling).await;
    writer.client.batch_execute("commit").await.unwrap();
    reader.until(1).await;
    assert_eq!((reader.told(), feed.stats().bells.get()), (vec!["insert 1".to_owned()], 0));
    // Now that it has ended, every other one rings.
    asleep(&shop, &feed).await;
    writer.client.batch_execute("insert into orders values (2, 'rings')").await.unwrap();
    reader.until(2).await;
    assert_eq!(feed.stats().bells.get(), 1);
}

#[tokio::test]
async fn a_first_subscriber_misses_no_silent_writer() {
    for step in STEPS {
        let shop = shop().await;
        let feed = RunningFeed::new(&shop.connector, no_heartbeat());
        let start = Start::After(Reader::open(&feed, "clients", Start::Now).await.cursor);
        let writer = shop.link().await;
        writer.client.batch_execute("begin; insert into orders values (1, 'silent')").await.unwrap();
        let stop = Stop::at(&feed, step);
        let commits = async {
            stop.arrived().await;
            writer.client.batch_execute("commit").await.unwrap();
            stop.go();
        };
        let (mut reader, ()) = tokio::join!(Reader::open(&feed, "orders", start), commits);
        reader.until(1).await;
        assert_eq!((reader.told(), feed.stats().bells.get()), (vec!["insert 1".to_owned()], 0), "{step:?}");
    }
}

#[tokio::test]
async fn falling_asleep_after_a_hurry_misses_no_silent_writer() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, restless());
    let mut reader = Reader::open(&feed, "orders", Start::Now).await;
    let mut told = 0;
    for step in [Step::Locked, Step::Fenced, Step::Drains] {
        // Held where it has let go of its locks, until a writer has found nobody asleep.
        let pulls = Stop::at(&feed, Step::LetGo);
        told = usize::try_from(hurry(&shop, &feed, i32::try_from(told).unwrap()).await).unwrap();
        pulls.arrived().await;
        let (writer, mut ear) = (shop.link().await, shop.link().await);
        // The listener itself may yet hear a bell of the hurry.
        ear.client.batch_execute("listen \"rowbell:orders\"; listen told").await.unwrap();
        let silent = format!("begin; insert into orders values ({told}, 'silent')");
        writer.client.batch_execute(&silent).await.unwrap();
        let mut stop = Stop::at(&feed, if step == Step::Drains { Step::Fenced } else { step });
        pulls.go();
        stop.arrived().await;
        if step == Step::Drains {
            let drains = Stop::at(&feed, step);
            std::mem::replace(&mut stop, drains).go();
            stop.arrived().await;
        }
        writer.client.batch_execute("commit").await.unwrap();
        stop.go();
        told += 1;
        reader.until(told).await;
        shop.run("notify told").await;
        let first = soon(ear.messages.recv()).await.unwrap();
        assert_eq!(first, rowbell::pg::link::Message::Bell { topic: "told".into() }, "{step:?}");
        asleep(&shop, &feed).await;
    }
}

#[tokio::test]
async fn a_writer_between_lock_and_fence_rings() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, no_heartbeat());
    let start = Start::After(Reader::open(&feed, "clients", Start::Now).await.cursor);
    let stop = Stop::at(&feed, Step::Locked);
    let writes = async {
        stop.arrived().await;
        shop.run("insert into orders values (1, 'rings')").await;
        stop.go();
    };
    let (mut reader, ()) = tokio::join!(Reader::open(&feed, "orders", start), writes);
    reader.until(1).await;
    soon(async {
        while feed.stats().bells.get() != 1 {
            tokio::task::yield_now().await
        }
    })
    .await;
}

#[tokio::test]
async fn a_first_subscriber_disturbs_nobody_who_sleeps() {
    let shop = shop().await;
    let feed = RunningFeed::new(&shop.connector, no_heartbeat());
    let mut orders = Reader::open(&feed, "orders", Start::Now).await;
    asleep(&shop, &feed).await;
    let listener = shop.link().await;
    for step in [Step::Listened, Step::Locked, Step::Fenced] {
        let stop = Stop::at(&feed, step);
        let looks = async {
            stop.arrived().await;
            let held = "select not pg_try_advisory_lock(1380074828, rowbell.bell_key('orders'))";
            assert!(listener.client.query_one(held, &[]).await.unwrap().get::<_, bool>(0), "{step:?}");
            stop.go();
        };
        let (clients, ()) = tokio::join!(Reader::open(&feed, "clients", Start::Now), looks);
        asleep(&shop, &feed).await;
        // Its leaving is noticed with the next look.
        drop(clients);
        let bells = feed.stats().bells.get();
        shop.run(&format!("insert into orders values ({bells}, 'rings')")).await;
        orders.until(usize::try_from(bells).unwrap() + 1).await;
    }
    assert_eq!(feed.stats().bells.get(), 3);
}
