//! HTTP/2 by hand (RFC 9113, RFC 7541): frames in an order that no library would send.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
/// Of DATA and HEADERS; of SETTINGS and PING it says that this is the answer.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A connection, spoken frame by frame.
pub struct Frames<S>(S);

impl<S: AsyncRead + AsyncWrite + Unpin> Frames<S> {
    /// Says hello.
    pub async fn begin(mut stream: S) -> Self {
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
        let mut frames = Self(stream);
        frames.send(SETTINGS, 0, 0, &[]).await;
        frames
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame).await.unwrap();
    }

    /// The head of a gRPC request whose body is still to come.
    pub async fn head(&mut self, stream: u32, host: &str, path: &str) {
        // Of the static table: POST and https, then names 1 and 4 with values, then what has no number.
        let mut block = vec![0x83, 0x87];
        for (name, value) in [(1, host), (4, path)] {
            block.push(name);
            literal(&mut block, value);
        }
        for (name, value) in [("te", "trailers"), ("content-type", "application/grpc")] {
            block.push(0);
            literal(&mut block, name);
            literal(&mut block, value);
        }
        self.send(HEADERS, END_HEADERS, stream, &block).await;
    }

    /// An empty message, and the end.
    pub async fn body(&mut self, stream: u32) {
        self.send(DATA, END_STREAM, stream, &[0; 5]).await;
    }

    /// Waits until the peer has read what was sent; the number of requests that ended meanwhile.
    ///
    /// # Panics
    ///
    /// When the peer says GOAWAY: with its words.
    pub async fn settle(&mut self) -> usize {
        self.send(PING, 0, 0, &[7; 8]).await;
        let mut ended = 0;
        loop {
            match self.next().await {
                (PING, END_STREAM) => return ended,
                (HEADERS, flags) => ended += usize::from(flags & END_STREAM != 0),
                _ => {}
            }
        }
    }

    async fn next(&mut self) -> (u8, u8) {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.unwrap();
        let [a, b, c, kind, flags, ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.0.read_exact(&mut payload).await.unwrap();
        assert_ne!(kind, GO_AWAY, "{}", String::from_utf8_lossy(&payload));
        if kind == SETTINGS && flags & END_STREAM == 0 {
            self.send(SETTINGS, END_STREAM, 0, &[]).await;
        }
        (kind, flags)
    }
}

fn literal(block: &mut Vec<u8>, text: &str) {
    assert!(text.len() < 127, "one byte says how long");
    block.push(u8::try_from(text.len()).unwrap());
    block.extend(text.as_bytes());
}
