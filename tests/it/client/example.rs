//! `examples/client.rs` does what it says.

use tokio::process::Command;

use super::consumer::shop;
use crate::support::program::{Running, example, run};
use crate::support::scratch::Scratch;

#[tokio::test]
async fn the_example_follows_a_channel_and_changes_a_row() {
    let (scratch, shop) = (Scratch::new("client-example"), shop().await);
    shop.run("insert into orders values (1, 'first')").await;
    let (mut server, port) = Running::serve(scratch.path(), Some(&shop.url)).await;
    let command = |arguments: &[&str]| -> Command {
        let mut command = example("client", arguments);
        command.env("ROWBELL_URL", format!("http://127.0.0.1:{port}"));
        command
    };
    let mut following = Running::start(command(&["orders"]));
    following.out_with("orders: 1 rows").await;
    let changed = run(command(&["orders", "1", r#"{"note": "changed"}"#])).await;
    assert_eq!(changed.status, 0, "{}", changed.err);
    assert!(changed.out.contains(r#""note":"changed""#), "{}", changed.out);
    following.out_with(r#"1: {"id":1,"note":"changed""#).await;
    shop.run("delete from orders").await;
    following.out_with("1: no row").await;
    assert!(run(command(&["orders", "1", "{}"])).await.out.contains("there is no row 1"));
    server.child.kill().await.expect("killed");
    following.out_with("connecting again: ").await;
    for (arguments, status) in [(&["orders"][..], 1), (&[], 2), (&["orders", "1", "nonsense"], 2)] {
        let said = run(command(arguments)).await;
        assert_eq!(said.status, status, "{}", said.err);
        assert!(!said.err.is_empty());
    }
}
