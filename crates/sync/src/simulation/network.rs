//! The network between phones and servers: messages under way, in no order.

use crate::testing::Random;

/// A message under way.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The phone that sent it, or for which it is.
    pub(super) phone: usize,
    /// The phone's exchange to which it belongs.
    pub(super) exchange: u64,
    /// The server for which it is; none if it comes from one.
    pub(super) server: Option<usize>,
    pub(super) bytes: Vec<u8>,
}

/// Messages under way.
#[derive(Debug, Default)]
pub(super) struct Network {
    under_way: Vec<Message>,
    /// Messages that were lost, doubled or cut.
    pub(super) faults: u64,
}

impl Network {
    pub(super) fn send(&mut self, message: Message) {
        self.under_way.push(message);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// The next message that arrives, if any does: perhaps cut, perhaps once more later.
    pub(super) fn deliver(&mut self, random: &mut Random, is_good: bool) -> Option<Message> {
        if self.under_way.is_empty() {
            return None;
        }
        let chosen = if is_good { 0 } else { random.below(self.under_way.len()) };
        let fate = if is_good { 99 } else { random.below(16) };
        self.faults += u64::from(fate < 4);
        match fate {
            0 | 1 => {
                self.under_way.swap_remove(chosen);
                None
            }
            2 => Some(self.under_way[chosen].clone()),
            3 => {
                let mut message = self.under_way.swap_remove(chosen);
                let kept = random.below(message.bytes.len() + 1);
                message.bytes.truncate(kept);
                Some(message)
            }
            _ => Some(self.under_way.remove(chosen)),
        }
    }
}
