//! Text on its way to a device that takes some of it at a time. Pure logic; buffer and device are
//! behind [`Device`], so that the host tests it.
//!
//! Where the device takes nothing, the processor is given up in the midst of the text, and more may
//! be printed meanwhile. That is put behind the text, so that all of it leaves in the order in
//! which it was printed.

/// A device, and the buffer before it.
pub trait Device {
    /// Bytes of the buffer.
    const BYTES: usize;
    /// Sets a byte of the buffer.
    fn set(&self, n: usize, byte: u8);
    /// Bytes of the buffer that hold text.
    fn length(&self) -> usize;
    /// Sets [`Device::length`].
    fn set_length(&self, length: usize);
    /// Of these, the bytes that were sent.
    fn sent(&self) -> usize;
    /// Sets [`Device::sent`].
    fn set_sent(&self, sent: usize);
    /// Hands `bytes` bytes of the buffer from `start` on to the device, and returns how many it
    /// takes.
    fn write(&self, start: usize, bytes: usize) -> usize;
    /// Gives the device time. More may be printed meanwhile.
    fn wait(&self);
}

/// The text before a device.
#[derive(Debug)]
pub struct Outgoing<D>(pub D);

impl<D: Device> Outgoing<D> {
    /// Puts a byte behind the text, and sends all of it at the end of a line.
    pub fn put(&self, byte: u8) {
        // What waits in the midst of a text may have filled the buffer.
        if self.0.length() == D::BYTES {
            self.send();
        }
        let length = self.0.length();
        self.0.set(length, byte);
        self.0.set_length(length + 1);
        if byte == b'\n' {
            self.send();
        }
    }

    /// Sends all of the text.
    pub fn send(&self) {
        while self.0.sent() < self.0.length() {
            let sent = self.0.sent();
            match self.0.write(sent, self.0.length() - sent) {
                0 => self.0.wait(),
                taken => self.0.set_sent(sent + taken),
            }
        }
        self.0.set_sent(0);
        self.0.set_length(0);
    }
}

#[cfg(test)]
mod tests;
