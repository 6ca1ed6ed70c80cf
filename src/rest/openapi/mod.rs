//! `/openapi.json`: what this server answers, as an OpenAPI 3.1 document made from the watched tables.

mod answers;
mod around;
mod batch;
mod filters;
mod history;
mod operations;
mod operators;
mod rows;
mod values;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::pg::resource::{DescribedTable, Failure, Resources};

/// How long a document is used without a look at the tables.
const AGE: Duration = Duration::from_secs(1);

/// The document as it was made lately.
#[derive(Default)]
pub(super) struct Document(Mutex<Option<(Instant, Bytes)>>);

impl Document {
    /// The document; `guarded` says that requests need a token.
    pub(super) async fn text(&self, resources: &Resources, guarded: bool) -> Result<Bytes, Failure> {
        if let Some((made, text)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && made.elapsed() < AGE
        {
            return Ok(text.clone());
        }
        let begun = Instant::now();
        let text = Bytes::from(document(&resources.described().await?, guarded).to_string());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((begun, text.clone()));
        Ok(text)
    }
}

fn document(tables: &[DescribedTable], guarded: bool) -> Value {
    let paths = tables
        .iter()
        .flat_map(operations::paths)
        .chain([batch::path()])
        .chain(around::paths())
        .chain(operators::paths());
    let mut document = json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Rowbell",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Tables of a PostgreSQL by REST, and their changes as a feed.",
        },
        "servers": [{"url": "/"}],
        "tags": tags(tables),
        "paths": paths.collect::<Map<_, _>>(),
        "components": components(tables),
    });
    if guarded {
        document["components"]["securitySchemes"] = json!({"token": {"type": "http", "scheme": "bearer"}});
        document["security"] = json!([{"token": []}]);
    }
    document
}

fn components(tables: &[DescribedTable]) -> Value {
    let named =
        |pairs: Vec<(&'static str, Value)>| pairs.into_iter().map(|(name, value)| (name.to_owned(), value));
    let writable = || tables.iter().filter(|table| table.version().is_some());
    let schemas = tables
        .iter()
        .flat_map(rows::components)
        .chain(writable().map(batch::component))
        .chain(named(batch::schemas(writable())))
        .chain(named(values::components()))
        .chain(named(answers::schemas()))
        .chain(named(around::schemas()))
        .chain(named(operators::schemas()))
        .chain(named(vec![history::schema()]));
    let parameters = named(filters::components())
        .chain(named(operations::components()))
        .chain(named(history::components()));
    json!({
        "schemas": schemas.collect::<Map<_, _>>(),
        "parameters": parameters.collect::<Map<_, _>>(),
        "headers": answers::headers(),
        "responses": answers::components(),
    })
}

fn tags(tables: &[DescribedTable]) -> Value {
    let of = |table: &DescribedTable| match &table.about {
        Some(about) => json!({"name": &*table.channel, "description": about}),
        None => json!({"name": &*table.channel}),
    };
    let mut tags: Vec<_> = tables.iter().map(of).collect();
    tags.push(json!({"name": "batch", "description": "Several writes in one request."}));
    tags.push(json!({"name": "feed", "description": "What is committed, as it is committed."}));
    tags.push(json!({"name": "around", "description": "For operators."}));
    tags.into()
}
