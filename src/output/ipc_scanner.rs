//! A scanner of an Arrow IPC stream, which sees its bytes before the decoder does and refuses
//! lengths that cannot be (see [`super::ipc_message`]). It keeps no body.

use std::ops::Range;

use super::ipc_message::MessageLengths;

/// The first bytes of every message since Arrow 0.15.
pub(crate) const CONTINUATION: [u8; 4] = [0xff; 4];

/// The lengths in a stream whose bytes arrive in chunks of any size.
#[derive(Debug)]
pub(super) struct IpcScanner {
    state: State,
    /// Record batches so far; none before the schema has passed.
    batches: Option<usize>,
    limit_bytes: u64,
    has_ended_one: bool,
}

#[derive(Debug)]
enum State {
    /// The length of the metadata, perhaps behind the continuation mark.
    Length {
        bytes: Vec<u8>,
    },
    Metadata {
        bytes: Vec<u8>,
        length: usize,
    },
    Body(Body),
    /// Behind the end-of-stream mark.
    End,
}

#[derive(Debug)]
struct Body {
    lengths: MessageLengths,
    /// Bytes that have passed.
    passed: u64,
    claims: Vec<(Range<u64>, Vec<u8>)>,
}

impl IpcScanner {
    /// A scanner that takes no message of more than `limit_bytes`, as it is or uncompressed.
    pub(super) fn new(limit_bytes: u64) -> Self {
        Self { state: State::Length { bytes: Vec::new() }, batches: None, limit_bytes, has_ended_one: false }
    }

    /// Looks at the next bytes of the stream.
    ///
    /// # Errors
    /// A fragment that says which length is wrong, and in which record batch.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> Result<(), String> {
        while !bytes.is_empty() && !matches!(self.state, State::End) {
            bytes = self.step(bytes).map_err(|what| match self.batches {
                Some(batch) => format!("in record batch {batch}, {what}"),
                None => format!("in its schema, {what}"),
            })?;
        }
        Ok(())
    }

    /// Whether a message has ended, and the next one or the end-of-stream mark has not begun.
    pub(super) fn is_between_messages(&self) -> bool {
        self.has_ended_one && matches!(&self.state, State::Length { bytes } if bytes.is_empty())
    }

    /// Takes what belongs to the state, and returns the rest.
    fn step<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], String> {
        let rest = match &mut self.state {
            State::Length { bytes: length } => {
                let (taken, rest) = bytes.split_at(bytes.len().min(4 - length.len() % 4));
                length.extend_from_slice(taken);
                let last = match length.as_slice() {
                    mark if *mark == CONTINUATION => None,
                    [.., a, b, c, d] if length.len() % 4 == 0 => Some(i32::from_le_bytes([*a, *b, *c, *d])),
                    _ => None,
                };
                match last.map(usize::try_from) {
                    None => {}
                    Some(Ok(0)) => self.state = State::End,
                    Some(Ok(length)) => self.state = State::Metadata { bytes: Vec::new(), length },
                    Some(Err(_)) => return Err("its metadata are said to have a negative length".to_owned()),
                }
                rest
            }
            State::Metadata { bytes: metadata, length } => {
                let (taken, rest) = bytes.split_at(bytes.len().min(*length - metadata.len()));
                metadata.extend_from_slice(taken);
                if metadata.len() == *length {
                    let lengths = MessageLengths::read(metadata, None, self.limit_bytes)?;
                    let claims = lengths.claims().into_iter().map(|range| {
                        let bytes = vec![0; (range.end - range.start) as usize];
                        (range, bytes)
                    });
                    let claims = claims.collect();
                    self.state = State::Body(Body { lengths, passed: 0, claims });
                }
                rest
            }
            State::Body(body) => {
                let left = body.lengths.body_bytes() - body.passed;
                let here = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                let (taken, rest) = bytes.split_at(here);
                body.pass(taken);
                rest
            }
            State::End => bytes,
        };
        self.end_body()?;
        Ok(rest)
    }

    /// Checks the claims of a body that is complete, which may have no bytes.
    fn end_body(&mut self) -> Result<(), String> {
        let State::Body(body) = &self.state else { return Ok(()) };
        if body.passed < body.lengths.body_bytes() {
            return Ok(());
        }
        let claims: Vec<&Vec<u8>> = body.claims.iter().map(|(_, bytes)| bytes).collect();
        body.lengths.check_claims(&claims, self.limit_bytes)?;
        let is_batch = body.lengths.is_record_batch();
        self.batches = Some(self.batches.map_or(0, |batches| batches + usize::from(is_batch)));
        self.state = State::Length { bytes: Vec::new() };
        self.has_ended_one = true;
        Ok(())
    }
}

impl Body {
    /// Copies what `bytes`, the next of the body, hold of the claims.
    fn pass(&mut self, bytes: &[u8]) {
        let (start, end) = (self.passed, self.passed + bytes.len() as u64);
        for (range, claim) in &mut self.claims {
            let common = range.start.max(start)..range.end.min(end);
            if common.is_empty() {
                continue;
            }
            let within = |from: u64| (common.start - from) as usize..(common.end - from) as usize;
            let target = claim.get_mut(within(range.start));
            if let (Some(target), Some(source)) = (target, bytes.get(within(start))) {
                target.copy_from_slice(source);
            }
        }
        self.passed = end;
    }
}
