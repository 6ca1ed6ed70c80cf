//! The browser client, embedded in the program: `GET /web/*.js`, each with all it names, made small by `web/build.mjs`.

use futures::future::ready;
use warp::http::StatusCode;
use warp::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
    IF_NONE_MATCH, VARY,
};
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};

use super::only_get;

/// One file that browsers load.
#[derive(Clone, Copy)]
pub(super) struct Embedded {
    /// Its path below where it is served.
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    /// The same as gzip; the build script makes it.
    packed: &'static [u8],
}

impl Embedded {
    pub(super) const fn new(name: &'static str, text: &'static str, packed: &'static [u8]) -> Self {
        Self { name, text, packed }
    }
}

/// A file under `web/`: the name it is served by, and its path there.
macro_rules! embedded {
    ($name:literal, $path:literal) => {
        $crate::socket::web::Embedded::new(
            $name,
            include_str!(concat!("../../web/", $path)),
            include_bytes!(concat!(env!("OUT_DIR"), "/web/", $path, ".gz")),
        )
    };
}
pub(super) use embedded;

/// What pages import, what several of these have in common, and the license of what is in there.
const MODULES: [Embedded; 5] = [
    embedded!("realtime-client.js", "dist/realtime-client.js"),
    embedded!("offline-sync.js", "dist/offline-sync.js"),
    embedded!("offline-sync.js.LEGAL.txt", "dist/offline-sync.js.LEGAL.txt"),
    embedded!("rowbell-conflict.js", "dist/rowbell-conflict.js"),
    embedded!("shared.js", "dist/shared.js"),
];

/// `/web/NAME.js`. Code is no secret, so it takes no token, and pages of any allowed origin may import it.
pub(super) fn routes() -> impl Filter<Extract = (Response,), Error = Rejection> + Clone + Send + Sync + 'static
{
    warp::path!("web" / String).and(only_get()).and(warp::header::headers_cloned()).and_then(
        |name: String, headers: HeaderMap| {
            let module = MODULES.iter().find(|module| module.name == name);
            ready(module.map(|module| answer(module, &headers)).ok_or_else(warp::reject::not_found))
        },
    )
}

/// The file, or 304 where the browser has it: files of one program belong together, so it asks each time.
pub(super) fn answer(file: &Embedded, headers: &HeaderMap) -> Response {
    // Weak, because the packed one and the plain one are the same file.
    let tag = format!("W/\"{:08x}\"", crc32fast::hash(file.text.as_bytes()));
    let is_packed = takes_gzip(headers);
    let mut reply = if listed(headers, IF_NONE_MATCH).any(|known| same_tag(known, &tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if is_packed {
        file.packed.into_response()
    } else {
        file.text.into_response()
    };
    let into = reply.headers_mut();
    into.insert(CONTENT_TYPE, HeaderValue::from_static(kind_of(file.name)));
    into.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    into.append(VARY, HeaderValue::from_static("accept-encoding"));
    if is_packed {
        into.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(tag) = HeaderValue::try_from(tag) {
        into.insert(ETAG, tag);
    }
    reply
}

/// True where the browser can unpack: it names gzip, and not as what it will not have.
fn takes_gzip(headers: &HeaderMap) -> bool {
    listed(headers, ACCEPT_ENCODING).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_some_and(|weight| weight > 0.0)
    })
}

/// What a header lists, however often it stands there.
fn listed(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

fn same_tag(one: &str, other: &str) -> bool {
    one.trim_start_matches("W/") == other.trim_start_matches("W/")
}

fn kind_of(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "text/html; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_module_is_embedded_and_names_only_embedded_ones() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/web/dist");
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
        let files: BTreeSet<_> = entries.filter_map(|name| name.into_string().ok()).collect();
        let embedded: BTreeSet<_> = MODULES.iter().map(|module| module.name.to_owned()).collect();
        assert_eq!(files, embedded);
        let imports = MODULES.iter().flat_map(|module| module.text.split("from\"./").skip(1));
        let imports: BTreeSet<_> =
            imports.map(|import| import.split('"').next().unwrap().to_owned()).collect();
        assert!(!imports.is_empty() && imports.is_subset(&embedded), "{imports:?}");
    }

    #[test]
    fn gzip_is_sent_to_who_takes_it() {
        let with = |value: &str| HeaderMap::from_iter([(ACCEPT_ENCODING, value.parse().unwrap())]);
        for value in ["gzip", "br, GZIP", "deflate, gzip;q=0.5", "gzip ; q=1.0"] {
            assert!(takes_gzip(&with(value)), "{value}");
        }
        for value in ["", "identity", "br", "gzip;q=0", "gzip; q=0.0", "gzip;q=much", "xgzip"] {
            assert!(!takes_gzip(&with(value)), "{value}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }
}
