//! The browser client's modules, embedded in the program: `GET /web/*.js`.

use futures::future::ready;
use warp::http::StatusCode;
use warp::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use super::only_get;

/// Modules by name. Whoever imports one gets the others it names from beside it.
const MODULES: [(&str, &str); 22] = [
    ("collection.js", include_str!("../../web/collection.js")),
    ("conflict-field.js", include_str!("../../web/conflict-field.js")),
    ("conflict-fields.js", include_str!("../../web/conflict-fields.js")),
    ("conflict-style.js", include_str!("../../web/conflict-style.js")),
    ("conflict-words.js", include_str!("../../web/conflict-words.js")),
    ("connection.js", include_str!("../../web/connection.js")),
    ("element.js", include_str!("../../web/element.js")),
    ("idb.js", include_str!("../../web/idb.js")),
    ("inbox.js", include_str!("../../web/inbox.js")),
    ("line.js", include_str!("../../web/line.js")),
    ("listeners.js", include_str!("../../web/listeners.js")),
    ("offline-batch.js", include_str!("../../web/offline-batch.js")),
    ("offline-store.js", include_str!("../../web/offline-store.js")),
    ("offline-sync.js", include_str!("../../web/offline-sync.js")),
    ("offline-view.js", include_str!("../../web/offline-view.js")),
    ("realtime-client.js", include_str!("../../web/realtime-client.js")),
    ("rest.js", include_str!("../../web/rest.js")),
    ("rowbell-conflict.js", include_str!("../../web/rowbell-conflict.js")),
    ("states.js", include_str!("../../web/states.js")),
    ("subscription.js", include_str!("../../web/subscription.js")),
    ("token.js", include_str!("../../web/token.js")),
    ("wake.js", include_str!("../../web/wake.js")),
];

/// What a module is sent as.
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";

/// `/web/NAME.js`. Code is no secret, so it takes no token, and pages of any allowed origin may import it.
pub(super) fn routes() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static
{
    warp::path!("web" / String).and(only_get()).and(warp::header::headers_cloned()).and_then(
        |name: String, headers: HeaderMap| {
            let module = MODULES.iter().find(|(known, _)| *known == name);
            ready(module.map(|(_, text)| answer(text, SCRIPT, &headers)).ok_or_else(warp::reject::not_found))
        },
    )
}

/// A text of that type, or 304 where the browser has it: modules of one program belong together, so it asks each time.
pub(super) fn answer(text: &'static str, kind: &'static str, headers: &HeaderMap) -> Response {
    let tag = format!("\"{:08x}\"", crc32fast::hash(text.as_bytes()));
    let has_it = headers
        .get(IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|known| known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag));
    let mut reply = if has_it { StatusCode::NOT_MODIFIED.into_response() } else { text.into_response() };
    let into = reply.headers_mut();
    into.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    into.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::try_from(tag) {
        into.insert(ETAG, tag);
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_module_is_embedded_and_names_only_embedded_ones() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/web");
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let files = entries.filter_map(|name| name.into_string().ok()).filter(|name| name.ends_with(".js"));
        let embedded: BTreeSet<_> = MODULES.iter().map(|(name, _)| (*name).to_owned()).collect();
        assert_eq!(files.collect::<BTreeSet<_>>(), embedded);
        let imports = MODULES.iter().flat_map(|(_, text)| text.split(" from './").skip(1));
        for import in imports {
            let name = import.split('\'').next().unwrap();
            assert!(embedded.contains(name), "{name}");
        }
    }
}
