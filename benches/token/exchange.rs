//! The little HTTP/1.1 that a load client needs: where a response ends, whether it is a token, and one blocking
//! exchange. It is no general client: no chunked bodies, no redirects, loopback only.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::Fallible;

/// A response larger than this is not a token response.
pub(crate) const RESPONSE_BYTES_MAX: usize = 16 * 1024;

/// A server that gives no token for this long will not give one.
const FIRST_TOKEN_MAX: Duration = Duration::from_secs(20);

/// Where one response lies in the bytes read so far.
pub(crate) struct Frame {
    pub(crate) status: u16,
    /// The whole response is `..end`.
    pub(crate) end: usize,
    body: usize,
}

impl Frame {
    /// Finds a whole response at the start of `bytes`; `None` asks for more of them.
    pub(crate) fn find(bytes: &[u8]) -> Fallible<Option<Self>> {
        let Some(head_end) = position(bytes, b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&bytes[..head_end])?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
        let status = status.and_then(|digits| digits.parse().ok()).ok_or("a response without a status line")?;
        let length: usize = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .ok_or("a response without a content-length")?;
        let body = head_end + 4;
        if length > RESPONSE_BYTES_MAX {
            return Err(format!("a response body of {length} bytes").into());
        }
        Ok((bytes.len() >= body + length).then_some(Self { status, end: body + length, body }))
    }

    /// The body, if the response is what was wanted; else the response itself in the error.
    pub(crate) fn body<'a>(&self, bytes: &'a [u8], wanted: Wanted) -> Fallible<&'a [u8]> {
        let body = &bytes[self.body..self.end];
        if self.status == wanted.status && position(body, wanted.holds.as_bytes()).is_some() {
            return Ok(body);
        }
        Err(format!("status {}: {}", self.status, String::from_utf8_lossy(body)).into())
    }
}

/// What makes a response a right one.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) status: u16,
    pub(crate) holds: &'static str,
}

pub(crate) const TOKEN: Wanted = Wanted { status: 200, holds: "\"access_token\"" };
pub(crate) const ACTIVE: Wanted = Wanted { status: 200, holds: "\"active\":true" };
pub(crate) const MADE: Wanted = Wanted { status: 201, holds: "\"userName\"" };

fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The bytes of a request with a form, made once and sent over and over.
pub(crate) fn form_request(address: SocketAddr, path: &str, form: &[(&str, &str)]) -> Vec<u8> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    request(address, path, "Content-Type: application/x-www-form-urlencoded", &body)
}

/// The bytes of any POST; `header` is one line of its own.
pub(crate) fn request(address: SocketAddr, path: &str, header: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: {address}\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// One token response's body, over a connection of its own.
pub(crate) fn token_body(address: SocketAddr, request: &[u8]) -> Fallible<Vec<u8>> {
    let (frame, bytes) = exchange(TcpStream::connect(address)?, request)?;
    Ok(frame.body(&bytes, TOKEN)?.to_vec())
}

/// Waits for a server that is starting: connects every millisecond until it gives a token.
///
/// A refused connection and a 503 mean "not yet", anything else but a token is an error.
pub(crate) fn first_token(address: SocketAddr, request: &[u8]) -> Fallible<()> {
    let deadline = Instant::now() + FIRST_TOKEN_MAX;
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => {
                let (frame, bytes) = exchange(stream, request)?;
                if frame.status != 503 {
                    return frame.body(&bytes, TOKEN).map(drop);
                }
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() > deadline {
            return Err(format!("nothing within {} s", FIRST_TOKEN_MAX.as_secs()).into());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn exchange(mut stream: TcpStream, request: &[u8]) -> Fallible<(Frame, Vec<u8>)> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(FIRST_TOKEN_MAX))?;
    stream.write_all(request)?;
    let mut bytes = vec![0; RESPONSE_BYTES_MAX];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut bytes[filled..])?;
        if read == 0 {
            return Err("the connection ended before the response did".into());
        }
        filled += read;
        if let Some(frame) = Frame::find(&bytes[..filled])? {
            bytes.truncate(frame.end);
            return Ok((frame, bytes));
        }
    }
}
