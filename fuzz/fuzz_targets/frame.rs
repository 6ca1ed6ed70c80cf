//! A message of a WebSocket's client.

#![no_main]

use libfuzzer_sys::fuzz_target;
use rowbell::words::frame::{BadFrame, ClientFrame};

fuzz_target!(|text: &str| {
    match ClientFrame::parse(text) {
        Ok(frame) => drop(format!("{frame:?}")),
        Err(BadFrame::NotAnObject) => {}
        Err(BadFrame::Refused { code, message, .. }) => assert!(!code.is_empty() && !message.is_empty()),
    }
});
