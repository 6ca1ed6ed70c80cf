use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;

use super::*;
use crate::words::{Origin, Snapshot};

/// Takes frames while it is open.
#[derive(Debug, Default)]
struct Basket {
    open: AtomicBool,
    taken: Mutex<Vec<Bytes>>,
}

impl Basket {
    fn open() -> Arc<Self> {
        Arc::new(Self { open: AtomicBool::new(true), taken: Mutex::default() })
    }

    fn taken(&self) -> Vec<Bytes> {
        self.taken.lock().unwrap().clone()
    }
}

impl Sink for Basket {
    fn take(&self, frame: &Bytes) -> bool {
        let open = self.open.load(Ordering::Relaxed);
        if open {
            self.taken.lock().unwrap().push(frame.clone());
        }
        open
    }
}

fn cursor(xid: u64) -> Arc<Cursor> {
    let origin = Origin { installation: 1, generation: 1 };
    Arc::new(Cursor { origin, snapshot: Snapshot::new(xid, vec![]) })
}

fn frame(text: &'static str, xid: u64) -> Event {
    Event::Frame(Arc::new([Bytes::from_static(text.as_bytes())]), cursor(xid))
}

fn live(events: usize, bytes: usize) -> Arc<Live> {
    Arc::new(Live::new(Backlog { events, bytes }))
}

/// What a place finds without waiting, in words.
fn found(place: &mut Place) -> String {
    match place.next().now_or_never() {
        None => "nothing".to_owned(),
        Some(Taken::Lagged) => "lagged".to_owned(),
        Some(Taken::Event(Event::Frame(parts, _))) => String::from_utf8(parts.concat()).unwrap(),
        Some(Taken::Event(event)) => format!("{event:?}"),
    }
}

#[tokio::test]
async fn a_sink_gets_frames_only_while_the_subscriber_waits_and_nothing_twice() {
    let live = live(8, 1000);
    let mut place = live.place(cursor(1));
    let basket = Basket::open();
    place.hand_to(Arc::<Basket>::clone(&basket));
    deliver(vec![live.say(frame("one", 2))]).await;
    assert_eq!(basket.taken().len(), 0, "it did not wait yet");
    assert_eq!([found(&mut place), found(&mut place)], ["one", "nothing"]);
    deliver(vec![live.say(frame("two", 3))]).await;
    deliver(vec![live.say(frame("three", 4))]).await;
    assert_eq!(basket.taken(), ["two", "three"]);
    assert_eq!(found(&mut place), "nothing");
    assert_eq!((place.passed(), place.passed()), (Some(cursor(4)), None));
}

#[tokio::test]
async fn what_a_sink_refuses_wakes_the_subscriber_and_nothing_overtakes_it() {
    let live = live(8, 1000);
    let mut place = live.place(cursor(1));
    let basket = Basket::open();
    place.hand_to(Arc::<Basket>::clone(&basket));
    basket.open.store(false, Ordering::Relaxed);
    {
        let mut next = pin!(place.next());
        assert!(next.as_mut().now_or_never().is_none());
        deliver(vec![live.say(frame("one", 2))]).await;
        basket.open.store(true, Ordering::Relaxed);
        deliver(vec![live.say(frame("two", 3))]).await;
        assert!(matches!(next.await, Taken::Event(Event::Frame(..))));
    }
    assert_eq!(basket.taken().len(), 0);
    assert_eq!([found(&mut place), found(&mut place)], ["two", "nothing"]);
    // Parts of a large frame, and ends, go the long way.
    let parts = Event::Frame(Arc::new([Bytes::from_static(b"a"), Bytes::from_static(b"b")]), cursor(4));
    deliver(vec![live.say(parts)]).await;
    deliver(vec![live.say(Event::Unwatched)]).await;
    assert_eq!([found(&mut place), found(&mut place)], ["ab", "Unwatched"]);
    assert_eq!(basket.taken().len(), 0);
}

#[tokio::test]
async fn no_more_is_kept_than_bytes_and_number_allow_but_the_newest() {
    for (events, bytes) in [(2, 1000), (100, 10)] {
        let live = live(events, bytes);
        let (mut slow, mut quick) = (live.place(cursor(1)), live.place(cursor(1)));
        for (xid, text) in (2..).zip(["aaaaa", "bbbbb", "ccccc"]) {
            deliver(vec![live.say(frame(text, xid))]).await;
            assert_eq!(found(&mut quick), text);
        }
        assert_eq!(found(&mut slow), "lagged");
        slow.skip_lost();
        assert_eq!([found(&mut slow), found(&mut slow)], ["bbbbb", "ccccc"]);
        // Larger than all that may be kept.
        deliver(vec![live.say(frame("a frame of more than ten bytes", 5))]).await;
        assert_eq!(live.kept().events.len(), 1);
        assert_eq!(found(&mut quick), found(&mut slow));
    }
}

#[tokio::test]
async fn what_everybody_has_is_let_go() {
    let live = live(8, 1000);
    deliver(vec![live.say(frame("nobody", 2))]).await;
    assert_eq!(live.kept().events.len(), 0);
    let (mut one, mut other) = (live.place(cursor(2)), live.place(cursor(2)));
    let basket = Basket::open();
    other.hand_to(Arc::<Basket>::clone(&basket));
    assert_eq!(found(&mut other), "nothing");
    deliver(vec![live.say(frame("first", 3)), live.say(frame("second", 4))]).await;
    assert_eq!(basket.taken().len(), 2);
    assert_eq!(live.kept().events.len(), 2);
    assert_eq!(found(&mut one), "first");
    assert_eq!(live.kept().events.len(), 1);
    one.move_on(cursor(4));
    assert_eq!(live.kept().events.len(), 0);
    assert_eq!(live.kept().bytes, 0);
    deliver(vec![live.say(frame("third", 5))]).await;
    assert_eq!(live.kept().events.len(), 1);
    drop(one);
    assert_eq!(live.kept().events.len(), 0);
    assert_eq!(live.places(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_served_on_all_cores_and_each_once() {
    let live = live(8, 1000);
    let count = 3 * AT_ONCE + 7;
    let mut places: Vec<Place> = (0..count).map(|_| live.place(cursor(1))).collect();
    let baskets: Vec<Arc<Basket>> = places.iter().map(|_| Basket::open()).collect();
    for (place, basket) in places.iter_mut().zip(&baskets) {
        place.hand_to(Arc::<Basket>::clone(basket));
        assert_eq!(found(place), "nothing");
    }
    // A place given up leaves a gap among the seats.
    places.remove(AT_ONCE);
    for xid in 2..50 {
        deliver(vec![live.say(frame("frame", xid))]).await;
    }
    let told: Vec<usize> = baskets.iter().map(|basket| basket.taken().len()).collect();
    assert_eq!((told[AT_ONCE], told.iter().sum::<usize>()), (0, 48 * (count - 1)));
    assert!(told.iter().all(|count| [0, 48].contains(count)));
    assert_eq!(live.kept().events.len(), 0);
}
