//! Server-sent events as they come in (WHATWG HTML, 9.2.6).
//!
//! It knows nothing of what the events mean.
//!
//! **Invariant:** whatever a server sends, it takes no more memory than one event of the largest size.

use std::io::{self, BufRead, BufReader, Read};

/// Bytes of a line: ours have some 150.
const LONGEST_LINE: usize = 4 * 1024;
/// Bytes of the data of one event.
const LARGEST_DATA: usize = 16 * 1024;

/// An event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its id, if it has one.
    pub(crate) id: Option<String>,
    /// What it is called.
    pub(crate) word: String,
    /// What it says.
    pub(crate) data: String,
}

/// The events of a body.
pub(crate) struct EventStream<R> {
    lines: BufReader<R>,
    /// How long to wait before the stream is opened again, as the server last said, in milliseconds.
    pub(crate) retry_ms: Option<u64>,
}

impl<R: Read> EventStream<R> {
    /// Those of this body.
    pub(crate) fn new(body: R) -> Self {
        Self { lines: BufReader::with_capacity(LONGEST_LINE, body), retry_ms: None }
    }

    /// The next event; `None` at the end. Comments, which keep a silent stream alive, are passed over.
    ///
    /// # Errors
    /// The connection broke, or the server sends what is no event of bounded size in UTF-8.
    pub(crate) fn next(&mut self) -> io::Result<Option<Event>> {
        let mut event = Event::default();
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            if line.is_empty() {
                if event.word.is_empty() && event.data.is_empty() {
                    continue;
                }
                return Ok(Some(event));
            }
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "id" if !value.contains('\0') => event.id = Some(value.to_owned()),
                "event" => event.word = value.to_owned(),
                "data" => {
                    if event.data.len() + value.len() > LARGEST_DATA {
                        return Err(io::Error::new(io::ErrorKind::InvalidData, "an event is too large"));
                    }
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                "retry" => self.retry_ms = value.parse().ok().or(self.retry_ms),
                _ => {}
            }
        }
    }

    /// The next line without its end; `None` at the end of the body.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        (&mut self.lines).take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line)?;
        match line.pop() {
            Some(b'\n') => {}
            None => return Ok(None),
            Some(_) if line.len() >= LONGEST_LINE => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line of the stream is too long"));
            }
            Some(_) => return Ok(None), // cut amid a line
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (Vec<Event>, io::Result<()>) {
        let mut stream = EventStream::new(body.as_bytes());
        let mut events = Vec::new();
        loop {
            match stream.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => return (events, Ok(())),
                Err(error) => return (events, Err(error)),
            }
        }
    }

    fn event(id: Option<&str>, word: &str, data: &str) -> Event {
        Event { id: id.map(str::to_owned), word: word.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_read_and_comments_passed_over() {
        let (events, end) = read(
            "retry: 2000\n\n: all is quiet\n\nid: 1f\nevent: live\ndata: {}\n\nevent:moved\r\ndata: a\ndata: b\r\n\r\n\
             id: 2\nevent: cut amid",
        );
        assert!(end.is_ok());
        assert_eq!(events, [event(Some("1f"), "live", "{}"), event(None, "moved", "a\nb")]);
    }

    #[test]
    fn the_server_says_how_long_to_wait_before_the_stream_is_opened_again() {
        let mut stream = EventStream::new("retry: 2000\nretry: soon\n\n".as_bytes());
        assert_eq!(stream.next().expect("in order"), None);
        assert_eq!(stream.retry_ms, Some(2_000));
    }

    #[test]
    fn a_stream_of_any_size_takes_bounded_memory() {
        let endless_line = format!("data: {}", "x".repeat(1 << 20));
        let endless_event = "data: xxxxxxxxxxxxxxxx\n".repeat(1 << 16);
        for hostile in [endless_line.as_str(), endless_event.as_str(), "data: \u{0}\nevent: x\n\n"] {
            let (events, end) = read(hostile);
            assert!(end.is_err() || events.len() == 1, "{:.40}", hostile);
        }
        let not_text = [b"event: ".as_slice(), &[0xff], b"\n\n"].concat();
        assert!(EventStream::new(not_text.as_slice()).next().is_err());
    }
}
