//! The business tables as a shop's program sees them: served, written and streamed.

use rowbell::pg::business::install_business;
use rowbell::pg::seed::seed;
use serde_json::{Value, json};

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::socket::Socket;

const CHANNELS: [&str; 15] = [
    "branches",
    "users",
    "clients",
    "orders",
    "reports",
    "products",
    "employees",
    "stock-movements",
    "stock-requests",
    "attendance",
    "leave",
    "bonus",
    "cash-requests",
    "notifications",
    "appointments",
];

async fn shop() -> (Database, Api) {
    let database = Database::new().await;
    install_business(&database.connector).await.expect("the tables are made");
    let api = Api::on(&database.url).await;
    (database, api)
}

#[tokio::test]
async fn a_name_is_enough() {
    let (_database, api) = shop().await;
    for channel in ["clients", "products", "branches", "employees"] {
        let made = api.post(&format!("/api/{channel}"), &json!({"name": "Anna"})).await.expect(201);
        assert_eq!(made.json()["name"], "Anna", "{channel}");
        assert_eq!(
            made.header("location"),
            format!("/api/{channel}/{}", made.json()["id"].as_str().expect("an id"))
        );
        for column in ["created_at", "updated_at", "last_synced_at"] {
            assert!(made.json()[column].is_string(), "{channel} {column}");
        }
        assert_eq!(
            api.post(&format!("/api/{channel}"), &json!({"name": " "})).await.problem(422),
            "constraint"
        );
        assert_eq!(api.post(&format!("/api/{channel}"), &json!({})).await.problem(422), "constraint");
    }
    let id = "5e1f0000-0000-4000-8000-000000000001";
    let put = api
        .send("PUT", &format!("/api/clients/{id}"), &[("If-None-Match", "*")], Some(r#"{"name":"Ben"}"#))
        .await;
    assert_eq!(put.expect(201).json()["id"], id);
}

#[tokio::test]
async fn reports_are_listed_by_date() {
    let (_database, api) = shop().await;
    for day in ["2026-01-31", "2026-02-01", "2026-02-28", "2026-03-01"] {
        api.post(
            "/api/reports",
            &json!({"date": day, "revenue": 10.5, "products": [{"name": "tea", "quantity": 2}]}),
        )
        .await
        .expect(201);
    }
    let february =
        api.get("/api/reports?date=gte.2026-02-01&date=lt.2026-03-01&order=date").await.expect(200).json();
    let days: Vec<_> = february.as_array().expect("rows").iter().map(|row| &row["date"]).collect();
    assert_eq!(days, ["2026-02-01", "2026-02-28"]);
    assert_eq!(february[0]["products"], json!([{"name": "tea", "quantity": 2}]));
}

#[tokio::test]
async fn orders_carry_their_items() {
    let (_database, api) = shop().await;
    let branch = api.post("/api/branches", &json!({"name": "North"})).await.expect(201).json();
    let items = json!([{"name": "tea", "quantity": 2, "price": 1.5, "amount": 3}]);
    let body = json!({"branch_id": branch["id"], "items": items, "total": 3});
    let made = api.post("/api/orders", &body).await.expect(201);
    assert_eq!((&made.json()["items"], &made.json()["status"]), (&items, &json!("open")));
    let more =
        json!({"items": [items[0], {"name": "cup", "quantity": 1, "price": 4, "amount": 4}], "total": 7});
    let path = made.header("location");
    let changed = api.at(made.version(), "PATCH", path, &more).await.expect(200);
    assert_eq!(changed.json()["items"], more["items"]);
    assert_eq!(
        api.at(changed.version(), "PATCH", path, &json!({"items": {}})).await.problem(422),
        "constraint"
    );
    assert_eq!(
        api.at(changed.version(), "PATCH", path, &json!({"branch_id": made.json()["id"]})).await.problem(422),
        "constraint"
    );
    let of_branch =
        format!("/api/orders?branch_id=eq.{}&status=in.(open,held)", branch["id"].as_str().expect("an id"));
    assert_eq!(api.get(&of_branch).await.expect(200).json(), json!([changed.json()]));
}

#[tokio::test]
async fn all_fifteen_are_served_and_streamed() {
    let (database, api) = shop().await;
    let mut socket = Socket::open(api.address.port(), &format!("/feed/{}", CHANNELS.join(","))).await;
    assert_eq!(socket.frame().await["type"], "subscribed");
    let rows = seed(&database.connector, |_, _| Ok(())).await.expect("seeds");
    let (changes, _) = socket.changes(usize::try_from(rows).expect("a count")).await;
    assert!(changes.iter().all(|change| change["xid"] == changes[0]["xid"]));
    let mut total = 0;
    for channel in CHANNELS {
        let listed = api.get(&format!("/api/{channel}?limit=10000")).await.expect(200).json();
        let mut listed: Vec<Value> = listed.as_array().expect("rows").clone();
        let streamed =
            changes.iter().filter(|change| change["channel"] == channel).map(|change| change["row"].clone());
        let mut streamed: Vec<Value> = streamed.collect();
        assert!(!listed.is_empty(), "{channel} is empty");
        total += listed.len();
        for rows in [&mut listed, &mut streamed] {
            rows.sort_by_key(|row| row["id"].to_string());
        }
        assert_eq!(listed, streamed, "{channel}");
        assert!(channel != "users" || listed.iter().all(|row| row.get("password_hash").is_none()));
    }
    assert_eq!(u64::try_from(total), Ok(rows));
}
