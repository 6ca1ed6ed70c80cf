//! What really committed, told by PostgreSQL's own logical decoding, which knows nothing of triggers and logs.

use std::collections::BTreeMap;

use rowbell::pg::link::Link;

/// The slot that keeps the write-ahead log until the end.
const SLOT: &str = "truth";

/// One change, as both sides can tell it. Of a delete only its row is compared: decoding names no more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told {
    pub xid: u64,
    pub channel: String,
    pub op: String,
    pub id: String,
    pub version: Option<i64>,
    pub n: Option<i64>,
}

/// Begins to keep the truth.
pub async fn begin(link: &Link) {
    let sql = format!("select pg_create_logical_replication_slot('{SLOT}', 'test_decoding')");
    link.client
        .batch_execute(&sql)
        .await
        .expect("a slot; test_decoding comes with PostgreSQL's contrib modules");
}

/// Everything that committed since, in the order of the write-ahead log.
pub async fn read(link: &Link) -> Vec<Told> {
    let sql = format!(
        "select xid::text, data from pg_logical_slot_peek_changes('{SLOT}', null, null, 'include-xids', '0')"
    );
    let rows = link.client.query(&sql, &[]).await.expect("the truth");
    rows.iter().filter_map(|row| decode(row.get::<_, &str>(0).parse().expect("an xid"), row.get(1))).collect()
}

/// `table public.one: UPDATE: id[integer]:7 n[bigint]:3 version[bigint]:991 …`
fn decode(xid: u64, data: &str) -> Option<Told> {
    let (table, rest) = data.strip_prefix("table public.")?.split_once(": ")?;
    let (op, row) = rest.split_once(": ")?;
    let columns: BTreeMap<&str, &str> = row
        .split(' ')
        .filter_map(|column| column.split_once(':'))
        .filter_map(|(name, value)| Some((name.split_once('[')?.0, value)))
        .collect();
    let number = |name: &str| columns.get(name).and_then(|value| value.parse().ok());
    let deleted = op == "DELETE";
    Some(Told {
        xid,
        channel: table.to_owned(),
        op: op.to_lowercase(),
        id: (*columns.get("id")?).to_owned(),
        version: number("version").filter(|_| !deleted),
        n: number("n").filter(|_| !deleted),
    })
}

#[test]
fn decoded_lines_are_read() {
    let line = "table public.one: UPDATE: id[integer]:7 n[bigint]:-3 note[text]:'x' version[bigint]:991";
    let told = decode(5, line).expect("a change");
    assert_eq!(
        (told.op.as_str(), told.id.as_str(), told.n, told.version),
        ("update", "7", Some(-3), Some(991))
    );
    let gone = decode(5, "table public.two: DELETE: id[integer]:7").expect("a change");
    assert_eq!((gone.channel.as_str(), gone.op.as_str(), gone.n), ("two", "delete", None));
    assert_eq!(decode(5, "BEGIN"), None);
    assert_eq!(decode(5, "table rowbell.sync_log_0: INSERT: seq[bigint]:1"), None);
}
