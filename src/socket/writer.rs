//! The write side of a WebSocket: frames go out as they are, headers beside them, payloads never copied.
//!
//! tungstenite would copy every payload into a buffer of the session and keep the largest one it ever saw;
//! a `commits` frame is shared by all sessions on its topic, and stays shared here.

use std::collections::VecDeque;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use super::outlet::Output;

/// Frames one system call writes at most.
const AT_ONCE: usize = 16;

/// The kinds of frames a server sends, by their opcode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Text = 1,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

/// Frames on their way out; owned by one session.
pub(super) struct Writer<W> {
    io: W,
    queue: VecDeque<Frame>,
    /// Bytes of the first frame that are out already.
    sent: usize,
    /// Bytes of all frames in the queue.
    waiting: usize,
}

struct Frame {
    header: [u8; 10],
    header_len: usize,
    payload: Bytes,
}

impl Frame {
    fn new(opcode: Opcode, payload: Bytes) -> Self {
        let mut header = [0; 10];
        // The frame is whole (FIN), and a server's frames are not masked.
        header[0] = 0x80 | opcode as u8;
        let header_len = match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
            (Ok(len), _) if len < 126 => {
                header[1] = len;
                2
            }
            (_, Ok(len)) => {
                header[1] = 126;
                header[2..4].copy_from_slice(&len.to_be_bytes());
                4
            }
            _ => {
                header[1] = 127;
                let len = u64::try_from(payload.len()).unwrap_or(u64::MAX);
                header[2..].copy_from_slice(&len.to_be_bytes());
                10
            }
        };
        Self { header, header_len, payload }
    }

    fn len(&self) -> usize {
        self.header_len + self.payload.len()
    }

    /// Header and payload, without the bytes that are out.
    fn rest(&self, sent: usize) -> [&[u8]; 2] {
        let header = &self.header[..self.header_len];
        let of_payload = sent.saturating_sub(self.header_len);
        [&header[sent.min(self.header_len)..], &self.payload[of_payload..]]
    }
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(super) fn new(io: W) -> Self {
        Self { io, queue: VecDeque::new(), sent: 0, waiting: 0 }
    }

    /// Puts a frame at the end of the queue; nothing is written before `write_some`.
    pub(super) fn push(&mut self, opcode: Opcode, payload: Bytes) {
        let frame = Frame::new(opcode, payload);
        self.waiting += frame.len();
        self.queue.push_back(frame);
    }

    /// Bytes that are not out yet.
    pub(super) fn waiting(&self) -> usize {
        self.waiting - self.sent
    }

    /// Writes what one call takes; waits until that is something.
    pub(super) fn poll_write_some(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let mut slices = [IoSlice::new(&[]); 2 * AT_ONCE];
        let mut sent = self.sent;
        let mut used = 0;
        for frame in self.queue.iter().take(AT_ONCE) {
            for part in frame.rest(std::mem::take(&mut sent)) {
                if !part.is_empty() {
                    slices[used] = IoSlice::new(part);
                    used += 1;
                }
            }
        }
        let written = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices[..used]))?;
        if written == 0 && used > 0 {
            return Poll::Ready(Err(Error::from(ErrorKind::WriteZero)));
        }
        self.advance(written);
        Poll::Ready(Ok(()))
    }

    /// Says that nothing follows.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Drops the frames of which nothing is out, so that a last word can still be said.
    pub(super) fn forget_unsent(&mut self) {
        self.queue.truncate(usize::from(self.sent > 0));
        self.waiting = self.queue.front().map_or(0, Frame::len);
    }

    fn advance(&mut self, written: usize) {
        self.sent += written;
        while let Some(len) = self.queue.front().map(Frame::len).filter(|len| *len <= self.sent) {
            self.queue.pop_front();
            self.sent -= len;
            self.waiting -= len;
        }
        if self.queue.is_empty() {
            // Most sessions have nothing waiting most of the time.
            self.queue = VecDeque::new();
        }
    }
}

impl Writer<Output> {
    /// Writes a frame without waiting, while no other waits; what does not go out waits then.
    pub(super) fn write_now(&mut self, opcode: Opcode, payload: &Bytes) -> Result<()> {
        let frame = Frame::new(opcode, payload.clone());
        let slices = frame.rest(0).map(IoSlice::new);
        let written = match self.io.try_write(&slices) {
            Ok(written) if written == frame.len() => return Ok(()),
            Ok(written) => written,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.waiting += frame.len();
        self.sent += written;
        self.queue.push_back(frame);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;

    async fn write_some<W: AsyncWrite + Unpin>(writer: &mut Writer<W>) {
        poll_fn(|context| writer.poll_write_some(context)).await.unwrap();
    }

    async fn finish<W: AsyncWrite + Unpin>(writer: &mut Writer<W>) -> Result<()> {
        while writer.waiting() > 0 {
            write_some(writer).await;
        }
        poll_fn(|context| writer.poll_shutdown(context)).await
    }

    #[tokio::test]
    async fn lengths_take_the_three_forms_of_the_protocol() {
        for (len, header) in [
            (0, vec![0x81, 0]),
            (125, vec![0x81, 125]),
            (126, vec![0x81, 126, 0, 126]),
            (65_535, vec![0x81, 126, 0xff, 0xff]),
            (65_536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            let mut writer = Writer::new(&mut out);
            writer.push(Opcode::Text, vec![b'x'; len].into());
            assert_eq!(writer.waiting(), len + header.len());
            finish(&mut writer).await.unwrap();
            assert_eq!(out[..header.len()], header);
            assert_eq!(out.len(), header.len() + len);
        }
    }

    #[tokio::test]
    async fn frames_arrive_in_order_through_a_pipe_of_any_width() {
        for width in [1, 2, 3, 7, 64, 1 << 20] {
            let (near, mut far) = tokio::io::duplex(width);
            let mut writer = Writer::new(near);
            let mut expected = Vec::new();
            for index in 0..40_u8 {
                let payload = vec![index; usize::from(index) * 7];
                let frame = Frame::new(Opcode::Text, payload.clone().into());
                expected.extend_from_slice(&frame.header[..frame.header_len]);
                expected.extend_from_slice(&payload);
                writer.push(Opcode::Text, payload.into());
            }
            let mut read = Vec::new();
            let (finished, _) = tokio::join!(finish(&mut writer), async {
                let mut some = [0; 50];
                while let Ok(count @ 1..) = far.read(&mut some).await {
                    read.extend_from_slice(&some[..count]);
                }
            });
            finished.unwrap();
            assert_eq!(read, expected, "width {width}");
            assert_eq!(writer.waiting(), 0);
        }
    }

    #[tokio::test]
    async fn a_frame_that_has_begun_is_not_forgotten() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut writer = Writer::new(near);
        writer.push(Opcode::Text, Bytes::from_static(b"begun"));
        writer.push(Opcode::Text, Bytes::from_static(b"not begun"));
        write_some(&mut writer).await;
        writer.forget_unsent();
        writer.push(Opcode::Close, Bytes::new());
        assert_eq!(writer.waiting(), 3 + 2);
        let mut read = Vec::new();
        let (finished, _) = tokio::join!(finish(&mut writer), far.read_to_end(&mut read));
        finished.unwrap();
        assert_eq!(read, b"\x81\x05begun\x88\x00");

        let mut writer = Writer::new(Vec::new());
        writer.push(Opcode::Text, Bytes::from_static(b"not begun"));
        writer.forget_unsent();
        assert_eq!(writer.waiting(), 0);
    }
}
