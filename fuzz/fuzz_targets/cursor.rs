//! The text of a cursor as a client sends it back, and the bytes below it with a checksum that is right.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use rowbell::words::Cursor;

fuzz_target!(|bytes: &[u8]| {
    let mut sealed = bytes.to_vec();
    sealed.extend_from_slice(&crc32fast::hash(bytes).to_be_bytes());
    for text in [String::from_utf8_lossy(bytes).into_owned(), URL_SAFE_NO_PAD.encode(sealed)] {
        let Ok(cursor) = Cursor::parse(&text) else { continue };
        let snapshot = &cursor.snapshot;
        assert!(snapshot.in_progress().is_sorted() && snapshot.xmin() <= snapshot.xmax());
        assert!(snapshot.xmin() > 0 && snapshot.covers_all_of(snapshot) && !snapshot.covers(snapshot.xmin()));
        assert!(cursor.fits() && cursor.to_string().len() <= text.len());
        assert_eq!(Cursor::parse(&cursor.to_string()), Ok(cursor));
    }
});
